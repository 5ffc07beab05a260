namespace Dawn.Plugins;

internal enum PluginKind
{
    Transport,
    Agent,
    /// <summary>Anything else that the contract knows, or nothing that the host asks for.</summary>
    Service,
}

internal enum PluginState
{
    Loading,
    Active,
    /// <summary>Turned off by the settings, or off unless they turn it on.</summary>
    Disabled,
    Failed,
    /// <summary>Well in itself, but made for another version of Dawn or .NET.</summary>
    NotSupported,
}

/// <summary>How a plugin is, for people.</summary>
/// <param name="Name">Its folder below the plugin directory: <c>transport-tcp</c>, <c>agents/first</c>.</param>
/// <param name="Cause">What is wrong, in one line; null while nothing is.</param>
/// <param name="Cure">What helps, in one line.</param>
internal sealed record PluginStatus(string Name, PluginKind Kind, PluginState State, string? Version = null, string? Cause = null, string? Cure = null)
{
    public string? Problem => Cure is null ? Cause : $"{Cause} {Cure}";
}

/// <summary>A plugin can't be used. Holds words alone: an exception of the plugin's own would keep it from unloading.</summary>
internal sealed class PluginException(PluginState state, string cause, string cure) : Exception($"{cause} {cure}")
{
    public PluginException(string cause, string cure) : this(PluginState.Failed, cause, cure)
    {
    }

    public PluginState State => state;

    public string Cause => cause;

    public string Cure => cure;
}
