using Dawn.Identity;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Identity;

public class NodeIdentityTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero));

    public void Dispose() => _temp.Dispose();

    private NodeIdentity Open(string? secret = null, string name = "home") => NodeIdentity.Open(_temp.Open(), name, secret, _time, Entropy.System);

    [Fact]
    public void TheFirstStartMakesAKeyAndANetworkAndLaterOnesKeepThem()
    {
        using var first = Open();
        using var second = Open();
        Assert.Equal(first.Id, second.Id);
        Assert.Equal(first.Network.Key, second.Network.Key);
        Assert.Equal(first.Network.Psk, second.Network.Psk);
        Assert.Null(Certificate.TryRead(second.Certificate.Encoded.Span, first.Network.Key, first.Id, _time.GetUtcNow(), out var certificate));
        Assert.Equal(CertificateRole.Member, certificate!.Role);
    }

    [Fact]
    public void SecretsAreReadableByTheirOwnerAlone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no mode bits");
        using var identity = Open("a passphrase");
        using var own = NodeIdentity.Open(DataDirectory.Open(_temp.Path + "/x"), "home", null, _time, Entropy.System);
        string[] files = [.. Directory.GetFiles(_temp.Path, "*", SearchOption.AllDirectories)];
        Assert.Contains(files, f => f.EndsWith("identity.key", StringComparison.Ordinal));
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
    }

    [Fact]
    public void TheSameSecretIsTheSameNetworkAndAnotherIsNot()
    {
        using var a = Open("correct horse");
        using var cached = Open("correct horse");
        using var other = Open("wrong horse");
        using var otherName = Open("correct horse", "office");
        using var hex = Open(string.Concat(Enumerable.Repeat("6461776e", 8)));
        Assert.Equal(a.Network.Psk, cached.Network.Psk);
        Assert.Equal(a.Network.Key, cached.Network.Key);
        Assert.Equal(4, new[] { a, other, otherName, hex }.Select(i => Convert.ToHexString(i.Network.Psk)).Distinct().Count());
    }

    [Fact]
    public void AMissingKeyOfAUsedDirectoryStopsTheStart()
    {
        var id = Open().Id;
        File.Delete(Path.Combine(_temp.Path, KeyStore.FileName));
        var e = Assert.Throws<StartException>(() => Open());
        Assert.Contains("is missing", e.Message, StringComparison.Ordinal);
        Assert.Contains(id.ToShortString(), e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("dawn-identity-1 tooshort")]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----")]
    public void ADamagedKeyStopsTheStartAndIsKept(string content)
    {
        Open().Dispose();
        var path = Path.Combine(_temp.Path, KeyStore.FileName);
        File.WriteAllText(path, content);
        Assert.Contains("is damaged", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(path));
    }

    [Fact]
    public void AKeyThatOthersMayReadStopsTheStart()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "no mode bits");
        Open().Dispose();
        File.SetUnixFileMode(Path.Combine(_temp.Path, KeyStore.FileName), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Contains("chmod 600", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnotherNodesKeyStopsTheStart()
    {
        Open().Dispose();
        using var other = new TempDirectory();
        NodeIdentity.Open(other.Open(), "home", null, _time, Entropy.System).Dispose();
        File.Copy(Path.Combine(other.Path, KeyStore.FileName), Path.Combine(_temp.Path, KeyStore.FileName), overwrite: true);
        Assert.Contains("belongs to", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("""{"name":"x","node":"x","root":"x","psk":"x","key":"x","certificate":null,"bootstrap":[]}""")]
    public void ADamagedNetworkFileStopsTheStart(string content)
    {
        Open().Dispose();
        File.WriteAllText(Path.Combine(_temp.Path, NetworkStore.FileName), content);
        Assert.Contains("is damaged", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheCertificateIsRenewedAtHalfLife()
    {
        using var identity = Open();
        var first = identity.Certificate;
        _time.Advance(TimeSpan.FromDays(14));
        Assert.Same(first, identity.Certificate);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.True(identity.Certificate.NotAfter > first.NotAfter);
    }

    [Fact]
    public void ThreadsThatFindItRenewedFindTheSameOne()
    {
        using var identity = Open();
        for (var round = 0; round < 20; round++)
        {
            _time.Advance(TimeSpan.FromDays(16));
            var seen = new Certificate[8];
            using var together = new Barrier(seen.Length);
            var threads = seen.Select((_, i) => new Thread(() =>
            {
                together.SignalAndWait(Eventually.Patience);
                seen[i] = identity.Certificate;
            })).ToList();
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            Assert.Single(seen.Distinct(ReferenceEqualityComparer.Instance));
            Assert.Equal(_time.GetUtcNow() + TimeSpan.FromDays(30), seen[0].NotAfter);
        }
    }

    [Fact]
    public void AGuestWithAnExpiredCertificateIsToldSo()
    {
        NodeId id;
        using (var issuer = Open())
        using (var guestHome = new TempDirectory())
        {
            var directory = guestHome.Open();
            using (var key = KeyStore.LoadOrCreate(directory, null, Entropy.System))
            {
                id = key.Id;
            }

            var certificate = issuer.Certify(id, CertificateRole.Guest, _time.GetUtcNow() + TimeSpan.FromHours(1));
            NetworkStore.Save(directory, new("home", id.ToString(), null, Convert.ToHexStringLower(issuer.Network.Psk), issuer.Network.Key.ToString(), Convert.ToBase64String(certificate.Encoded.Span), []));
            using (var guest = NodeIdentity.Open(directory, "ignored", null, _time, Entropy.System))
            {
                Assert.Equal(CertificateRole.Guest, guest.Certificate.Role);
                Assert.Null(guest.Root);
                Assert.Throws<InvalidOperationException>(() => guest.Certify(id, CertificateRole.Member, _time.GetUtcNow()));
            }

            _time.Advance(TimeSpan.FromHours(2));
            var e = Assert.Throws<StartException>(() => NodeIdentity.Open(directory, "home", null, _time, Entropy.System));
            Assert.Contains("expired", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ASecondNodeOnOneDirectoryIsRefused()
    {
        using (DataDirectory.Lock(_temp.Path))
        {
            Assert.Contains("Another node runs", Assert.Throws<StartException>(() => DataDirectory.Lock(_temp.Path)).Message, StringComparison.Ordinal);
        }

        DataDirectory.Lock(_temp.Path).Dispose();
    }

    [Fact]
    public void ADirectoryWhoseLockCantBeOpenedIsAnotherUsers()
    {
        // A directory in its place is refused as a file of another user is, also to root.
        Directory.CreateDirectory(Path.Combine(_temp.Path, "lock"));
        var e = Assert.Throws<StartException>(() => DataDirectory.Lock(_temp.Path));
        Assert.Contains("another user's", e.Message, StringComparison.Ordinal);
        Assert.Contains("--data", e.Message, StringComparison.Ordinal);
    }
}
