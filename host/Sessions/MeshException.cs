namespace Dawn.Sessions;

/// <summary>How a channel, or the way to one, ended. The numbers are the wire's (docs/protocol.md, "Close codes").</summary>
internal enum MeshError : ushort
{
    /// <summary>Done; nothing went wrong.</summary>
    None = 0,

    /// <summary>The node hosts no agent of that name.</summary>
    UnknownAgent = 1,

    /// <summary>The agent's policy refuses this caller.</summary>
    Refused = 2,

    /// <summary>The agent is known but not running.</summary>
    AgentUnavailable = 3,

    /// <summary>The other end broke the protocol.</summary>
    Protocol = 4,

    /// <summary>A limit was reached; the text names it and its setting.</summary>
    Limit = 5,

    /// <summary>The node is stopping.</summary>
    Stopping = 6,

    /// <summary>There is no way to the node now; nothing was sent.</summary>
    Unreachable = 7,

    /// <summary>The way broke, or time ran out, after something was sent.</summary>
    Lost = 8,

    /// <summary>A name that several agents bear, or that none could.</summary>
    BadAddress = 9,
}

/// <summary>A failure of the mesh, in words fit for a person: cause, and where there is one, cure.</summary>
internal sealed class MeshException(MeshError error, string message, Exception? inner = null) : Exception(message, inner)
{
    public MeshError Error { get; } = error;
}
