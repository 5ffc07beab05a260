using System.Security.Cryptography;
using System.Text;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Tests.Plugins;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Protocol;

/// <summary>docs/protocol-example.md, computed by the product from secrets that stand on the page. <c>DAWN_WRITE_DOCS=1</c> writes it anew.</summary>
public sealed class ProtocolExampleTests
{
    private const string File = "docs/protocol-example.md";

    private const ulong Tag = 0x0102030405060708;

    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly DateTimeOffset NotAfter = Start.AddDays(30);

    // A browser's certificate is that of its ticket, and lives for a day.
    private static readonly DateTimeOffset BrowserNotAfter = Start.AddDays(1);

    private readonly ExamplePage _page = new();
    private readonly FakeTimeProvider _time = new(Start);
    private readonly byte[] _root = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private readonly ExampleNode _a = new(0xa0);
    private readonly ExampleNode _b = new(0xb0);
    private readonly ExampleNode _c = new(0xc0);
    private readonly NetworkKeys _keys;
    private readonly SigningKey _networkKey;
    private readonly TestIdentity _identityA;
    private readonly TestIdentity _identityB;
    private readonly Certificate _certificateC;

    public ProtocolExampleTests()
    {
        var (psk, key) = NetworkSecret.Derive(_root);
        (_keys, _networkKey) = (new("home", psk, key.Id), key);
        _identityA = new(_a.Key, _keys, Certificate.Issue(key, _a.Id, CertificateRole.Member, 1, NotAfter));
        _identityB = new(_b.Key, _keys, Certificate.Issue(key, _b.Id, CertificateRole.Member, 2, NotAfter));
        _certificateC = Certificate.Issue(key, _c.Id, CertificateRole.Browser, 3, BrowserNotAfter);
    }

    [Fact(Timeout = 30_000)]
    public async Task The_page_has_the_bytes_that_the_product_makes()
    {
        _page.Title("The wire protocol by example");
        _page.Prose("""
            One conversation of two nodes, A and B, and of a browser, C, that redeems a ticket at A, with every secret of theirs and every byte that follows, for [The wire protocol](protocol.md).
            Each line in a block is `name: hex` (NodeIds and the ticket also as text), so that the tests of another implementation can read this page; Dawn's own compute it with the code that runs in its nodes.
            Ed25519 signs deterministically (RFC 8032), and whatever else is random is given, so there is one right answer to each line.
            The secrets are patterns, to be recognized in a debugger, and no others than these must ever be like them.
            """);
        Network();
        await LinkAsync();
        Redeem();
        await SessionAsync();
        var (path, drawn) = (Path.Combine(PluginSandbox.Repository, File), _page.ToString());
        if (Environment.GetEnvironmentVariable("DAWN_WRITE_DOCS") == "1")
        {
            await System.IO.File.WriteAllTextAsync(path, drawn, TestContext.Current.CancellationToken);
        }

        Assert.True(System.IO.File.Exists(path), $"{File} is missing: run the test with DAWN_WRITE_DOCS=1.");
        ExamplePage.AssertSame(drawn, await System.IO.File.ReadAllTextAsync(path, TestContext.Current.CancellationToken), File);
    }

