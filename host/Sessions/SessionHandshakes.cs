using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Sessions;

/// <summary>Who this node is in session handshakes, and how it wants them.</summary>
/// <param name="StaticKey">Lives as long as the process; shared with the links.</param>
internal sealed record SessionSettings(StaticKey StaticKey, EncryptionMode Encryption)
{
    /// <summary>How long an epoch's keys are used.</summary>
    public TimeSpan RekeyAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>About how many bytes an epoch's keys seal and open; far from AES-GCM's own limit, which Noise puts at 2^56 (revision 34, section 14).</summary>
    public long RekeyAfterBytes { get; init; } = 1L << 36;

    /// <summary>Frames to a signature, 1 to <see cref="Checkpoint.MaxCount"/>.</summary>
    public int CheckpointEvery { get; init; } = 64;

    /// <summary>When what channels send leaves.</summary>
    public Links.SendScheduler Scheduler { get; init; } = Links.SendScheduler.Inline;

    /// <summary>Keeps the signatures that come; null where they are only checked.</summary>
    public IEvidenceSink? Evidence { get; init; }
}

/// <summary>Makes the handshakes of sessions (docs/protocol.md, "Session": "Handshake").</summary>
internal sealed class SessionHandshakes(SessionSettings settings, INodeIdentity identity, Entropy entropy, TimeProvider time)
{
    /// <summary>Messages are numbered, so that a repetition is told from an answer.</summary>
    public const int NumberSize = 1;

    /// <summary>How long an answer to message 1 is waited for.</summary>
    public static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(10);

    /// <summary>How long a responder waits for message 3: who sends it has a session already, with words in it, and repeats it as long as a session may be without progress.</summary>
    public static readonly TimeSpan HalfOpenFor = Session.ProgressTimeOut;

    public EncryptionMode Encryption => settings.Encryption;

    public TimeSpan RekeyAfter => settings.RekeyAfter;

    public Links.SendScheduler Scheduler => settings.Scheduler;

    public long RekeyAfterBytes => settings.RekeyAfterBytes;

    /// <summary>What this node shows of itself now.</summary>
    public Certificate Certificate => identity.Certificate;

    public ulong NewTag() => entropy.UInt64();

    public PeerHandshake Create(HandshakeRole role, NodeId peer, ulong tag)
    {
        var (initiator, responder) = role == HandshakeRole.Initiator ? (identity.Id, peer) : (peer, identity.Id);
        var prologue = new byte["dawn/1 session\0"u8.Length + 2 * NodeId.Size + 8];
        "dawn/1 session\0"u8.CopyTo(prologue);
        var rest = prologue.AsSpan("dawn/1 session\0"u8.Length);
        initiator.CopyTo(rest);
        responder.CopyTo(rest[NodeId.Size..]);
        BinaryPrimitives.WriteUInt64BigEndian(rest[(2 * NodeId.Size)..], tag);
        return CreateNext(role, peer, prologue);
    }

    /// <summary>The handshake of a session's next epoch, bound to all before it by its prologue, the hash of the last; the first differs in the prologue alone.</summary>
    public PeerHandshake CreateNext(HandshakeRole role, NodeId peer, ReadOnlyMemory<byte> prologue) => new(
        role, new(SigningLabel.Session.ToArray(), prologue, identity.Network.Psk, settings.Encryption) { Expected = peer }, settings.StaticKey, identity, entropy, time);

    public static byte[] Numbered(byte number, ReadOnlySpan<byte> message) => [number, .. message];
}
