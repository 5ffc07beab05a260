using Dawn.Identity;

namespace Dawn.Tests;

/// <summary>A directory that goes with the test.</summary>
internal sealed class TempDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("dawn-test-").FullName;

    public DataDirectory Open() => DataDirectory.Open(Path);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
