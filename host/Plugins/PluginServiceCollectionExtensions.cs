using Dawn.Agents;

namespace Dawn.Plugins;

internal static class PluginServiceCollectionExtensions
{
    /// <summary>Adds the plugin host. It asks for <see cref="IAgentHost"/>, and later for <see cref="IAgentDialer"/> and <see cref="IAgentDirectory"/>, which may depend on it.</summary>
    public static IServiceCollection AddPlugins(this IServiceCollection services, PluginHostOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton(provider => new PluginSurroundings(
            provider.GetRequiredService<IConfiguration>(), provider.GetRequiredService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>(),
            new(provider.GetRequiredService<IAgentDialer>), new(provider.GetRequiredService<IAgentDirectory>),
            provider.GetService<IRecordReader>(), provider.GetService<Identity.DataDirectory>()?.File(PluginData.Folder)));
        services.AddSingleton<PluginHost>();
        return services.AddHostedService(provider => provider.GetRequiredService<PluginHost>());
    }
}
