using Dawn.Fuzz.Targets;

namespace Dawn.Fuzz;

/// <summary>All targets: a new one is a class in <c>Targets</c> and a line here.</summary>
public static class FuzzTargets
{
    private static readonly OrderedDictionary<string, Func<IFuzzTarget>> Makers = new()
    {
        ["hello"] = () => new HelloTarget(),
        ["handshake"] = () => new HandshakeTarget(),
        ["proof"] = () => new ProofTarget(),
        ["records"] = () => new RecordsTarget(),
        ["link"] = () => new LinkTarget(),
        ["envelope"] = () => new EnvelopeTarget(),
        ["segment"] = () => new SegmentTarget(),
        ["frames"] = () => new FramesTarget(),
        ["session"] = () => new SessionTarget(),
        ["rekey"] = () => new RekeyTarget(),
        ["checkpoint"] = () => new CheckpointTarget(),
        ["evidence"] = () => new EvidenceTarget(),
        ["record"] = () => new NodeRecordTarget(),
        ["registry"] = () => new RegistryTarget(),
        ["membership"] = () => new MembershipTarget(),
        ["certificate"] = () => new CertificateTarget(),
        ["ticket"] = () => new TicketTarget(),
        ["redemption"] = () => new RedemptionTarget(),
        ["manifest"] = () => new ManifestTarget(),
        ["settings"] = () => new SettingsTarget(),
        ["mdns"] = () => new MdnsTarget(),
    };

    public static IReadOnlyCollection<string> Names => Makers.Keys;

    /// <summary>A fresh target, or null where none is called so.</summary>
    public static IFuzzTarget? Create(string name) => Makers.GetValueOrDefault(name)?.Invoke();

    /// <summary>Inputs that once did harm, by name.</summary>
    public static IEnumerable<(string Name, byte[] Input)> Regressions(string target)
    {
        var assembly = typeof(FuzzTargets).Assembly;
        var prefix = $"corpus/{target}/";
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            yield return (name[prefix.Length..], bytes);
        }
    }
}
