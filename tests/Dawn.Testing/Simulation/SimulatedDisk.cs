namespace Dawn.Testing.Simulation;

/// <summary>What a node finds again after a crash: every file as it was last written whole. A write is done at once or, after a crash, not at all.</summary>
internal sealed class SimulatedDisk
{
    private readonly Dictionary<string, byte[]> _files = new(StringComparer.Ordinal);

    public byte[]? Read(string name) => _files.GetValueOrDefault(name);

    public void Write(string name, ReadOnlySpan<byte> content) => _files[name] = content.ToArray();
}
