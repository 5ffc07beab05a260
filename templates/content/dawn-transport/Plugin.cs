using Dawn;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using MyTransport;

[assembly: DawnPlugin(typeof(Plugin))]

namespace MyTransport;

/// <summary>The entry point: it says what the plugin offers, and does no work itself.</summary>
internal sealed class Plugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        // A misspelt key, or a value out of range, is refused at the start and named in `dawn plugins`.
        services.AddOptions<Settings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => s.Backlog is >= 1 and <= 4096, "Backlog must be 1 to 4096.");
        services.AddSingleton<IPeerTransport, Transport>();
    }
}

/// <summary>What Dawn:Plugins:{folder} may hold.</summary>
internal sealed class Settings
{
    /// <summary>How many connections wait until they are accepted.</summary>
    public int Backlog { get; set; } = 128;
}
