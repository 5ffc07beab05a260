namespace Dawn.Sessions;

/// <summary>Takes a conversation that a caller, here or far, opens with an agent of this node.</summary>
internal interface IChannelAcceptor
{
    /// <summary>
    /// Serves the channel until it ends; called once for each opened channel, and returns its task at once.
    /// An unknown agent or a refused caller closes the channel with the matching <see cref="MeshError"/> and a text.
    /// </summary>
    Task AcceptAsync(string agent, MeshChannel channel, Caller caller);
}
