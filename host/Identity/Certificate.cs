namespace Dawn.Identity;

/// <summary>What a member may be.</summary>
internal enum CertificateRole : byte
{
    /// <summary>Holds the root secret, hosts agents, may invite.</summary>
    Member = 1,

    /// <summary>Hosts agents and calls them, without the root secret.</summary>
    Guest = 2,

    /// <summary>A person's browser: calls, hosts nothing.</summary>
    Browser = 3,
}

/// <summary>Proof of membership, signed by the network key. Layout and rules: docs/protocol.md, "Certificate".</summary>
internal sealed record Certificate(NodeId Node, CertificateRole Role, UInt128 Serial, DateTimeOffset NotAfter)
{
    /// <summary>Bytes of the encoding: version, role, serial, not-after in Unix seconds, NodeId, signature.</summary>
    public const int Size = 1 + 1 + 16 + 8 + NodeId.Size + Signatures.Size;

    private const byte Version = 1;

    /// <summary>The encoding as it was signed.</summary>
    public required ReadOnlyMemory<byte> Encoded { get; init; }

    public static Certificate Issue(SigningKey network, NodeId node, CertificateRole role, UInt128 serial, DateTimeOffset notAfter)
    {
        var body = new WireWriter().UInt8(Version).UInt8((byte)role).UInt64((ulong)(serial >> 64)).UInt64((ulong)serial)
            .UInt64((ulong)notAfter.ToUnixTimeSeconds()).NodeId(node);
        var signature = network.Sign(SigningLabel.Certificate, body.Written);
        return new(node, role, serial, DateTimeOffset.FromUnixTimeSeconds(notAfter.ToUnixTimeSeconds())) { Encoded = body.Bytes(signature).ToArray() };
    }

    /// <summary>Reads and checks a certificate: signed by <paramref name="network"/>, made out to <paramref name="holder"/>, not expired.</summary>
    /// <returns>Null where it holds; else why not, in words for a log.</returns>
    public static string? TryRead(ReadOnlySpan<byte> encoded, NodeId network, NodeId holder, DateTimeOffset now, out Certificate? certificate)
    {
        certificate = null;
        if (encoded.Length != Size)
        {
            return encoded.IsEmpty ? "it has no certificate" : $"its certificate has {encoded.Length} bytes instead of {Size}";
        }

        if (!KnownSignatures.Shared.Verify(network, SigningLabel.Certificate, encoded[..^Signatures.Size], encoded[^Signatures.Size..]))
        {
            return "its certificate is not signed by this network's key";
        }

        var reader = new WireReader(encoded);
        var version = reader.UInt8();
        var role = (CertificateRole)reader.UInt8();
        var serial = new UInt128(reader.UInt64(), reader.UInt64());
        var notAfter = reader.UInt64();
        var node = reader.NodeId();
        if (version != Version || !Enum.IsDefined(role) || notAfter > (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds())
        {
            return "its certificate is of an unknown version or role";
        }

        if (node != holder)
        {
            return "its certificate is made out to another node";
        }

        var expires = DateTimeOffset.FromUnixTimeSeconds((long)notAfter);
        if (expires <= now)
        {
            return $"its certificate expired at {expires:u}";
        }

        certificate = new(node, role, serial, expires) { Encoded = encoded.ToArray() };
        return null;
    }
}
