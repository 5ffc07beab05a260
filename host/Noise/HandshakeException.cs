namespace Dawn.Noise;

/// <summary>Why a handshake failed.</summary>
internal enum HandshakeFault
{
    /// <summary>What came is not what the protocol allows.</summary>
    Malformed,

    /// <summary>A message did not authenticate: another network's secret, or bytes altered on the way.</summary>
    Secret,

    /// <summary>The identity's signature is wrong.</summary>
    Signature,

    /// <summary>The certificate doesn't hold.</summary>
    Certificate,

    /// <summary>Another node answers than the one that was meant.</summary>
    OtherNode,

    /// <summary>The other end is this very node.</summary>
    Self,

    /// <summary>One end requires the encryption that the other refuses.</summary>
    Encryption,

    /// <summary>The other end closed before the handshake was done.</summary>
    Closed,

    /// <summary>The time for it ran out.</summary>
    Timeout,
}

/// <summary>A failed handshake, in words for our own log, with the peer as "it"; the peer is told nothing.</summary>
internal sealed class HandshakeException(HandshakeFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    public HandshakeFault Fault { get; } = fault;

    /// <summary>When the certificate expired, where that is all that is wrong with it.</summary>
    public DateTimeOffset? Expired { get; init; }
}
