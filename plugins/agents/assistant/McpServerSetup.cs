using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Assistant;

/// <summary>The agent's services; the host finds this class by its name.</summary>
public static class McpServerSetup
{
    public static void ConfigureServices(IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(provider => AssistantSettings.Read(provider.GetRequiredService<IConfiguration>()));
        services.TryAddSingleton<Model>();
        services.TryAddSingleton<ToolIndex>();
        services.TryAddSingleton<Conversations>();
    }

    // Wrong settings are the plugin's problem when it is loaded, not a surprise in the first conversation.
    public static void Configure(McpServerOptions options, IServiceProvider services) => services.GetRequiredService<AssistantSettings>();
}
