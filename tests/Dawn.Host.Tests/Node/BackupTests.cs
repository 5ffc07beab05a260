using System.Globalization;
using System.Text;
using Dawn.Identity;
using Dawn.Node.Backup;
using Dawn.Tests.Commands;
using Xunit;

namespace Dawn.Tests.Node;

public sealed class BackupTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly string _data;
    private readonly string _file;
    private readonly string _target;
    private readonly NodeId _node;

    public BackupTests()
    {
        (_data, _file, _target) = (Path.Combine(_temp.Path, "data"), Path.Combine(_temp.Path, "node.backup"), Path.Combine(_temp.Path, "restored"));
        var directory = DataDirectory.Open(_data);
        using var self = NodeIdentity.Open(directory, "home", null, TimeProvider.System, Entropy.System);
        _node = self.Id;
        directory.WriteText("owner.token", "token\n");
        directory.WriteText("gateway.pem", "certificate and key\n");
        directory.WriteText("record.sequence", "17\n");
        directory.WriteText("appsettings.json", "{}");
        directory.WriteText("passphrase.cache", "made anew");
    }

    public void Dispose() => _temp.Dispose();

    private Task<Outcome> RunAsync(params string[] arguments) => CommandRunner.RunAsync(arguments, cancellationToken: TestContext.Current.CancellationToken);

    private Task<Outcome> BackupAsync(params string[] more) => RunAsync(["backup", _file, "--data", _data, .. more]);

    private Task<Outcome> RestoreAsync(params string[] more) => RunAsync(["restore", _file, "--data", _target, .. more]);

    [Fact(Timeout = 60_000)]
    public async Task ARestoredDirectoryIsTheSameNode()
    {
        var before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        var backup = await BackupAsync();
        Assert.Equal(0, backup.Code);
        Assert.Contains("private key and the network's secret in the clear", backup.Error, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_file));

        var restore = await RestoreAsync();
        Assert.Equal(0, restore.Code);
        Assert.Contains("Never run it beside the node", restore.Error, StringComparison.Ordinal);
        Assert.Equal($"{_node}\n", (await CommandRunner.RunAsync(["id", "--data", _target], CommandRunner.Actions() with { ReadIdentity = (d, _) => Task.FromResult(global::Dawn.Node.IdVerb.Read(d)) }, cancellationToken: TestContext.Current.CancellationToken)).Out);
        Assert.Equal(["appsettings.json", "gateway.pem", "identity.key", "network.json", "owner.token", "record.sequence"], Directory.EnumerateFileSystemEntries(_target).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (var name in new[] { "identity.key", "network.json", "owner.token", "gateway.pem", "appsettings.json" })
        {
            Assert.Equal(File.ReadAllText(Path.Combine(_data, name)), File.ReadAllText(Path.Combine(_target, name)));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_target, name)));
        }

        Assert.True(long.Parse(File.ReadAllText(Path.Combine(_target, "record.sequence")), CultureInfo.InvariantCulture) >= before);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_target));
    }

    [Fact(Timeout = 60_000)]
    public async Task ASealedOneNeedsItsPassphrase()
    {
        var passphrase = Path.Combine(_temp.Path, "passphrase");
        await File.WriteAllTextAsync(passphrase, "correct horse battery staple\n", TestContext.Current.CancellationToken);
        var backup = await BackupAsync("--passphrase-file", passphrase);
        Assert.Equal((0, ""), (backup.Code, backup.Error));
        Assert.DoesNotContain("identity", Encoding.Latin1.GetString(await File.ReadAllBytesAsync(_file, TestContext.Current.CancellationToken)), StringComparison.Ordinal);

        await File.WriteAllTextAsync(passphrase, "wrong horse battery staple\n", TestContext.Current.CancellationToken);
        var wrong = await RestoreAsync("--passphrase-file", passphrase);
        Assert.Equal((1, "error: The backup can't be restored: the passphrase is another, or it is damaged. Nothing was changed.\n"), (wrong.Code, wrong.Error));
        Assert.False(Directory.Exists(_target));

        await File.WriteAllTextAsync(passphrase, "correct horse battery staple", TestContext.Current.CancellationToken);
        Assert.Equal(0, (await RestoreAsync("--passphrase-file", passphrase)).Code);
        await File.WriteAllTextAsync(passphrase, "short", TestContext.Current.CancellationToken);
        Assert.Equal(2, (await BackupAsync("--passphrase-file", passphrase, "--force")).Code);
    }

    [Fact(Timeout = 60_000)]
    public async Task EveryDamageIsSeenBeforeAnythingIsWritten()
    {
        await BackupAsync();
        var good = await File.ReadAllBytesAsync(_file, TestContext.Current.CancellationToken);
        foreach (var at in Enumerable.Range(0, 40).Select(i => i * (good.Length - 1) / 39))
        {
            var bad = good.ToArray();
            bad[at] ^= 1;
            await File.WriteAllBytesAsync(_file, bad, TestContext.Current.CancellationToken);
            Assert.Equal(1, (await RestoreAsync()).Code);
        }

        foreach (var length in new[] { 0, 1, 13, 60, 100, good.Length - 1 })
        {
            await File.WriteAllBytesAsync(_file, good[..length], TestContext.Current.CancellationToken);
            Assert.Equal(1, (await RestoreAsync()).Code);
        }

        Assert.Equal(["data", "node.backup"], Directory.EnumerateFileSystemEntries(_temp.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Theory(Timeout = 60_000)]
    [InlineData("../evil", "none of a node's")]
    [InlineData("/etc/passwd", "none of a node's")]
    [InlineData("network.a/../../evil.json", "none of a node's")]
    [InlineData("lock", "none of a node's")]
    [InlineData("network.json", "its files are damaged")]
    public async Task AForgedArchiveWritesNothing(string name, string expected)
    {
        var key = await File.ReadAllBytesAsync(Path.Combine(_data, "identity.key"), TestContext.Current.CancellationToken);
        BackupContent content = new(_node.ToString(), "home", DateTimeOffset.UnixEpoch, "1", new Dictionary<string, byte[]> { ["identity.key"] = key, [name] = "evil"u8.ToArray() });
        await File.WriteAllBytesAsync(_file, BackupArchive.Write(content, null, Entropy.System), TestContext.Current.CancellationToken);
        var outcome = await RestoreAsync();
        Assert.Equal(1, outcome.Code);
        Assert.Contains(expected, outcome.Error, StringComparison.Ordinal);
        Assert.Equal(["data", "node.backup"], Directory.EnumerateFileSystemEntries(_temp.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact(Timeout = 60_000)]
    public async Task AKeyOfAnotherNodeIsRefused()
    {
        var content = new BackupContent(FakeNode.Self.ToString(), null, DateTimeOffset.UnixEpoch, "1", new Dictionary<string, byte[]> { ["identity.key"] = await File.ReadAllBytesAsync(Path.Combine(_data, "identity.key"), TestContext.Current.CancellationToken) });
        await File.WriteAllBytesAsync(_file, BackupArchive.Write(content, null, Entropy.System), TestContext.Current.CancellationToken);
        Assert.Contains("do not belong together", (await RestoreAsync()).Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_target));
    }

    [Fact(Timeout = 60_000)]
    public async Task WhatIsThereIsKeptAndARunningNodeIsNeverReplaced()
    {
        await BackupAsync();
        Directory.CreateDirectory(_target);
        await File.WriteAllTextAsync(Path.Combine(_target, "mine"), "x", TestContext.Current.CancellationToken);
        var refused = await RestoreAsync();
        Assert.Equal(1, refused.Code);
        Assert.Contains("is not empty", refused.Error, StringComparison.Ordinal);

        using (DataDirectory.Lock(_target))
        {
            Assert.Contains("Another node runs on", (await RestoreAsync("--force")).Error, StringComparison.Ordinal);
        }

        Assert.True(File.Exists(Path.Combine(_target, "mine")));
        Assert.Equal(0, (await RestoreAsync("--force")).Code);
        Assert.False(File.Exists(Path.Combine(_target, "mine")));
        Assert.True(File.Exists(Path.Combine(Assert.Single(Directory.EnumerateDirectories(_temp.Path, "restored.replaced-*")), "mine")));
    }

    [Fact(Timeout = 60_000)]
    public async Task AKilledRestoreIsNoObstacle()
    {
        await BackupAsync();
        // As it is left in the middle: the draft, half written, and no target.
        Directory.CreateDirectory(_target + ".restoring");
        await File.WriteAllTextAsync(Path.Combine(_target + ".restoring", "tickets.json.new"), "half", TestContext.Current.CancellationToken);
        Assert.Equal(0, (await RestoreAsync()).Code);
        Assert.DoesNotContain(Directory.EnumerateFiles(_target), f => f.EndsWith(".new", StringComparison.Ordinal));
        Assert.False(Directory.Exists(_target + ".restoring"));
    }

    [Fact(Timeout = 60_000)]
    public async Task AFileThatExistsIsReplacedOnlyWhenAsked()
    {
        Assert.Equal(0, (await BackupAsync().WaitAsync(TestContext.Current.CancellationToken)).Code);
        Assert.Contains("--force", (await BackupAsync()).Error, StringComparison.Ordinal);
        Assert.Equal(0, (await BackupAsync("--force")).Code);
        Assert.Equal(1, (await RunAsync("backup", _file + "2", "--data", Path.Combine(_temp.Path, "none"))).Code);
        Assert.False(Directory.Exists(Path.Combine(_temp.Path, "none")));
    }
}
