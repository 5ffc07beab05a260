using Dawn.Identity;
using Dawn.Noise;
using Dawn.Tests;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>The payload of handshake messages 2 and 3, as it is once opened. The first byte says whether the reader would take a newcomer.</summary>
internal sealed class ProofTarget : IFuzzTarget
{
    /// <summary>Version, offer and NodeId come before.</summary>
    public const int SignatureAt = 2 + NodeId.Size;

    private static readonly byte[] Hash = SeededEntropy.Derive(1, "handshake hash");

    private readonly FakeTimeProvider _time = World.Time();
    private readonly PeerHandshake?[] _readers = new PeerHandshake?[2];

    public string Name => "proof";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var takesNewcomers = input[0] & 1;
        var proof = input[1..];
        ref var reader = ref _readers[takesNewcomers];
        reader ??= NewReader(takesNewcomers == 1);
        try
        {
            reader.CheckProof(proof, Hash);
        }
        catch (HandshakeException)
        {
            Property.Holds(reader.Certificate is null && reader.RemoteOffer == default, "a refused proof left something behind");
            return;
        }

        var (remote, offer, certificate) = (reader.Remote, reader.RemoteOffer, reader.Certificate);
        reader.Dispose();
        reader = null;
        Property.Holds(remote == World.Peer.Id, "somebody else's proof was taken");
        Property.Holds(certificate is not null || takesNewcomers == 1, "a proof without a certificate was taken");
        var extensions = new WireReader(proof[(SignatureAt + Signatures.Size)..]);
        extensions.Block16(ushort.MaxValue);
        var rest = extensions.Block16(ushort.MaxValue);
        Property.Canonical(proof, new WireWriter().UInt8(1).UInt8((byte)offer).NodeId(remote).Bytes(proof.Slice(SignatureAt, Signatures.Size))
            .Block16(certificate is null ? default : certificate.Encoded.Span).Block16(rest).Written);
    }

    public IEnumerable<byte[]> Seeds()
    {
        foreach (byte takesNewcomers in new byte[] { 0, 1 })
        {
            yield return [takesNewcomers, .. Proof(Hash, World.Peer.Certificate.Encoded.Span, default)];
            yield return [takesNewcomers, .. Proof(Hash, World.Peer.Certificate.Encoded.Span, new byte[256])];
            yield return [takesNewcomers, .. Proof(Hash, default, default)];
            // Of another network, of another node, expired.
            yield return [takesNewcomers, .. Proof(Hash, new TestNetwork(2).Node(2).Certificate.Encoded.Span, default)];
            yield return [takesNewcomers, .. Proof(Hash, World.Network.Node(3).Certificate.Encoded.Span, default)];
            yield return [takesNewcomers, .. Proof(Hash, World.Network.Node(2, notAfter: DateTimeOffset.UnixEpoch).Certificate.Encoded.Span, default)];
        }
    }

    /// <summary>The initiator's proof on a link.</summary>
    public static byte[] Proof(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> certificate, ReadOnlySpan<byte> extensions) =>
        new WireWriter().UInt8(1).UInt8(0).NodeId(World.Peer.Id).Bytes(Sign(hash)).Block16(certificate).Block16(extensions).ToArray();

    public static byte[] Sign(ReadOnlySpan<byte> hash) => World.Peer.Sign(SigningLabel.Link, [(byte)HandshakeRole.Initiator, .. hash]);

    private PeerHandshake NewReader(bool takesNewcomers) => new(
        HandshakeRole.Responder, new(SigningLabel.Link.ToArray(), default, World.Self.Network.Psk, EncryptionMode.Required) { AcceptNewcomer = takesNewcomers },
        World.SelfStatic, World.Self, new SeededEntropy(25), _time);
}