    private void Network()
    {
        _page.Section("Network, nodes, certificates");
        _page.Prose("The network `home` has the root secret 00 01 … 1f. The clock stands at 2030-01-01T00:00:00Z.");
        _page.Line("root", _root);
        _page.Line("PSK", _keys.Psk);
        _page.Line("network key seed", HKDF.DeriveKey(HashAlgorithmName.SHA256, _root, 32, [], "dawn/1 network key"u8.ToArray()));
        _page.Line("network public key", _keys.Key.ToArray());
        _page.Line("root of the passphrase 'correct horse battery staple' in network 'home'", NetworkSecret.FromPassphrase("correct horse battery staple", "home"));
        foreach (var (name, node) in new[] { ("A", _a), ("B", _b), ("C", _c) })
        {
            _page.Line($"{name} identity seed", node.Secret(1));
            _page.Line($"{name} NodeId", node.Id.ToArray());
            _page.Line($"{name} NodeId as text", node.Id.ToString());
            _page.Line($"{name} static private key", node.Secret(2));
            _page.Line($"{name} static public key", node.Static.Public);
        }

        _page.Prose("A and B are members, with serials 1 and 2 and certificates until 2030-01-31T00:00:00Z.");
        _page.Line("A certificate", _identityA.Certificate.Encoded.Span);
        _page.Line("B certificate", _identityB.Certificate.Encoded.Span);

        var agent = new AgentCard("echo", "Echo", [.. SHA256.HashData("tools"u8)], ["echo"]);
        var record = NodeRecord.Sign(_identityB, (ulong)Start.ToUnixTimeMilliseconds(), Start, EncryptionMode.Required, [new Uri("tcp://192.0.2.2:4711")], [agent], out _);
        Assert.Null(NodeRecord.TryRead(record.Encoded.Span, _keys.Key, Start, out _));
        _page.Prose("B's node record, sequenced and issued now for 24 hours, with one address (`tcp://192.0.2.2:4711`) and one agent (`echo`, titled `Echo`, whose digest is the SHA-256 of `tools`, with the tool `echo`).");
        _page.Line("B record", record.Encoded.Span);
    }

    private async Task LinkAsync()
    {
        _page.Section("Link");
        _page.Prose("A dials B. Both offer Required.");
        var (hello, answer) = (Hello.Create(EncryptionMode.Required, null, new WrittenEntropy(_a.Secret(3))), Hello.Create(EncryptionMode.Required, null, new WrittenEntropy(_b.Secret(3))));
        _page.Line("hello of A", hello.Encoded.Span);
        _page.Line("hello of B", answer.Encoded.Span);
        byte[] prologue = [.. hello.Encoded.Span, .. answer.Encoded.Span];
        var settings = new HandshakeSettings(SigningLabel.Link.ToArray(), prologue, _keys.Psk, EncryptionMode.Required);
        using var dialer = new PeerHandshake(HandshakeRole.Initiator, settings with { Expected = _b.Id }, _a.Static, _identityA, new WrittenEntropy(_a.Secret(4)), _time);
        using var listener = new PeerHandshake(HandshakeRole.Responder, settings, _b.Static, _identityB, new WrittenEntropy(_b.Secret(4)), _time);
        using (var reader = new HandshakeReader(_page, "link", _a, _b, 4, prologue, _keys.Psk))
        {
            Shake(dialer, listener, reader);
        }

        var (keysA, keysB) = (dialer.Split(), listener.Split());
        Keys("link");
        _page.Prose("Each message travels behind its `u16` length: message 1 as `0030` and its 48 bytes. The first records, each with one frame: both send a ping at once, and answer the other's.");
        using var a = new ExampleLink(_page, "A", keysA.Send, keysA.Receive, queue => Rekeying(true, dialer, _identityB, queue));
        using var b = new ExampleLink(_page, "B", keysB.Send, keysB.Receive, queue => Rekeying(false, listener, _identityA, queue));
        // Made now, since the epoch's age counts from here.
        _ = (a.Rekeying, b.Rekeying);
        a.Queue(LinkFrame.Ping, [0, 0, 0, 0, 0, 0, 0, 1]);
        b.Queue(LinkFrame.Ping, [0, 0, 0, 0, 0, 0, 0, 1]);
        await a.SendAsync(b, "ping");
        await b.SendAsync(a, "ping");
        a.Queue(LinkFrame.Pong, [0, 0, 0, 0, 0, 0, 0, 1]);
        b.Queue(LinkFrame.Pong, [0, 0, 0, 0, 0, 0, 0, 1]);
        await a.SendAsync(b, "pong");
        await b.SendAsync(a, "pong");

        _page.Section("Link: rekeying");
        _page.Prose("The epoch is 10 minutes old, and A, the initiator, begins. Its third frame and its switch leave together; so, in a record of its own, does B's switch.");
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.True(a.Rekeying.OnTick(TimeSpan.FromSeconds(1), 0));
        using (var reader = new HandshakeReader(_page, "link rekey", _a, _b, 5, dialer.Hash.Span, _keys.Psk))
        {
            reader.Read((await a.SendAsync(b, "rekey 1"))!);
            reader.Read((await b.SendAsync(a, "rekey 2"))!);
            reader.Read((await a.SendAsync(b, "rekey 3 and switch"))!);
        }

        Assert.Null(await b.SendAsync(a, "switch"));
        Assert.Equal((1, 1), (a.Rekeying.Epoch, b.Rekeying.Epoch));
        Keys("link rekey");
        a.Queue(LinkFrame.Ping, [0, 0, 0, 0, 0, 0, 0, 2]);
        b.Queue(LinkFrame.Pong, [0, 0, 0, 0, 0, 0, 0, 2]);
        await a.SendAsync(b, "ping after the switch");
        await b.SendAsync(a, "pong after the switch");
        _page.Prose("The end: A closes with code 1, stopping.");
        a.Queue(LinkFrame.Close, CloseFrame.Encode(LinkEnd.Stopping, "the node is stopping"));
        await a.SendAsync(b, "close");
    }

