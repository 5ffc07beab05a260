using Dawn.Fuzz.Targets;

namespace Dawn.Fuzz;

/// <summary>All targets: a new one is a class in <c>Targets</c> and a line here.</summary>
public static class FuzzTargets
{
    private static readonly Func<IFuzzTarget>[] Makers =
    [
        () => new HelloTarget(),
        () => new HandshakeTarget(),
        () => new ProofTarget(),
        () => new RecordsTarget(),
        () => new LinkTarget(),
        () => new EnvelopeTarget(),
        () => new SegmentTarget(),
        () => new FramesTarget(),
        () => new SessionTarget(),
        () => new NodeRecordTarget(),
        () => new CertificateTarget(),
        () => new TicketTarget(),
        () => new RedemptionTarget(),
        () => new ManifestTarget(),
        () => new SettingsTarget(),
    ];

    private static readonly Lazy<Dictionary<string, Func<IFuzzTarget>>> ByName = new(() => Makers.ToDictionary(make => make().Name));

    public static IReadOnlyCollection<string> Names => ByName.Value.Keys;

    /// <summary>A fresh target, or null where none is called so.</summary>
    public static IFuzzTarget? Create(string name) => ByName.Value.GetValueOrDefault(name)?.Invoke();

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
