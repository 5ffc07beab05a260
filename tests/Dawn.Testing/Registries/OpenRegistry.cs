using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Dawn.Testing.Registries;

/// <summary>What a host gives a registry's plugin.</summary>
/// <param name="Directory">For what it keeps; there already.</param>
/// <param name="Reader">Reads its records.</param>
/// <param name="Time">Its clock.</param>
/// <param name="Logging">Where its log lines go; nowhere where it is null.</param>
public sealed record RegistrySurroundings(string Directory, IRecordReader Reader, TimeProvider Time, ILoggerProvider? Logging = null) : IPluginData;

/// <summary>A registry that is running; disposing it ends it as a node's end would.</summary>
/// <param name="registry">The registry.</param>
/// <param name="close">Ends it.</param>
public sealed class OpenRegistry(IAgentRegistry registry, Func<ValueTask> close) : IAsyncDisposable
{
    /// <summary>The registry.</summary>
    public IAgentRegistry Registry => registry;

    /// <summary>Builds the container of the plugin in an assembly, as a node would, and starts what is in it.</summary>
    /// <param name="plugin">The assembly with the entry point.</param>
    /// <param name="surroundings">What a host gives.</param>
    /// <param name="settings">Keys as below <c>Dawn:Plugins:{folder}</c>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<OpenRegistry> OfAsync(
        Assembly plugin, RegistrySurroundings surroundings, IEnumerable<KeyValuePair<string, string?>>? settings = null, CancellationToken cancellationToken = default)
    {
        var entry = plugin.GetCustomAttribute<DawnPluginAttribute>()?.Entry ?? throw new ArgumentException($"{plugin} names no entry point with [assembly: DawnPlugin(…)].");
        var services = new ServiceCollection().AddOptions().AddSingleton(surroundings.Time).AddSingleton(surroundings.Reader).AddSingleton<IPluginData>(surroundings)
            .AddLogging(logging => _ = surroundings.Logging is { } provider ? logging.AddProvider(provider) : logging);
        ((IDawnPlugin)Activator.CreateInstance(entry)!).ConfigureServices(services, new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
        var provider = services.BuildServiceProvider();
        var started = new Stack<IHostedService>();
        try
        {
            foreach (var service in provider.GetServices<IHostedService>())
            {
                started.Push(service);
                await service.StartAsync(cancellationToken);
            }

            return new(provider.GetRequiredService<IAgentRegistry>(), CloseAsync);
        }
        catch
        {
            await CloseAsync();
            throw;
        }

        async ValueTask CloseAsync()
        {
            while (started.TryPop(out var service))
            {
                await service.StopAsync(CancellationToken.None);
            }

            await provider.DisposeAsync();
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => close();
}
