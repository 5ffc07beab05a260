using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Plugins;

namespace Dawn.Membership;

/// <summary>Takes the registry that a plugin offers into use, once plugins are loaded, and lets go of it before they end.</summary>
internal sealed partial class RegistryStart(PluginHost plugins, DawnSettings settings, RecordTable table, ILogger<RegistryStart> logger) : IHostedService
{
    /// <exception cref="StartException">Several are offered.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        switch (await plugins.TakeRegistriesAsync(cancellationToken))
        {
            case []:
                LogNone(settings.PluginDirectory);
                break;
            case [var (plugin, registry)]:
                table.Use(registry);
                LogUsed(plugin, registry.Count);
                break;
            case var several:
                var names = several.Select(s => s.Plugin).Distinct().ToList();
                throw new StartException(
                    $"{several.Count} registries are offered, by {string.Join(" and ", names)}, and a node has one. Turn the others off (Dawn:Plugins:{names[^1]}:Enabled=false), or remove them from {settings.PluginDirectory}.");
        }
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        table.Release();
        return Task.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The registry is that of plugin {Plugin}; it holds {Count} records")]
    private partial void LogUsed(string plugin, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "No plugin offers a registry: what this node knows of others is kept in memory alone, and learned anew after each start. Install or enable the plugin registry-orset in {Directory}")]
    private partial void LogNone(string directory);
}
