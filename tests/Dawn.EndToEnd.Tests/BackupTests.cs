using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A node that is lost and comes back from its backup.</summary>
public sealed class BackupTests
{
    [Fact]
    public async Task ALostNodeComesBackElsewhereAndItsPeersReachItAgain()
    {
        var root = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            var (data, moved, backup, passphrase) = (Path.Combine(root, "data"), Path.Combine(root, "moved"), Path.Combine(root, "backup"), Path.Combine(root, "passphrase"));
            await File.WriteAllTextAsync(passphrase, "tulip ledger dwarf salon opera", TestContext.Current.CancellationToken);
            await using var a = await DawnNode.StartAsync(DawnNode.Secret);
            string id;
            await using (var b = await DawnNode.StartOnAsync(data, DawnNode.Secret, $"Bootstrap:0={a.At}"))
            {
                id = b.Id;
                await DawnNode.EventuallyAsync("seen", () => a.SeesAsync("first", b));
                var made = await b.CliAsync("backup", backup, "--passphrase-file", passphrase);
                Assert.True(made.Exit == 0, made.Err);
                var refused = await Dawn.RunAsync(["restore", backup, "--passphrase-file", passphrase, "--data", data, "--force"]);
                Assert.Equal(1, refused.Exit);
                await b.KillAsync();
            }

            Directory.Delete(data, recursive: true);
            var restored = await Dawn.RunAsync(["restore", backup, "--passphrase-file", passphrase, "--data", moved]);
            Assert.True(restored.Exit == 0, restored.Err);
            await using var again = await DawnNode.StartOnAsync(moved, DawnNode.Secret, $"Bootstrap:0={a.At}");
            Assert.Equal(id, again.Id);
            await DawnNode.EventuallyAsync("back", () => a.SeesAsync("first", again));
            // A's session with the killed node ends with its first use, as after any restart; the next call opens another.
            await DawnNode.EventuallyAsync("called", async () => (await a.CliAsync("call", $"{id}:first", "ping")).Exit == 0);
            await again.StopAsync();
            Assert.DoesNotContain("A record of this very node", again.Log, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
