using Dawn.Identity;

namespace Dawn.Links;

/// <summary>The measures of links. Those of docs/protocol.md are the defaults.</summary>
internal sealed record LinkOptions
{
    /// <summary>This node's encryption mode.</summary>
    public EncryptionMode Encryption { get; init; } = EncryptionMode.Required;

    /// <summary>For the transport to connect.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For hello, handshake and the first record together.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>After so long without a word from the other end, a ping.</summary>
    public TimeSpan PingAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>After so long without a word, the end.</summary>
    public TimeSpan DeadAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>After so long without a word where somebody got no answer over the link, the end.</summary>
    public TimeSpan DoubtedDeadAfter { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>How long the transport may take nothing off us before the link ends.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For a close to be sent and answered.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a newcomer may take to redeem a ticket.</summary>
    public TimeSpan NewcomerLifetime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Age at which a link's keys are replaced.</summary>
    public TimeSpan RekeyAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How much later a responder asks for what the initiator has not begun by itself.</summary>
    public TimeSpan RekeyMargin { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Bytes that a key seals or opens before it is replaced: far below what AES-GCM bears.</summary>
    public long RekeyBytes { get; init; } = 1L << 36;

    /// <summary>For each of the other end's steps to new keys: on the slowest line that <see cref="WriteTimeout"/> bears, each waits behind two full queues.</summary>
    public TimeSpan RekeyTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Bytes that a link queues before it says no; at least two full records.</summary>
    public int QueueBytes { get; init; } = 1024 * 1024;

    /// <summary>When the writer writes.</summary>
    public SendScheduler Scheduler { get; init; } = SendScheduler.Inline;

    /// <summary>Links at once; with full queues 512 hold 512 MiB.</summary>
    public int MaxLinks { get; init; } = 512;

    /// <summary>Newcomers at once.</summary>
    public int MaxNewcomers { get; init; } = 16;

    /// <summary>Connections that all listeners together accept at once; the rest wait.</summary>
    public int AcceptBurst { get; init; } = 500;

    /// <summary>And how many a second, once the burst is used up.</summary>
    public int AcceptsPerSecond { get; init; } = 500;

    /// <summary>Accepted connections in their handshake, in all: for another one the oldest gives way.</summary>
    public int MaxHandshakes { get; init; } = 128;

    /// <summary>The same from one address (IPv6: from one /64).</summary>
    public int MaxHandshakesPerAddress { get; init; } = 16;

    /// <summary>New connections a second from one address, once its burst is used up.</summary>
    public int HandshakesPerSecond { get; init; } = 20;

    /// <summary>New connections from one address at once.</summary>
    public int HandshakeBurst { get; init; } = 50;
}