    private void Redeem()
    {
        _page.Section("Ticket");
        _page.Prose("A has issued a ticket for a browser, with id 01 02 … 10, secret 32 bytes d0, two hours to live and the address `wss://a.example`, whose port is its scheme's own. C redeems it: its hello names the ticket, its proof has no certificate, and the PSK is the ticket's.");
        var ticket = new Ticket(new UInt128(0x0102030405060708, 0x090a0b0c0d0e0f10), [.. Enumerable.Repeat((byte)0xd0, 32)], CertificateRole.Browser, _a.Id, Start.AddHours(2), "home", [new Uri("wss://a.example:443")]);
        Assert.Equal(ticket.Id, Ticket.TryParse(ticket.ToString(), out _)!.Id);
        _page.Line("ticket", ticket.ToString());
        var bytes = new byte[(ticket.ToString().Length - 5) * 5 / 8];
        Assert.True(Base32.TryDecode(ticket.ToString().AsSpan(5), bytes));
        _page.Line("ticket bytes", bytes);
        var (hello, answer) = (Hello.Create(EncryptionMode.Required, ticket.IdBytes(), new WrittenEntropy(_c.Secret(3))), Hello.Create(EncryptionMode.Required, null, new WrittenEntropy(_a.Secret(8))));
        _page.Line("hello of C", hello.Encoded.Span);
        _page.Line("hello of A to C", answer.Encoded.Span);
        byte[] prologue = [.. hello.Encoded.Span, .. answer.Encoded.Span];
        var settings = new HandshakeSettings(SigningLabel.Link.ToArray(), prologue, ticket.Psk(), EncryptionMode.Required);
        var newcomer = new TestIdentity(_c.Key, new("", new byte[32], default), _certificateC);
        using var dialer = new PeerHandshake(HandshakeRole.Initiator, settings with { Expected = _a.Id, AsNewcomer = true }, _c.Static, newcomer, new WrittenEntropy(_c.Secret(9)), _time);
        using var listener = new PeerHandshake(HandshakeRole.Responder, settings with { AcceptNewcomer = true }, _a.Static, _identityA, new WrittenEntropy(_a.Secret(9)), _time);
        using (var reader = new HandshakeReader(_page, "redeem", _c, _a, 9, prologue, ticket.Psk()))
        {
            Shake(dialer, listener, reader);
        }

        var (keysC, keysA) = (dialer.Split(), listener.Split());
        foreach (var key in new[] { keysC.Send, keysC.Receive, keysA.Send, keysA.Receive })
        {
            key.Dispose();
        }

        Keys("redeem");
        _page.Prose("Bodies of the frames redeem, from C, and redeemed, from A: C is a browser until 2030-01-02T00:00:00Z, by serial 3. It gets no root.");
        _page.Line("redeem body", [Redemption.Version]);
        var redeemed = new Redemption(CertificateRole.Browser, "home", _keys.Key, [], _keys.Psk, _certificateC.Encoded.ToArray()).Encode();
        Assert.NotNull(Redemption.TryRead(redeemed, _c.Id, Start, out _));
        _page.Line("redeemed body", redeemed);
        _page.Line("redeemed body, refused", Redemption.Refuse(Redemption.Refusal.Spent, "spent"));
    }

