using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Dawn.Testing.Transports;

/// <summary>A plugin's container as a node would build it, without a node.</summary>
public static class PluginServices
{
    /// <summary>Builds the services of the plugin in an assembly.</summary>
    /// <param name="settings">Keys as below <c>Dawn:Plugins:{folder}</c>.</param>
    public static ServiceProvider Of(Assembly plugin, IEnumerable<KeyValuePair<string, string?>>? settings = null)
    {
        var entry = plugin.GetCustomAttribute<DawnPluginAttribute>()?.Entry ?? throw new ArgumentException($"{plugin} names no entry point with [assembly: DawnPlugin(…)].");
        var services = new ServiceCollection().AddLogging().AddOptions().AddSingleton(TimeProvider.System);
        ((IDawnPlugin)Activator.CreateInstance(entry)!).ConfigureServices(services, new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
        return services.BuildServiceProvider();
    }
}
