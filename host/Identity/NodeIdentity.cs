using System.Security.Cryptography;

namespace Dawn.Identity;

/// <summary>This node's key, its network's keys and its certificate, which it renews at half life where it holds the root.</summary>
internal sealed class NodeIdentity : INodeIdentity, IDisposable
{
    // Short enough that an evicted node is out within a month, long enough for a laptop that sleeps for two weeks.
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(30);

    private readonly SigningKey _key;
    private readonly SigningKey? _network;
    private readonly TimeProvider _time;
    private readonly Entropy _entropy;
    private Certificate _certificate;

    private NodeIdentity(SigningKey key, NetworkKeys network, SigningKey? networkKey, byte[]? root, Certificate? certificate, IReadOnlyList<string> bootstrap, TimeProvider time, Entropy entropy)
    {
        (_key, Network, _network, Root, Bootstrap, _time, _entropy) = (key, network, networkKey, root, bootstrap, time, entropy);
        _certificate = certificate ?? CertifySelf();
    }

    public NodeId Id => _key.Id;

    public NetworkKeys Network { get; }

    /// <summary>Null for guests. Secret: it goes into tickets' answers and nowhere else.</summary>
    public byte[]? Root { get; }

    /// <summary>Where the network was entered by ticket.</summary>
    public IReadOnlyList<string> Bootstrap { get; }

    public Certificate Certificate
    {
        get
        {
            var current = Volatile.Read(ref _certificate);
            if (_network is null || current.NotAfter - _time.GetUtcNow() > Lifetime / 2)
            {
                return current;
            }

            // Of two threads that renew at once one loses, and takes the other's: whoever compares certificates sees a single change.
            Interlocked.CompareExchange(ref _certificate, CertifySelf(), current);
            return Volatile.Read(ref _certificate);
        }
    }

    public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => _key.Sign(label, content);

    /// <summary>Certifies another node. Only holders of the root can.</summary>
    /// <exception cref="InvalidOperationException">This node is a guest.</exception>
    public Certificate Certify(NodeId node, CertificateRole role, DateTimeOffset notAfter) =>
        Certificate.Issue(_network ?? throw new InvalidOperationException("This node is a guest and can't certify others."), node, role, Serial(), notAfter);

    /// <summary>Opens the identity of a data directory, and makes what is missing at the first start.</summary>
    /// <param name="secret">From the configuration; null for the directory's own network.</param>
    /// <exception cref="StartException">Something is damaged, missing or expired.</exception>
    public static NodeIdentity Open(DataDirectory directory, string networkName, string? secret, TimeProvider time, Entropy entropy)
    {
        var stored = NetworkStore.Load(directory);
        NodeId? usedBy = stored is not null && NodeId.TryParse(stored.Node, out var node) ? node : null;
        var key = KeyStore.LoadOrCreate(directory, usedBy, entropy);
        if (secret is not null)
        {
            return FromRoot(NetworkStore.RootOf(directory, secret, networkName), networkName, stored?.Bootstrap ?? []);
        }

        if (stored is { Root: null })
        {
            var network = new NetworkKeys(stored.Name, Convert.FromHexString(stored.Psk), NodeId.TryParse(stored.Key, out var id) ? id : default);
            var problem = Certificate.TryRead(Convert.FromBase64String(stored.Certificate!), network.Key, key.Id, time.GetUtcNow(), out var certificate);
            return problem is null
                ? new(key, network, null, null, certificate, stored.Bootstrap, time, entropy)
                : throw new StartException($"This guest's membership of '{stored.Name}' no longer holds: {problem}. Ask a member for a new ticket ('dawn invite --role guest') and join with 'dawn join --replace'.");
        }

        if (stored is null)
        {
            stored = Store(key.Id, networkName, entropy.Bytes(NetworkSecret.RootSize), []);
            NetworkStore.Save(directory, stored);
        }

        return FromRoot(Convert.FromHexString(stored.Root!), stored.Name, stored.Bootstrap);

        NodeIdentity FromRoot(byte[] root, string name, IReadOnlyList<string> bootstrap)
        {
            var (psk, networkKey) = NetworkSecret.Derive(root);
            return new(key, new(name, psk, networkKey.Id), networkKey, root, null, bootstrap, time, entropy);
        }
    }

    /// <summary>What a member's data directory keeps of a network.</summary>
    public static StoredNetwork Store(NodeId node, string name, byte[] root, IReadOnlyList<string> bootstrap)
    {
        var (psk, key) = NetworkSecret.Derive(root);
        using (key)
        {
            return new(name, node.ToString(), Convert.ToHexStringLower(root), Convert.ToHexStringLower(psk), key.Id.ToString(), null, bootstrap);
        }
    }

    public void Dispose()
    {
        _key.Dispose();
        _network?.Dispose();
        CryptographicOperations.ZeroMemory(Root);
    }

    private Certificate CertifySelf() => Certify(Id, CertificateRole.Member, _time.GetUtcNow() + Lifetime);

    private UInt128 Serial() => new(_entropy.UInt64(), _entropy.UInt64());
}
