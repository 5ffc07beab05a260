using System.Buffers;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

/// <summary>From the first byte to a link that is up, and all the ways in which it doesn't get there.</summary>
public class LinkHandshakeTests
{
    // A hello without extensions, a first message with its length.
    private const int HelloSize = 40;
    private const int FirstMessage = 2 + 48;

    private static readonly TestNetwork Network = new();
    private static readonly TestNetwork OtherNetwork = new(2);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();
    private readonly ConnectionFaults _faults = new();

    public LinkHandshakeTests() => _network.Faults = _ => _faults;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Captured_bytes_contain_no_node_id()
    {
        await using var listener = await Node(2).ListenAsync();
        await using var dialer = Node(1);
        var link = await dialer.DialAsync(listener);
        link.TrySend(LinkFrame.Record, default, listener.Id.ToArray());
        await listener.Handler.NextAsync(LinkEventKind.Up);
        await listener.Handler.NextAsync(LinkEventKind.Frame);
        foreach (var seen in new[] { _faults.ToListener.Seen, _faults.ToDialer.Seen })
        {
            Assert.True(seen.Length > 200);
            Assert.True(seen.AsSpan().IndexOf(listener.Id.ToArray()) < 0);
            Assert.True(seen.AsSpan().IndexOf(dialer.Id.ToArray()) < 0);
        }
    }

    [Fact]
    public async Task A_stranger_with_another_secret_gets_no_byte_after_the_hello()
    {
        await using var listener = await Node(2).ListenAsync();
        await using var dialer = new LinkNode(OtherNetwork.Node(1), _network, _time);
        Assert.Equal(DialFault.Secret, (await FailAsync(dialer, listener)).Fault);
        Assert.Equal(HelloSize, _faults.ToDialer.Seen.Length);
        Assert.Equal(HelloSize + FirstMessage, _faults.ToListener.Seen.Length);
        Assert.True(listener.Handler.IsQuiet);
    }

    [Theory]
    [InlineData("")]
    [InlineData("47455420")] // "GET "
    [InlineData("474554202f20485454502f312e310d0a0d0a")]
    [InlineData("4441574e01000fff0000000000000000")]
    [InlineData("4441574e02000000000000000000000000000000000000000000000000000000000000000000000000")]
    public async Task A_prober_gets_no_byte_at_all(string sent)
    {
        await using var listener = await Node(2).ListenAsync();
        await using var connection = await listener.Transport.ConnectAsync(new UriEndPoint(listener.Address), Cancel);
        await connection.Transport.Output.WriteAsync(Convert.FromHexString(sent), Cancel);
        if (sent.Length < 16)
        {
            await connection.Transport.Output.CompleteAsync();
        }

        Assert.Empty(await ReadToEndAsync(connection));
        Assert.Empty(_faults.ToDialer.Seen);
    }

