using Dawn;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using UnixSockets;

[assembly: DawnPlugin(typeof(UnixPlugin))]

namespace UnixSockets;

/// <summary>Offers the scheme unix. The node reads this class, builds the container, and asks it for transports.</summary>
internal sealed class UnixPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        // A misspelt key, or a value out of range, is refused at the start and named in `dawn plugins`.
        services.AddOptions<UnixSettings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => s.Backlog is >= 1 and <= 4096, "Backlog must be 1 to 4096.");
        services.AddSingleton<IPeerTransport, UnixTransport>();
    }
}

/// <summary>The section Dawn:Plugins:transport-unix of the node's settings.</summary>
internal sealed class UnixSettings
{
    /// <summary>How many connections the operating system holds until they are accepted.</summary>
    public int Backlog { get; set; } = 128;
}
