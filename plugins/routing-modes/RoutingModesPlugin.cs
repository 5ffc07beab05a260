using Dawn;
using Dawn.Routing.Modes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

[assembly: DawnPlugin(typeof(RoutingModesPlugin))]

namespace Dawn.Routing.Modes;

/// <summary>Offers the modes centralized, decentralized and hybrid.</summary>
internal sealed class RoutingModesPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        // Who sets something here expects it to matter: the hubs, for example, that belong elsewhere.
        if (settings.GetChildren().FirstOrDefault() is { } unknown)
        {
            throw new InvalidOperationException($"The modes have no settings of their own; {unknown.Key} is unknown. Remove it; hubs are named in Dawn:Hubs.");
        }

        services.AddSingleton<IRoutingMode, CentralizedMode>();
        services.AddSingleton<IRoutingMode, DecentralizedMode>();
        services.AddSingleton<IRoutingMode, HybridMode>();
    }
}
