namespace Dawn;

/// <summary>Tells others nearby where this node listens, and finds where they do.</summary>
/// <remarks>
/// <para>What is found is a hint and no more: the host dials it, and believes what the handshake proves. Nothing that is told may name the node
/// (<see cref="NodeId"/>), since everybody nearby can read it.</para>
/// <para>Thread-safe. The host runs one <see cref="AdvertiseAsync"/> and one <see cref="DiscoverAsync"/> at a time, side by side. What they throw is logged
/// with its message, and they are begun again after a while.</para>
/// </remarks>
public interface IPeerDiscovery
{
    /// <summary>What people call it, such as <c>mdns</c>; told as the place where a peer was learned. It never changes.</summary>
    string Name { get; }

    /// <summary>Tells others until cancelled, and then takes back what was told. When the addresses change the host cancels it and begins again.</summary>
    /// <param name="self">What to tell.</param>
    /// <param name="cancellationToken">The end; within 2 s of it the task completes.</param>
    /// <exception cref="IOException">It can't be told now: a cause and its cure, in one line.</exception>
    Task AdvertiseAsync(Advertisement self, CancellationToken cancellationToken);

    /// <summary>Finds others of one network until cancelled; what this very instance advertises is left out.</summary>
    /// <param name="network">As in <see cref="Advertisement.Network"/>; those of others are left out.</param>
    /// <param name="cancellationToken">The end.</param>
    /// <exception cref="IOException">Nothing can be found now: a cause and its cure, in one line.</exception>
    IAsyncEnumerable<DiscoveredPeer> DiscoverAsync(string network, CancellationToken cancellationToken);
}

/// <summary>What a node tells everybody nearby.</summary>
/// <param name="Network">13 characters that all nodes of one network share, and that tell nobody else anything of it: so that nodes of several networks leave each other alone.</param>
/// <param name="Addresses">Where it listens, 0 to 8 addresses as <c>ws://192.0.2.1:7610</c>; with none there is nothing to tell.</param>
public sealed record Advertisement(string Network, IReadOnlyList<Uri> Addresses);

/// <summary>Where somebody says to listen.</summary>
/// <param name="Address"><c>scheme://host:port</c>, unverified.</param>
/// <param name="IsGone">True where it was taken back, or has expired.</param>
public sealed record DiscoveredPeer(Uri Address, bool IsGone = false);
