namespace Dawn.Membership;

/// <summary>What the pure machines of membership want done.</summary>
internal abstract record Effect
{
    /// <summary>Send a message to a node with a link.</summary>
    public sealed record Send(NodeId To, MembershipMessage Message) : Effect;

    /// <summary>Tell all who are to know what is said about a node, but one.</summary>
    public sealed record Spread(NodeId About, MembershipMessage Message, NodeId? Except) : Effect;

    /// <summary>Bring about a link.</summary>
    public sealed record Dial(NodeId Node) : Effect;

    /// <summary>Sign a suspicion, count it here and spread it.</summary>
    public sealed record Accuse(NodeId Suspect) : Effect;

    /// <summary>Publish a newer record of this node: somebody takes it for dead.</summary>
    public sealed record Refute : Effect;

    /// <summary>What is believed of a node's life has changed.</summary>
    public sealed record Believe(NodeId Node, PeerHealth Health) : Effect;
}

/// <summary>What a node believes of another's life.</summary>
internal enum PeerHealth
{
    Alive,
    Suspect,
    Dead,
}
