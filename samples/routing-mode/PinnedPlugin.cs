using Dawn;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Pinned;

[assembly: DawnPlugin(typeof(PinnedPlugin))]

namespace Pinned;

/// <summary>Offers the mode pinned. The node reads this class, builds the container, and asks it for routing modes.</summary>
internal sealed class PinnedPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        // A misspelt key, or a relay that is none, is refused at the start and named in `dawn plugins`.
        services.AddOptions<PinnedSettings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => NodeId.TryParse(s.Relay, out _), "Relay must be a NodeId: the 52 characters that `dawn id` prints on the relay.");
        services.AddSingleton<IRoutingMode, PinnedMode>();
    }
}

/// <summary>The section Dawn:Plugins:routing-pinned of the node's settings.</summary>
internal sealed class PinnedSettings
{
    /// <summary>The node over which everything goes.</summary>
    public string? Relay { get; set; }
}