    private async Task SessionAsync()
    {
        _page.Section("Session: handshake");
        _page.Prose("A opens a session with B under the tag 0102030405060708, ten minutes after the start. Envelope ids begin at 1010101010101011 and 2020202020202021.");
        Queue<byte[]> waiting = [];
        var a = new ExampleSession(_page, "A", _a, _b, true, Tag, 0x10, waiting);
        var b = new ExampleSession(_page, "B", _b, _a, false, Tag, 0x20, waiting);
        var handshakesA = new SessionHandshakes(new(_a.Static, EncryptionMode.Required) { RekeyAfter = TimeSpan.FromSeconds(30) }, _identityA, new WrittenEntropy(_a.Secret(6), _a.Secret(7)), _time);
        var handshakesB = new SessionHandshakes(new(_b.Static, EncryptionMode.Required) { RekeyAfter = TimeSpan.FromSeconds(30) }, _identityB, new WrittenEntropy(_b.Secret(6), _b.Secret(7)), _time);
        using var opening = handshakesA.Create(HandshakeRole.Initiator, _b.Id, Tag);
        using var accepting = handshakesB.Create(HandshakeRole.Responder, _a.Id, Tag);
        byte[] prologue = [.. "dawn/1 session\0"u8, .. _a.Id.ToArray(), .. _b.Id.ToArray(), 1, 2, 3, 4, 5, 6, 7, 8];
        using (var reader = new HandshakeReader(_page, "session", _a, _b, 6, prologue, _keys.Psk))
        {
            for (byte number = 1; number <= 3; number++)
            {
                var (from, to) = number == 2 ? (accepting, opening) : (opening, accepting);
                var message = from.WriteMessage();
                reader.Read(message);
                to.ReadMessage(message);
                var (sender, target) = number == 2 ? (b, _a.Id) : (a, _b.Id);
                sender.Outlet.TrySend(EnvelopeKind.Handshake, target, Tag, SessionHandshakes.Numbered(number, message));
            }
        }

        waiting.Clear();
        var (keysA, keysB, secret) = (opening.Split(), accepting.Split(), opening.ExportSecret());
        Assert.Equal(secret, accepting.ExportSecret());
        Keys("session");
        _page.Line("session secret of the salts", secret);
        _page.Line("session salt key of the initiator", Salts.Key(secret, fromInitiator: true));
        _page.Line("session salt key of the responder", Salts.Key(secret, fromInitiator: false));
        Task answering = Task.CompletedTask;
        a.Begin(Context(a, _identityA, handshakesA), new(_b.Id, _identityB.Certificate, Tag, true, true, opening.Hash) { Secret = [.. secret] }, keysA, _ => { });
        b.Begin(Context(b, _identityB, handshakesB), new(_a.Id, _identityA.Certificate, Tag, false, true, accepting.Hash) { Secret = [.. secret] }, keysB, opened => answering = AnswerAsync(opened));

        _page.Section("Session: a call");
        _page.Prose("A's gateway opens channel 0 to the agent `echo` and sends it MCP's ping, `{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}`; a ping of the session's own measures the round trip. B acknowledges, accepts and answers in one segment; A's pong brings the acknowledgement.");
        var channel = a.Session.OpenChannel("echo", "gateway");
        await channel.SendAsync("""{"jsonrpc":"2.0","id":1,"method":"ping"}"""u8.ToArray(), TestContext.Current.CancellationToken);
        Deliver();
        await answering;
        var got = await channel.ReceiveAsync(TestContext.Current.CancellationToken);
        using (got)
        {
            Assert.Equal("""{"jsonrpc":"2.0","id":1,"result":{}}""", Encoding.UTF8.GetString(got!.Value.Span));
        }

        _page.Prose("20 ms later both sign what they have sent, and 20 ms after that acknowledge the other's signature.");
        Pass(20);
        Pass(20);

        _page.Section("Session: rekeying");
        _page.Prose("The epoch's time is over (here 30 s), and A begins. Message 3 still leaves under the old key.");
        using (var reader = new HandshakeReader(_page, "session rekey", _a, _b, 7, opening.Hash.Span, _keys.Psk))
        {
            a.OnRekey = b.OnRekey = (_, message) => reader.Read(message);
            Pass(30_000 - 40);
        }

        Keys("session rekey");
        Assert.Equal((1, 1), (a.Session.Status.Epoch, b.Session.Status.Epoch));
        _page.Prose("Rekeying's frames are sequenced, so that they are signed too.");
        Pass(20);
        Pass(20);

        _page.Section("Session: the end");
        _page.Prose("A closes the channel, and B closes it in turn. Then A says goodbye with code 6, stopping; what is unsigned is signed in the same segment.");
        await channel.CloseAsync();
        Deliver();
        a.Session.End(MeshError.Stopping, "The node is stopping.", tell: true);
        Deliver();
        Assert.Equal(MeshError.Stopping, b.Session.EndError);

        void Pass(int milliseconds)
        {
            _time.Advance(TimeSpan.FromMilliseconds(milliseconds));
            Deliver();
        }

        void Deliver()
        {
            while (waiting.TryDequeue(out var envelope))
            {
                Assert.True(EnvelopeHeader.TryRead(envelope, out var header));
                (header.Target == _a.Id ? a : b).Session.OnSegment(envelope.AsSpan(EnvelopeHeader.Size));
            }
        }

        SessionContext Context(ExampleSession end, TestIdentity identity, SessionHandshakes handshakes) =>
            new(identity.Id, end.Outlet, _time, new(MemoryBudget.PerProcess), handshakes, new(identity, 64, null));
    }

