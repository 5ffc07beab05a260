using Dawn.Links;

namespace Dawn.Routing;

/// <summary>How a node is reached.</summary>
internal enum RouteKind
{
    /// <summary>There is no way now.</summary>
    None,

    /// <summary>Over a link to it.</summary>
    Direct,

    /// <summary>Over a relay or hub.</summary>
    Relay,

    /// <summary>Over the neighbour by which a flood found it.</summary>
    Found,
}

/// <summary>A way in use.</summary>
/// <param name="Link">To the next hop; null where there is no way now.</param>
internal sealed record Route(NodeId Target, ILink? Link, RouteKind Kind);