    [Fact]
    public async Task A_prober_with_a_right_hello_gets_a_hello_and_no_more()
    {
        await using var listener = await Node(2).ListenAsync();
        await using var connection = await listener.Transport.ConnectAsync(new UriEndPoint(listener.Address), Cancel);
        var hello = Hello.Create(EncryptionMode.Required, null, new SeededEntropy(1)).Encoded;
        await connection.Transport.Output.WriteAsync((byte[])[.. hello.Span, 0, 48, .. new byte[48]], Cancel);
        var got = await ReadToEndAsync(connection);
        Assert.Equal(HelloSize, got.Length);
        Assert.True(got.AsSpan().IndexOf(listener.Id.ToArray()) < 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(HelloSize)]
    [InlineData(HelloSize + 2)]
    [InlineData(HelloSize + FirstMessage)]
    public async Task A_prober_that_says_no_more_is_ended_after_5_s(int bytes)
    {
        await using var listener = await Node(2).ListenAsync();
        await using var connection = await listener.Transport.ConnectAsync(new UriEndPoint(listener.Address), Cancel);
        // A member's own first words, cut off.
        var hello = Hello.Create(EncryptionMode.Required, null, new SeededEntropy(1)).Encoded.ToArray();
        await connection.Transport.Output.WriteAsync(hello.AsMemory(0, Math.Min(bytes, hello.Length)), Cancel);
        if (bytes >= HelloSize)
        {
            var theirs = (await ReadAsync(connection, HelloSize)).ToArray();
            using var key = new StaticKey(Entropy.System);
            using var handshake = new PeerHandshake(
                HandshakeRole.Initiator, new(SigningLabel.Link.ToArray(), (byte[])[.. hello, .. theirs], Network.Keys.Psk, EncryptionMode.Required),
                key, Network.Node(1), Entropy.System, _time);
            byte[] message = [0, 48, .. handshake.WriteMessage()];
            await connection.Transport.Output.WriteAsync(message.AsMemory(0, bytes - HelloSize), Cancel);
            if (bytes == HelloSize + FirstMessage)
            {
                await ReadAsync(connection, 2 + 320);
            }
        }

        var (end, start) = (ReadToEndAsync(connection), _time.GetUtcNow());
        while (!end.IsCompleted)
        {
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }

        await end;
        Assert.True(_time.GetUtcNow() - start >= TimeSpan.FromSeconds(4.9));
        Assert.Empty(listener.Table.Snapshot);
    }

    [Fact]
    public async Task An_announced_message_that_is_too_long_is_refused_unread()
    {
        await using var listener = await Node(2).ListenAsync();
        await using var connection = await listener.Transport.ConnectAsync(new UriEndPoint(listener.Address), Cancel);
        var hello = Hello.Create(EncryptionMode.Required, null, new SeededEntropy(1)).Encoded;
        await connection.Transport.Output.WriteAsync((byte[])[.. hello.Span, 0x04, 0x01], Cancel);
        Assert.Equal(HelloSize, (await ReadToEndAsync(connection)).Length);
    }

    [Fact]
    public async Task Who_dials_one_node_and_gets_another_says_nothing_of_itself()
    {
        await using var listener = await Node(2).ListenAsync();
        await using var dialer = Node(1);
        var failure = await FailAsync(dialer, listener, Network.Node(3).Id);
        Assert.Equal(DialFault.OtherNode, failure.Fault);
        Assert.Contains(listener.Id.ToString(), failure.Message, StringComparison.Ordinal);
        Assert.Equal(HelloSize + FirstMessage, _faults.ToListener.Seen.Length);
        Assert.True(listener.Handler.IsQuiet);
    }

    [Fact]
    public async Task A_node_that_dials_itself_notices()
    {
        await using var node = await Node(1).ListenAsync();
        Assert.Equal(DialFault.Self, (await FailAsync(node, node)).Fault);
    }

    [Fact]
    public async Task An_expired_certificate_is_refused_on_either_side()
    {
        var expired = _time.GetUtcNow() - TimeSpan.FromDays(1);
        await using var listener = await new LinkNode(Network.Node(2, notAfter: expired), _network, _time).ListenAsync();
        await using var dialer = Node(1);
        var failure = await FailAsync(dialer, listener);
        Assert.Equal(DialFault.Certificate, failure.Fault);
        Assert.Contains("expired", failure.Message, StringComparison.Ordinal);

        await using var good = await Node(3).ListenAsync();
        await using var bad = new LinkNode(Network.Node(4, notAfter: expired), _network, _time);
        Assert.Equal(DialFault.Certificate, (await FailAsync(bad, good)).Fault);
        Assert.True(good.Handler.IsQuiet);
    }

    [Fact]
    public async Task A_certificate_under_another_key_is_refused_though_the_secret_is_right()
    {
        var stranger = OtherNetwork.Node(1) with { Network = OtherNetwork.Keys with { Psk = Network.Keys.Psk } };
        await using var listener = await Node(2).ListenAsync();
        await using var dialer = new LinkNode(stranger, _network, _time);
        Assert.Equal(DialFault.Certificate, (await FailAsync(dialer, listener)).Fault);
    }

    [Theory]
    [InlineData(0, 0, "sealed")]
    [InlineData(0, 1, "sealed")]
    [InlineData(0, 2, "refused")]
    [InlineData(1, 0, "sealed")]
    [InlineData(1, 1, "sealed")]
    [InlineData(1, 2, "clear")]
    [InlineData(2, 0, "refused")]
    [InlineData(2, 1, "clear")]
    [InlineData(2, 2, "clear")]
    public async Task The_modes_agree_as_the_table_says(byte ours, byte theirs, string outcome)
    {
        await using var dialer = Node(1, new() { Encryption = (EncryptionMode)ours });
        await using var listener = await Node(2, new() { Encryption = (EncryptionMode)theirs }).ListenAsync();
        if (outcome == "refused")
        {
            var failure = await FailAsync(dialer, listener);
            Assert.Equal(DialFault.Encryption, failure.Fault);
            Assert.Contains("Dawn:Security:Encryption", failure.Message, StringComparison.Ordinal);
            Assert.Equal(HelloSize, _faults.ToListener.Seen.Length);
            return;
        }

        var link = await dialer.DialAsync(listener);
        Assert.Equal(outcome == "sealed", link.IsSealed);
        link.TrySend(LinkFrame.Envelope, default, "in words"u8);
        await listener.Handler.NextAsync(LinkEventKind.Up);
        await listener.Handler.NextAsync(LinkEventKind.Frame);
        Assert.Equal(outcome == "clear", _faults.ToListener.Seen.AsSpan().IndexOf("in words"u8) >= 0);
    }

    [Fact]
    public async Task A_hello_altered_on_the_way_fails_the_handshake()
    {
        // Required becomes Optional, and Off would have been agreed to.
        var first = true;
        _faults.ToListener.Alter = bytes =>
        {
            if (first)
            {
                (first, bytes[5]) = (false, (byte)EncryptionMode.Off);
            }

            return bytes;
        };
        await using var dialer = Node(1, new() { Encryption = EncryptionMode.Optional });
        await using var listener = await Node(2, new() { Encryption = EncryptionMode.Optional }).ListenAsync();
        Assert.Equal(DialFault.Secret, (await FailAsync(dialer, listener)).Fault);
    }

    [Fact]
    public async Task A_newcomer_redeems_with_a_ticket_on_a_link_that_carries_nothing_else()
    {
        var (id, psk) = (new SeededEntropy(7).Bytes(16), new SeededEntropy(8).Bytes(32));
        // Sealed, whatever the modes say: it carries the network's secrets.
        await using var issuer = await new LinkNode(Network.Node(2), _network, _time, new() { Encryption = EncryptionMode.Off }, new TestTickets(id, psk)).ListenAsync();
        await using var newcomer = new LinkNode(new Unaffiliated(Network.Node(1)), _network, _time, new() { Encryption = EncryptionMode.Off });
        var link = await newcomer.Dialer.DialNewcomerAsync(issuer.Address, issuer.Id, new(id, psk), Cancel).WaitAsync(LinkNode.Patience, Cancel);
        Assert.Null(link.Certificate);
        Assert.True(link.IsSealed);
        var atIssuer = (await issuer.Handler.NextAsync(LinkEventKind.Up)).Link;
        Assert.Null(atIssuer.Certificate);
        Assert.Equal(newcomer.Id, atIssuer.Remote);
        Assert.Empty(issuer.Table.Snapshot);
        Assert.False(issuer.Table.TryGet(newcomer.Id, out _));

        link.TrySend(LinkFrame.Redeem, default, [1]);
        Assert.Equal(LinkFrame.Redeem, (await issuer.Handler.NextAsync(LinkEventKind.Frame)).Type);
        link.TrySend(LinkFrame.Envelope, default, [1]);
        Assert.Equal(LinkEnd.Protocol, (await issuer.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Fact]
    public async Task A_newcomers_link_lives_30_s()
    {
        var (id, psk) = (new SeededEntropy(7).Bytes(16), new SeededEntropy(8).Bytes(32));
        await using var issuer = await new LinkNode(Network.Node(2), _network, _time, new() { DeadAfter = TimeSpan.FromMinutes(5) }, new TestTickets(id, psk)).ListenAsync();
        await using var newcomer = new LinkNode(Network.Node(1), _network, _time, new() { DeadAfter = TimeSpan.FromMinutes(5) });
        await newcomer.Dialer.DialNewcomerAsync(issuer.Address, issuer.Id, new(id, psk), Cancel).WaitAsync(LinkNode.Patience, Cancel);
        await issuer.Handler.NextAsync(LinkEventKind.Up);
        _time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(LinkEnd.Limit, (await issuer.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Fact]
    public async Task An_unknown_ticket_gets_no_byte_after_the_hello()
    {
        var (id, psk) = (new SeededEntropy(7).Bytes(16), new SeededEntropy(8).Bytes(32));
        await using var issuer = await new LinkNode(Network.Node(2), _network, _time, null, new TestTickets(id, psk)).ListenAsync();
        await using var newcomer = Node(1);
        var failure = await Assert.ThrowsAsync<LinkDialException>(() => newcomer.Dialer.DialNewcomerAsync(issuer.Address, issuer.Id, new(new byte[16], psk), Cancel));
        Assert.Equal(DialFault.Secret, failure.Fault);
        Assert.Equal(HelloSize, _faults.ToDialer.Seen.Length);
    }

    [Fact]
    public async Task A_ticket_makes_nobody_a_neighbour()
    {
        // A member of another kind shows its certificate under a ticket's PSK: refused, since the link would count as a member's.
        var (id, psk) = (new SeededEntropy(7).Bytes(16), new SeededEntropy(8).Bytes(32));
        await using var issuer = await new LinkNode(Network.Node(2), _network, _time, null, new TestTickets(id, psk)).ListenAsync();
        await using var connection = await issuer.Transport.ConnectAsync(new UriEndPoint(issuer.Address), Cancel);
        var hello = Hello.Create(EncryptionMode.Required, id, new SeededEntropy(1)).Encoded.ToArray();
        await connection.Transport.Output.WriteAsync(hello, Cancel);
        var theirs = (await ReadAsync(connection, HelloSize)).ToArray();
        using var key = new StaticKey(Entropy.System);
        using var handshake = new PeerHandshake(
            HandshakeRole.Initiator, new(SigningLabel.Link.ToArray(), (byte[])[.. hello, .. theirs], psk, EncryptionMode.Required),
            key, Network.Node(1), Entropy.System, _time);
        await connection.Transport.Output.WriteAsync((byte[])[0, 48, .. handshake.WriteMessage()], Cancel);
        var length = (await ReadAsync(connection, 2)).ToArray();
        handshake.ReadMessage(await ReadAsync(connection, (length[0] << 8) + length[1]));
        var last = handshake.WriteMessage();
        await connection.Transport.Output.WriteAsync((byte[])[(byte)(last.Length >> 8), (byte)last.Length, .. last], Cancel);
        Assert.Empty(await ReadToEndAsync(connection));
        Assert.True(issuer.Handler.IsQuiet);
    }

    [Fact]
    public async Task Every_flipped_byte_of_the_way_up_is_noticed()
    {
        // One connection for every seventh byte of what the dialer sends until it is up, and the same for the listener.
        // Hello and messages 1 and 3; hello, message 2 and the first record.
        var lengths = new[] { HelloSize + FirstMessage + 2 + 288, HelloSize + 2 + 320 + 29 };
        for (var at = 0; at < lengths[0] + lengths[1]; at += 7)
        {
            var toListener = at < lengths[0];
            var network = new InMemoryNetwork { Faults = _ => new() { ToListener = { CorruptAt = toListener ? at : null }, ToDialer = { CorruptAt = toListener ? null : at - lengths[0] } } };
            await using var listener = await new LinkNode(Network.Node(2), network, _time).ListenAsync();
            await using var dialer = new LinkNode(Network.Node(1), network, _time);
            var dialing = dialer.Dialer.DialAsync(listener.Address, null, Cancel);
            // A length that became greater waits for the deadline.
            while (!dialing.IsCompleted)
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                await Task.Yield();
            }

            await Assert.ThrowsAsync<LinkDialException>(() => dialing);
        }
    }

    private static async Task<LinkDialException> FailAsync(LinkNode dialer, LinkNode listener, NodeId? expected = null) =>
        await Assert.ThrowsAsync<LinkDialException>(() => dialer.DialAsync(listener, expected));

    private static async Task<byte[]> ReadAsync(ConnectionContext connection, int count)
    {
        var read = await connection.Transport.Input.ReadAtLeastAsync(count, Cancel).AsTask().WaitAsync(LinkNode.Patience, Cancel);
        var bytes = read.Buffer.Slice(0, count).ToArray();
        connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(count));
        return bytes;
    }

    private static async Task<byte[]> ReadToEndAsync(ConnectionContext connection)
    {
        var all = new List<byte>();
        try
        {
            while (true)
            {
                var read = await connection.Transport.Input.ReadAsync(Cancel).AsTask().WaitAsync(LinkNode.Patience, Cancel);
                all.AddRange(read.Buffer.ToArray());
                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return [.. all];
                }
            }
        }
        catch (ConnectionAbortedException)
        {
            return [.. all];
        }
    }

    private LinkNode Node(int number, LinkOptions? options = null) => new(Network.Node(number), _network, _time, options);

    /// <summary>A newcomer, who knows no network.</summary>
    private sealed class Unaffiliated(TestIdentity identity) : INodeIdentity
    {
        public NodeId Id => identity.Id;

        public NetworkKeys Network => throw new InvalidOperationException("A newcomer has no network.");

        public Certificate Certificate => throw new InvalidOperationException("A newcomer has no certificate.");

        public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => identity.Sign(label, content);
    }
}
