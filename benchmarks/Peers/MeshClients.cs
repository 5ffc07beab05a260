using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Sessions;

namespace Dawn.Benchmarks.Peers;

/// <summary>Where a peer of the mesh is: <c>tcp://127.0.0.1:1234#NodeId</c>.</summary>
internal static class MeshAddress
{
    public static (Uri Address, NodeId Node) Parse(string text) =>
        text.Split('#') is [var address, var id] && NodeId.TryParse(id, out var node) ? (new Uri(address), node) : throw new ArgumentException($"'{text}' lacks a NodeId after #.");
}

/// <summary>Bulk on a session's channel, beneath MCP: sealed by the session and by the link.</summary>
internal sealed class MeshBulkClient(MeshPeer peer, MeshChannel channel) : ILoadClient
{
    /// <summary>The other end: counts bytes, and tells the sum when a message of one byte asks.</summary>
    public static async Task<(ServedAt At, IAsyncDisposable Server)> ServeAsync(string scheme, byte[] root)
    {
        var transport = MeshPeer.TransportOf(scheme);
        var peer = new MeshPeer(PeerIdentity.Create(root), new StaticKey(Entropy.System), transport, CountAsync);
        var address = await peer.ListenAsync(transport, new Uri($"{scheme}://127.0.0.1:0"));
        return (new($"{address.GetLeftPart(UriPartial.Authority)}#{peer.Id}"), peer);
    }

    public static async Task<MeshBulkClient> ConnectAsync(ServedAt at, byte[] root, CancellationToken cancellationToken)
    {
        var (address, node) = MeshAddress.Parse(at.Address);
        var peer = new MeshPeer(PeerIdentity.Create(root), new StaticKey(Entropy.System), MeshPeer.TransportOf(address.Scheme));
        await peer.Sessions.StartAsync(cancellationToken);
        await peer.DialAsync(address, node, cancellationToken);
        return new(peer, await peer.Sessions.OpenChannelAsync(node, "bulk", "owner", cancellationToken));
    }

    public Task<LoadResult> RunAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        var message = new byte[request.Size];
        Array.Fill(message, (byte)'x');
        return Bulk.RunAsync(async () => await channel.SendAsync(message, cancellationToken), () => ArrivedAsync(cancellationToken), request, cancellationToken);
    }

    public ValueTask DisposeAsync() => peer.DisposeAsync();

    private async Task<long> ArrivedAsync(CancellationToken cancellationToken)
    {
        await channel.SendAsync(new byte[1], cancellationToken);
        using var answer = await channel.ReceiveAsync(cancellationToken) ?? throw new InvalidOperationException("The channel was closed.");
        return BitConverter.ToInt64(answer.Span);
    }

    private static async Task CountAsync(MeshChannel channel)
    {
        var bytes = 0L;
        while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
        {
            using (message)
            {
                if (message.Span.Length > 1)
                {
                    bytes += message.Span.Length;
                    continue;
                }
            }

            await channel.SendAsync(BitConverter.GetBytes(bytes), CancellationToken.None);
        }
    }
}

/// <summary>Links to a real node: dialled one after the other, or many held at once, each of another member.</summary>
internal sealed class LinkClient : ILoadClient
{
    private readonly Uri _address;
    private readonly NodeId _node;
    private readonly byte[] _root;
    private readonly StaticKey _key = new(Entropy.System);
    private readonly IPeerTransport _transport;
    private readonly MeshPeer _dialing;
    private readonly List<MeshPeer> _held = [];

    public LinkClient(ServedAt at, byte[] root)
    {
        (_address, _node) = MeshAddress.Parse(at.Address);
        (_root, _transport) = (root, MeshPeer.TransportOf(_address.Scheme));
        _dialing = Peer();
    }

    public async Task<LoadResult> RunAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        if (request.Hold is { } hold)
        {
            await HoldAsync(hold, cancellationToken);
            return new(hold, 0, 0, 0, 0, 0, 0);
        }

        // Timed by hand: closing is no part of setting up.
        var times = new List<double>();
        var until = System.Diagnostics.Stopwatch.StartNew();
        while (until.Elapsed.TotalSeconds < request.Seconds)
        {
            var began = System.Diagnostics.Stopwatch.GetTimestamp();
            var link = await _dialing.DialAsync(_address, _node, cancellationToken);
            times.Add(System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalMicroseconds);
            await link.CloseAsync(LinkEnd.Done);
        }

        times.Sort();
        return new(times.Count, times.Count / request.Seconds, At(0.5), At(0.9), At(0.99), times[^1], 0);

        double At(double part) => times[Math.Min(times.Count - 1, (int)(times.Count * part))];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var peer in _held.Append(_dialing))
        {
            await peer.DisposeAsync();
        }

        _key.Dispose();
    }

    private async Task HoldAsync(int count, CancellationToken cancellationToken)
    {
        while (_held.Count < count)
        {
            var peer = Peer();
            await peer.DialAsync(_address, _node, cancellationToken);
            _held.Add(peer);
        }
    }

    private MeshPeer Peer() => new(PeerIdentity.Create(_root), _key, _transport);
}
