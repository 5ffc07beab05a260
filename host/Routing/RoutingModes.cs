using System.Collections.Immutable;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Plugins;

namespace Dawn.Routing;

/// <summary>The routing modes that plugins offer, and the one in force. Thread-safe.</summary>
internal sealed partial class RoutingModes(ILogger<RoutingModes> logger)
{
    private ImmutableArray<IRoutingMode> _available = [];
    private volatile IRoutingMode? _current;

    /// <summary>Raised after another mode came into force.</summary>
    public event Action? Changed;

    /// <summary>In the order of their names.</summary>
    public IReadOnlyList<string> Available => [.. _available.Select(mode => mode.Name)];

    /// <summary>Null until plugins are loaded.</summary>
    public string? Current => _current?.Name;

    /// <summary>Takes what is installed into use.</summary>
    public void Use(IEnumerable<IRoutingMode> available, string name)
    {
        _available = [.. available.OrderBy(mode => mode.Name, StringComparer.Ordinal)];
        Switch(name);
    }

    /// <summary>Puts another mode into force.</summary>
    /// <exception cref="ArgumentException">No mode of that name is installed.</exception>
    public void Switch(string name)
    {
        var mode = _available.FirstOrDefault(mode => mode.Name == name)
            ?? throw new ArgumentException($"No routing mode '{name}' is installed; installed: {(_available.IsEmpty ? "none" : string.Join(", ", Available))}.");
        if (ReferenceEquals(Interlocked.Exchange(ref _current, mode), mode))
        {
            return;
        }

        LogInForce(name);
        Changed?.Invoke();
    }

    public RoutePlan Plan(NetworkView network, NodeId target)
    {
        try
        {
            return _current?.Plan(network, target) ?? RoutePlan.None;
        }
        catch (Exception e)
        {
            // A plugin's fault leaves one node unreachable, and no more.
            LogFailed(e, Current!);
            return RoutePlan.None;
        }
    }

    public bool MayLink(NetworkView network, NodeId node)
    {
        try
        {
            return _current?.MayLink(network, node) ?? false;
        }
        catch (Exception e)
        {
            LogFailed(e, Current!);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The routing mode is {Mode}")]
    private partial void LogInForce(string mode);

    [LoggerMessage(Level = LogLevel.Error, Message = "Routing mode {Mode} failed")]
    private partial void LogFailed(Exception exception, string mode);
}

/// <summary>Puts the configured mode into force once plugins are loaded.</summary>
internal sealed partial class RoutingStart(PluginHost plugins, DawnSettings settings, RoutingModes modes, ILogger<RoutingStart> logger) : IHostedService
{
    /// <exception cref="StartException">The configured mode is not installed, or two plugins offer one of the same name.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var offered = await plugins.TakeRoutingModesAsync(cancellationToken);
        if (offered.GroupBy(o => o.Offer.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            var names = twice.Select(o => o.Plugin).Distinct().ToList();
            throw new StartException(
                $"Routing mode '{twice.Key}' is offered by {string.Join(" and ", names)}. Turn one off (Dawn:Plugins:{names[^1]}:Enabled=false), or remove it from {settings.PluginDirectory}.");
        }

        if (offered.Count == 0 && settings.Mode == DawnConfiguration.DefaultMode)
        {
            LogNone(settings.PluginDirectory);
            modes.Use([new DirectMode()], DirectMode.OnlyName);
            return;
        }

        try
        {
            modes.Use(offered.Select(o => o.Offer), settings.Mode);
        }
        catch (ArgumentException e)
        {
            throw new StartException($"Dawn:Mode is '{settings.Mode}'. {e.Message} Install or enable a plugin that offers it, such as routing-modes, in {settings.PluginDirectory}.");
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(Level = LogLevel.Warning, Message = "No plugin offers a routing mode: this node reaches whom it is linked to or can dial, and nothing goes over others. Install or enable the plugin routing-modes in {Directory}")]
    private partial void LogNone(string directory);
}

/// <summary>What is left where no plugin offers a mode, such as with a plugin directory that has but the plugin which is being written.</summary>
internal sealed class DirectMode : IRoutingMode
{
    public const string OnlyName = "direct";

    public string Name => OnlyName;

    public RoutePlan Plan(NetworkView network, NodeId target) => new([target], [target]) { MayFlood = false };

    public bool MayLink(NetworkView network, NodeId node) => true;
}
