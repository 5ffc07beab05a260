using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace Dawn.Discovery.Mdns;

/// <summary>One interface by one family: what a packet comes in by, and goes out on. The families are two links, though they share a wire (RFC 6762, 20).</summary>
internal readonly record struct Scope(int Interface, AddressFamily Family);

/// <summary>An interface that was joined.</summary>
/// <param name="Addresses">Those that can be told there: no link-local ones of IPv6, whose scope means nothing to others.</param>
internal sealed record LinkInterface(int Index, string Name, bool IsLoopback, ImmutableArray<IPAddress> Addresses)
{
    // A machine with more has no use for telling them all.
    public const int MaxAddresses = 8;

    public bool Equals(LinkInterface? other) =>
        other is not null && (Index, Name, IsLoopback) == (other.Index, other.Name, other.IsLoopback) && Addresses.AsSpan().SequenceEqual(other.Addresses.AsSpan());

    public override int GetHashCode() => Index;
}

/// <summary>A packet that came in.</summary>
/// <param name="Bytes">Valid only until the call that gets it returns.</param>
internal readonly record struct Datagram(Scope Scope, IPEndPoint Source, ReadOnlyMemory<byte> Bytes);

/// <summary>The multicast groups of mDNS on the interfaces that were chosen. What it hands over comes from the local link.</summary>
internal interface IMulticastSocket : IAsyncDisposable
{
    /// <summary>As of the last <see cref="Refresh"/>.</summary>
    ImmutableArray<LinkInterface> Interfaces { get; }

    ImmutableArray<Scope> Scopes { get; }

    /// <summary>Of this machine, on whichever interface.</summary>
    IReadOnlySet<IPAddress> OwnAddresses { get; }

    /// <summary>Begins to hand over what comes in, packets sent by this machine too.</summary>
    /// <param name="received">Called by several threads; it doesn't throw.</param>
    void Start(Action<Datagram> received);

    /// <summary>Looks which interfaces there are, joins new ones and forgets those that are gone.</summary>
    /// <returns>True where anything changed.</returns>
    bool Refresh();

    /// <summary>To the group; a packet that can't leave is lost, as packets are.</summary>
    void Send(Scope scope, ReadOnlySpan<byte> datagram);

    /// <summary>To one address.</summary>
    void Send(Scope scope, IPEndPoint target, ReadOnlySpan<byte> datagram);
}
