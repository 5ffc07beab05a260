using System.Buffers;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Microsoft.AspNetCore.Connections;
using Xunit;

namespace Dawn.Tests.Links;

/// <summary>An identity whose certificate is renewed when a test wants it.</summary>
internal sealed class RenewableIdentity(TestIdentity first) : INodeIdentity
{
    private TestIdentity _now = first;

    public NodeId Id => _now.Id;

    public NetworkKeys Network => _now.Network;

    public Certificate Certificate => Volatile.Read(ref _now).Certificate;

    public void Renew(TestIdentity next) => Volatile.Write(ref _now, next);

    public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => _now.Sign(label, content);
}

/// <summary>One end of a link that is driven frame by frame: it says what a test wants, when it wants.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private readonly Queue<(LinkFrame Type, byte[] Body)> _frames = [];
    private readonly ConnectionContext _connection;
    private readonly IConnectionListener? _listener;
    private readonly StaticKey _key;
    private readonly TimeProvider _time;
    private readonly INodeIdentity _identity;
    private readonly HandshakeRole _role;
    private readonly LinkPeer _peer;
    private ReadOnlyMemory<byte> _hash;

    private RawPeer(ConnectionContext connection, IConnectionListener? listener, LinkPeer peer, INodeIdentity identity, StaticKey key, HandshakeRole role, TimeProvider time)
    {
        (_connection, _listener, _peer, _identity, _key, _role, _time) = (connection, listener, peer, identity, key, role, time);
        _hash = peer.Origin!.Hash;
        Writer = new(connection.Transport.Output, peer.Send);
        Reader = new(peer.Receive);
    }

    /// <summary>Under the keys that count now.</summary>
    public RecordWriter Writer { get; private set; }

    public RecordReader Reader { get; private set; }

    /// <summary>The first epoch's key for what the node seals; it is never disposed here.</summary>
    public Aead FirstReceive => _peer.Receive!;

    /// <summary>The bodies of all records that came, as they were sealed.</summary>
    public List<byte[]> Records { get; } = [];

    /// <summary>Links with a node, as its dialer or as whom it dials.</summary>
    public static async Task<(RawPeer Peer, ILink Link)> LinkAsync(LinkNode node, bool asInitiator, INodeIdentity identity, TimeProvider time, LinkOptions? options = null)
    {
        var key = new StaticKey(Entropy.System);
        var handshake = new LinkHandshake(identity, key, options ?? new(), Entropy.System, time);
        RawPeer peer;
        if (asInitiator)
        {
            await node.ListenAsync();
            var connection = await node.Transport.ConnectAsync(new UriEndPoint(node.Address));
            peer = new(connection, null, await handshake.DialAsync(connection, null, null, CancellationToken.None), identity, key, HandshakeRole.Initiator, time);
        }
        else
        {
            var listener = await node.Transport.BindAsync(new UriEndPoint(new Uri("mem://host:0")));
            _ = node.Dialer.DialAsync(((UriEndPoint)listener.EndPoint).Uri, null, CancellationToken.None);
            var connection = (await listener.AcceptAsync())!;
            peer = new(connection, listener, await handshake.AcceptAsync(connection, CancellationToken.None), identity, key, HandshakeRole.Responder, time);
        }

        await peer.SendAsync((LinkFrame.Ping, new byte[8]));
        return (peer, (await node.Handler.NextAsync(LinkEventKind.Up)).Link);
    }

    /// <summary>Sends frames in one record.</summary>
    public async Task SendAsync(params (LinkFrame Type, byte[] Body)[] frames)
    {
        Writer.Write([.. frames.SelectMany(f => (byte[])[(byte)f.Type, (byte)(f.Body.Length >> 8), (byte)f.Body.Length, .. f.Body])]);
        await _connection.Transport.Output.FlushAsync();
    }

    /// <summary>The next frame must be of this type; pings and pongs don't count.</summary>
    public async Task<byte[]> ExpectAsync(LinkFrame type)
    {
        while (true)
        {
            var (came, body) = await NextAsync();
            if (came is not (LinkFrame.Ping or LinkFrame.Pong))
            {
                Assert.Equal(type, came);
                return body;
            }
        }
    }

    /// <summary>Makes the node hear something, and waits until it has.</summary>
    public async Task PingAsync()
    {
        await SendAsync((LinkFrame.Ping, new byte[8]));
        while ((await NextAsync()).Type != LinkFrame.Pong)
        {
        }
    }

    /// <summary>The handshake that would follow now, or a wrong one.</summary>
    public PeerHandshake Handshake(Func<HandshakeSettings, HandshakeSettings>? change = null, INodeIdentity? identity = null)
    {
        var settings = new HandshakeSettings(SigningLabel.Link.ToArray(), _hash, _identity.Network.Psk, EncryptionMode.Required);
        return new(_role, change?.Invoke(settings) ?? settings, _key, identity ?? _identity, Entropy.System, _time);
    }

    public static byte[] Numbered(int number, ReadOnlySpan<byte> message) => [(byte)number, .. message];

    /// <summary>Reads message 1, 2 or 3 of a node that is on its turn.</summary>
    public async Task ReadAsync(PeerHandshake handshake, int number)
    {
        var body = await ExpectAsync(LinkFrame.Rekey);
        Assert.Equal(number, body[0]);
        Assert.True(body.Length <= 1 + PeerHandshake.MaxMessage);
        handshake.ReadMessage(body.AsSpan(1));
    }

    /// <summary>A whole rekeying.</summary>
    public async Task RekeyAsync()
    {
        using var handshake = Handshake();
        if (_role == HandshakeRole.Initiator)
        {
            await SendAsync((LinkFrame.Rekey, Numbered(1, handshake.WriteMessage())));
            await ReadAsync(handshake, 2);
            await SendAsync((LinkFrame.Rekey, Numbered(3, handshake.WriteMessage())), (LinkFrame.Switch, []));
        }
        else
        {
            await ReadAsync(handshake, 1);
            await SendAsync((LinkFrame.Rekey, Numbered(2, handshake.WriteMessage())));
            await ReadAsync(handshake, 3);
        }

        await FinishAsync(handshake, _role == HandshakeRole.Responder);
    }

    /// <summary>Takes the node's switch, and makes its own where it is still to be made.</summary>
    public async Task FinishAsync(PeerHandshake handshake, bool withSwitch)
    {
        var (send, receive) = handshake.Split();
        Assert.Empty(await ExpectAsync(LinkFrame.Switch));
        Assert.Empty(_frames);
        if (withSwitch)
        {
            await SendAsync((LinkFrame.Switch, []));
        }

        (Writer, Reader, _hash) = (new(_connection.Transport.Output, send), new(receive), handshake.Hash);
    }

    /// <summary>Takes the node's switch without making its own.</summary>
    public async Task TakeSwitchAsync(PeerHandshake handshake)
    {
        Assert.Empty(await ExpectAsync(LinkFrame.Switch));
        Reader = new(handshake.Split().Receive);
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }

        _key.Dispose();
    }

    private async Task<(LinkFrame Type, byte[] Body)> NextAsync()
    {
        while (_frames.Count == 0)
        {
            var read = await _connection.Transport.Input.ReadAsync().AsTask().WaitAsync(LinkNode.Patience);
            var buffer = read.Buffer;
            if (!RecordReader.TryTake(ref buffer, out var body))
            {
                _connection.Transport.Input.AdvanceTo(buffer.Start, buffer.End);
                Assert.False(read.IsCompleted, "the stream ended");
                continue;
            }

            var record = body.ToArray();
            // No more than one: the next may be under other keys.
            _connection.Transport.Input.AdvanceTo(buffer.Start);
            Records.Add([.. record]);
            Assert.True(Reader.TryOpen(record, out var frames));
            while (!frames.IsEmpty)
            {
                var size = 3 + (frames[1] << 8) + frames[2];
                _frames.Enqueue(((LinkFrame)frames[0], frames[3..size].ToArray()));
                frames = frames[size..];
            }
        }

        return _frames.Dequeue();
    }
}
