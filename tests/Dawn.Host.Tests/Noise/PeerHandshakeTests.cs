using Dawn.Identity;
using Dawn.Noise;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Noise;

public class PeerHandshakeTests
{
    private static readonly TestNetwork Network = new();
    private static readonly TestNetwork OtherNetwork = new(2);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly SeededEntropy _entropy = new(3);

    [Fact]
    public void Two_members_prove_themselves_and_get_the_same_keys()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), offer: EncryptionMode.Optional);
        using var responder = Side(HandshakeRole.Responder, Network.Node(2, CertificateRole.Guest));
        Run(initiator, responder);

        Assert.Equal(Network.Node(2).Id, initiator.Remote);
        Assert.Equal(Network.Node(1).Id, responder.Remote);
        Assert.Equal(CertificateRole.Guest, initiator.Certificate!.Role);
        Assert.Equal(CertificateRole.Member, responder.Certificate!.Role);
        Assert.Equal(EncryptionMode.Optional, responder.RemoteOffer);
        Assert.Equal(EncryptionMode.Required, initiator.RemoteOffer);
        Assert.True(initiator.Hash.Span.SequenceEqual(responder.Hash.Span));

        var (a, b) = (initiator.Split(), responder.Split());
        Assert.Equal("to the responder", Carry(a.Send, b.Receive, "to the responder"));
        Assert.Equal("to the initiator", Carry(b.Send, a.Receive, "to the initiator"));
        Assert.Null(Carry(a.Send, a.Receive, "not to oneself"));

        // Also after the keys were taken, and never twice the same.
        Assert.Equal(initiator.ExportSecret(), responder.ExportSecret());
        using var again = Side(HandshakeRole.Initiator, Network.Node(1));
        using var other = Side(HandshakeRole.Responder, Network.Node(2, CertificateRole.Guest));
        Assert.Throws<InvalidOperationException>(again.ExportSecret);
        Run(again, other);
        Assert.NotEqual(initiator.ExportSecret(), again.ExportSecret());
    }

    [Fact]
    public void Messages_show_neither_node_id_nor_certificate()
    {
        var (one, two) = (Network.Node(1), Network.Node(2));
        using var initiator = Side(HandshakeRole.Initiator, one);
        using var responder = Side(HandshakeRole.Responder, two);
        var seen = Run(initiator, responder).SelectMany(message => message).ToArray();
        foreach (var hidden in new[] { one.Id.ToArray(), two.Id.ToArray(), one.Certificate.Encoded.ToArray()[..16], one.Network.Psk })
        {
            Assert.True(seen.AsSpan().IndexOf(hidden) < 0);
        }
    }

    [Fact]
    public void A_stranger_without_the_psk_fails_at_the_first_message()
    {
        using var initiator = Side(HandshakeRole.Initiator, OtherNetwork.Node(1));
        using var responder = Side(HandshakeRole.Responder, Network.Node(2));
        AssertFails(HandshakeFault.Secret, () => responder.ReadMessage(initiator.WriteMessage()));
    }

    [Fact]
    public void Prologues_must_agree()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), prologue: [1]);
        using var responder = Side(HandshakeRole.Responder, Network.Node(2), prologue: [2]);
        AssertFails(HandshakeFault.Secret, () => responder.ReadMessage(initiator.WriteMessage()));
    }

    [Theory]
    [InlineData("expired certificate")]
    [InlineData("certificate of another node")]
    [InlineData("certificate of another network")]
    [InlineData("altered certificate")]
    [InlineData("no certificate")]
    [InlineData("signature by another key")]
    [InlineData("signature under another label")]
    [InlineData("node of low order")]
    public void A_wrong_identity_is_refused_at_either_end(string wrong)
    {
        var expected = wrong.Contains("certificate", StringComparison.Ordinal) ? HandshakeFault.Certificate : HandshakeFault.Signature;
        foreach (var role in Enum.GetValues<HandshakeRole>())
        {
            var good = Network.Node(1);
            INodeIdentity bad = wrong switch
            {
                "expired certificate" => Network.Node(1, notAfter: _time.GetUtcNow()),
                "certificate of another node" => good with { Certificate = Network.Node(3).Certificate },
                "certificate of another network" => good with { Certificate = OtherNetwork.Node(1).Certificate },
                "altered certificate" => good with { Certificate = good.Certificate with { Encoded = Flip(good.Certificate.Encoded.ToArray(), 8) } },
                "no certificate" => good with { Certificate = good.Certificate with { Encoded = default } },
                "signature by another key" => good with { Key = TestIdentity.KeyOf(3), Id = good.Id },
                "signature under another label" => new Mislabelling(good),
                _ => good with { Id = new NodeId([1, .. new byte[31]]) },
            };
            using var initiator = Side(HandshakeRole.Initiator, role == HandshakeRole.Initiator ? bad : Network.Node(2));
            using var responder = Side(HandshakeRole.Responder, role == HandshakeRole.Responder ? bad : Network.Node(2));
            AssertFails(expected, () => Run(initiator, responder));
            Assert.Equal(role == HandshakeRole.Initiator, initiator.IsComplete);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    public void A_signature_of_a_wrong_length_is_refused(int length)
    {
        using var initiator = Side(HandshakeRole.Initiator, new ShortSigning(Network.Node(1), length));
        using var responder = Side(HandshakeRole.Responder, Network.Node(2));
        Assert.Throws<HandshakeException>(() => Run(initiator, responder));
    }

    [Fact]
    public void Link_and_session_handshakes_do_not_mix()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), label: SigningLabel.Link.ToArray());
        using var responder = Side(HandshakeRole.Responder, Network.Node(2), label: SigningLabel.Session.ToArray());
        AssertFails(HandshakeFault.Signature, () => Run(initiator, responder));
    }

    [Fact]
    public void A_signature_of_one_handshake_does_not_count_in_another()
    {
        var recorder = new Replaying(Network.Node(1));
        for (var round = 0; round < 2; round++)
        {
            using var initiator = Side(HandshakeRole.Initiator, recorder);
            using var responder = Side(HandshakeRole.Responder, Network.Node(2));
            if (round == 0)
            {
                Run(initiator, responder);
            }
            else
            {
                AssertFails(HandshakeFault.Signature, () => Run(initiator, responder));
            }
        }
    }

    [Fact]
    public void An_initiator_stops_before_its_own_proof_where_another_node_answers()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), expected: Network.Node(3).Id);
        using var responder = Side(HandshakeRole.Responder, Network.Node(2));
        responder.ReadMessage(initiator.WriteMessage());
        var second = responder.WriteMessage();
        AssertFails(HandshakeFault.OtherNode, () => initiator.ReadMessage(second));
        Assert.False(initiator.IsComplete);
    }

    [Fact]
    public void A_responder_may_expect_someone_too()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1));
        using var responder = Side(HandshakeRole.Responder, Network.Node(2), expected: Network.Node(3).Id);
        AssertFails(HandshakeFault.OtherNode, () => Run(initiator, responder));
    }

    [Fact]
    public void Nobody_links_with_itself()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1));
        using var responder = Side(HandshakeRole.Responder, Network.Node(1));
        AssertFails(HandshakeFault.Self, () => Run(initiator, responder));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_flipped_bit_of_a_message_fails(int number)
    {
        var bits = 0;
        for (var bit = 0; ; bit++)
        {
            using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), seed: 5);
            using var responder = Side(HandshakeRole.Responder, Network.Node(2), seed: 6);
            var (writer, reader) = (initiator, responder);
            for (var i = 1; i < number; i++)
            {
                reader.ReadMessage(writer.WriteMessage());
                (writer, reader) = (reader, writer);
            }

            var message = writer.WriteMessage();
            if (bit >= message.Length * 8)
            {
                break;
            }

            // Message 2 and 3 are long: every bit of the keys and tags, and every seventh of what one tag covers.
            if (number > 1 && bit > 80 * 8 && bit < (message.Length - 16) * 8 && bit % 7 != 0)
            {
                continue;
            }

            message = Flip(message, bit);
            // The top bit of an X25519 key is ignored by the curve (RFC 7748, section 5), but not by the hash.
            Assert.Throws<HandshakeException>(() => reader.ReadMessage(message));
            bits++;
        }

        Assert.True(bits >= 48 * 8, $"{bits} bits");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(47)]
    [InlineData(49)]
    [InlineData(1_024)]
    [InlineData(1_025)]
    [InlineData(70_000)]
    public void Messages_of_wrong_lengths_fail(int length)
    {
        using var responder = Side(HandshakeRole.Responder, Network.Node(2));
        Assert.Throws<HandshakeException>(() => responder.ReadMessage(new byte[length]));
    }

    [Fact]
    public void A_key_of_low_order_fails_the_handshake()
    {
        // An insider, who has the PSK, sends zeros as its ephemeral key.
        using var insider = new SymmetricState(HandshakePattern.XXpsk0psk3.ProtocolName);
        var ephemeral = new byte[32];
        insider.MixHash([]);
        insider.MixKeyAndHash(Network.Keys.Psk);
        insider.MixHash(ephemeral);
        insider.MixKey(ephemeral);
        byte[] message = [.. ephemeral, .. insider.EncryptAndHash([])];

        using var responder = Side(HandshakeRole.Responder, Network.Node(2), prologue: []);
        responder.ReadMessage(message);
        AssertFails(HandshakeFault.Malformed, () => responder.WriteMessage());
    }

    [Fact]
    public void A_newcomer_needs_no_certificate_where_the_issuer_takes_it()
    {
        var (newcomer, issuer) = (OtherNetwork.Node(1), Network.Node(2));
        using var initiator = Side(HandshakeRole.Initiator, newcomer, expected: issuer.Id, asNewcomer: true, psk: Network.Keys.Psk);
        using var responder = Side(HandshakeRole.Responder, issuer, acceptNewcomer: true);
        Run(initiator, responder);
        Assert.Equal(newcomer.Id, responder.Remote);
        Assert.Null(responder.Certificate);
        Assert.Null(initiator.Certificate);
    }

    [Fact]
    public void A_newcomer_is_refused_where_nobody_expects_one()
    {
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), expected: Network.Node(2).Id, asNewcomer: true);
        using var responder = Side(HandshakeRole.Responder, Network.Node(2));
        AssertFails(HandshakeFault.Certificate, () => Run(initiator, responder));
    }

    [Fact]
    public void A_newcomer_must_say_whom_it_expects()
    {
        Assert.Throws<ArgumentException>(() => Side(HandshakeRole.Initiator, Network.Node(1), asNewcomer: true));
        using var initiator = Side(HandshakeRole.Initiator, Network.Node(1), expected: Network.Node(3).Id, asNewcomer: true);
        using var responder = Side(HandshakeRole.Responder, Network.Node(2), acceptNewcomer: true);
        AssertFails(HandshakeFault.OtherNode, () => Run(initiator, responder));
    }

    [Fact]
    public void Whoever_shows_a_certificate_to_an_issuer_needs_a_good_one()
    {
        using var initiator = Side(HandshakeRole.Initiator, OtherNetwork.Node(1), psk: Network.Keys.Psk, network: Network);
        using var responder = Side(HandshakeRole.Responder, Network.Node(2), acceptNewcomer: true);
        AssertFails(HandshakeFault.Certificate, () => Run(initiator, responder));
    }

    private static byte[] Flip(byte[] bytes, int bit)
    {
        bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        return bytes;
    }

    private static List<byte[]> Run(PeerHandshake initiator, PeerHandshake responder)
    {
        var messages = new List<byte[]>();
        for (var (writer, reader) = (initiator, responder); !responder.IsComplete; (writer, reader) = (reader, writer))
        {
            messages.Add(writer.WriteMessage());
            reader.ReadMessage(messages[^1]);
        }

        return messages;
    }

    private static string? Carry(Aead from, Aead to, string text)
    {
        var plaintext = System.Text.Encoding.UTF8.GetBytes(text);
        var ciphertext = new byte[plaintext.Length + Aead.TagSize];
        from.Seal(0, default, plaintext, ciphertext);
        return to.TryOpen(0, default, ciphertext, plaintext) ? System.Text.Encoding.UTF8.GetString(plaintext) : null;
    }

    private static void AssertFails(HandshakeFault expected, Action run)
    {
        var exception = Assert.Throws<HandshakeException>(run);
        Assert.Equal(expected, exception.Fault);
        Assert.DoesNotContain('\n', exception.Message);
    }

    private PeerHandshake Side(
        HandshakeRole role, INodeIdentity identity, NodeId? expected = null, bool asNewcomer = false, bool acceptNewcomer = false, byte[]? psk = null,
        byte[]? prologue = null, byte[]? label = null, EncryptionMode offer = EncryptionMode.Required, int? seed = null, TestNetwork? network = null)
    {
        var entropy = seed is { } given ? new SeededEntropy(given) : _entropy;
        if (network is not null)
        {
            identity = ((TestIdentity)identity) with { Network = network.Keys };
        }

        return new PeerHandshake(
            role,
            new HandshakeSettings(label ?? SigningLabel.Link.ToArray(), prologue ?? Array.Empty<byte>(), psk ?? identity.Network.Psk, offer)
            {
                Expected = expected,
                AsNewcomer = asNewcomer,
                AcceptNewcomer = acceptNewcomer,
            },
            new StaticKey(entropy), identity, entropy, _time);
    }

    private class Wrapped(INodeIdentity inner) : INodeIdentity
    {
        public NodeId Id => inner.Id;

        public NetworkKeys Network => inner.Network;

        public Certificate Certificate => inner.Certificate;

        public virtual byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => inner.Sign(label, content);
    }

    private sealed class Mislabelling(INodeIdentity inner) : Wrapped(inner)
    {
        public override byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => base.Sign(SigningLabel.Record, content);
    }

    private sealed class ShortSigning(INodeIdentity inner, int length) : Wrapped(inner)
    {
        public override byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => base.Sign(label, content)[..length];
    }

    private sealed class Replaying(INodeIdentity inner) : Wrapped(inner)
    {
        private byte[]? _first;

        public override byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => _first ??= base.Sign(label, content);
    }
}