    // Runs to its end within the opening, since nothing in it has to wait: the answer leaves together with the accept.
    private static async Task AnswerAsync(OpenedChannel opened)
    {
        using var asked = await opened.Channel.ReceiveAsync(TestContext.Current.CancellationToken);
        await opened.Channel.SendAsync("""{"jsonrpc":"2.0","id":1,"result":{}}"""u8.ToArray(), TestContext.Current.CancellationToken);
    }

    private static void Shake(PeerHandshake initiator, PeerHandshake responder, HandshakeReader reader)
    {
        for (var (i, from, to) = (0, initiator, responder); i < 3; i++, (from, to) = (to, from))
        {
            var message = from.WriteMessage();
            reader.Read(message);
            to.ReadMessage(message);
        }
    }

    // Both ends have come to the same; A had a part in every handshake.
    private void Keys(string what)
    {
        _page.Line($"{what} key of the initiator", _a.Static.Ciphers[^2]);
        _page.Line($"{what} key of the responder", _a.Static.Ciphers[^1]);
    }

    private Rekeying Rekeying(bool isInitiator, PeerHandshake first, TestIdentity remote, Dawn.Links.SendQueue queue)
    {
        var (self, identity) = isInitiator ? (_a, _identityA) : (_b, _identityB);
        var settings = new HandshakeSettings(SigningLabel.Link.ToArray(), default, _keys.Psk, EncryptionMode.Required) { Expected = remote.Id };
        return new(
            new(first.Hash, EncryptionMode.Required, first.Shown!, previous => new PeerHandshake(
                isInitiator ? HandshakeRole.Initiator : HandshakeRole.Responder, settings with { Prologue = previous }, self.Static, identity, new WrittenEntropy(self.Secret(5)), _time)),
            remote.Certificate, isInitiator, isSealed: true, identity, new LinkOptions(), queue, _time);
    }
}
