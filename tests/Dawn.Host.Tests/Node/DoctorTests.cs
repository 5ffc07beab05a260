using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Dawn.Commands;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Node.Doctor;
using Dawn.Tests.Commands;
using Xunit;

namespace Dawn.Tests.Node;

public sealed class DoctorTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    private Task<Report> CheckAsync(params string[] settings) => Diagnosis.CheckAsync(
        new RunOptions(_temp.Path, ["--Dawn:Listen:0=ws://127.0.0.1:0", "--Dawn:Gateway:Url=http://127.0.0.1:0", .. settings], false), TimeProvider.System, TestContext.Current.CancellationToken);

    private static Finding Of(Report report, string check, string outcome) => Assert.Single(report.Checks, f => f.Check == check && f.Outcome == outcome);

    [Fact(Timeout = 60_000)]
    public async Task ASoundDirectoryHasNothingButOk()
    {
        using var self = NodeIdentity.Open(_temp.Open(), "home", null, TimeProvider.System, Entropy.System);
        var report = await CheckAsync("--Dawn:Listen:0=ws://0.0.0.0:0").WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(report.Running);
        Assert.DoesNotContain(report.Checks, f => f.Outcome != "ok" && f.Check is not ("plugins" or "disk" or "file-descriptors" or "max-map-count"));
        Assert.Contains(self.Id.ToString(), Of(report, "identity", "ok").Detail, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task WhatOthersMayReadIsNamedWithItsCure()
    {
        using var self = NodeIdentity.Open(_temp.Open(), "home", null, TimeProvider.System, Entropy.System);
        File.SetUnixFileMode(_temp.Path, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(Path.Combine(_temp.Path, "network.json"), (UnixFileMode)0b110_100_100);
        var report = await CheckAsync().WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(report.Ok);
        Assert.Equal($"chmod 700 '{_temp.Path}'", Of(report, "data-directory", "warn").Cure);
        Assert.StartsWith($"chmod 600 '{Path.Combine(_temp.Path, "network.json")}'", Of(report, "secret-files", "fail").Cure, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task SettingsPortsServersAndNeighboursAreChecked()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var closed = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        var report = await CheckAsync(
            $"--Dawn:Listen:0=ws://127.0.0.1:{port}", "--Dawn:Netwrok:Name=x", "--Dawn:Network:Secret=password123", "--Dawn:Plugins:nosuch:Enabled=true",
            $"--Dawn:Bootstrap:0=ws://127.0.0.1:{port}", $"--Dawn:Bootstrap:1=ws://127.0.0.1:{closed}", "--Dawn:McpServers:there:Command=sh", "--Dawn:McpServers:gone:Command=no-such-program",
            $"--Dawn:McpServers:far:Url=http://127.0.0.1:{closed}/mcp?key=hunter2", "--Dawn:McpServers:far:Headers:Authorization=hunter2", "--Dawn:Advertise:0=ws://0.0.0.0:1").WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(report.Ok);
        Assert.Contains("Dawn:Listen", Of(report, "listen-port", "fail").Cure, StringComparison.Ordinal);
        Assert.Contains("Netwrok", Of(report, "settings", "fail").Detail, StringComparison.Ordinal);
        Assert.Equal(["Dawn:Plugins:nosuch"], report.Checks.Where(f => f is { Check: "settings", Outcome: "warn" }).Select(f => f.Detail.Split(' ')[0]));
        Of(report, "secret", "fail");
        Of(report, "bootstrap", "ok");
        Of(report, "bootstrap", "warn");
        Of(report, "server:there", "ok");
        Assert.Contains("not on the PATH", Of(report, "server:gone", "fail").Detail, StringComparison.Ordinal);
        Of(report, "server:far", "fail");
        Of(report, "advertise", "fail");
        Assert.DoesNotContain(report.Checks, f => (f.Detail + f.Cure).Contains("hunter2", StringComparison.Ordinal) || (f.Detail + f.Cure).Contains("password123", StringComparison.Ordinal));
    }

    [Fact(Timeout = 60_000)]
    public async Task ARunningNodeIsAsked()
    {
        await using var node = await RunningNode.StartAsync();
        using var held = DataDirectory.Lock(node.DataDirectory);
        node.Node.Diagnosis = new(Environment.ProcessId, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow, [], "guest", DateTimeOffset.UtcNow.AddDays(10), false, [0, 90.2]);
        var outcome = await node.RunAsync("doctor", "--json", "--Dawn:Listen:0=ws://127.0.0.1:7610", "--Dawn:Gateway:Url=").WaitAsync(TestContext.Current.CancellationToken);
        var report = JsonNode.Parse(outcome.Out)!;
        Assert.Equal(["ok", "running", "checks"], report.AsObject().Select(p => p.Key));
        Assert.True(report["running"]!.GetValue<bool>());
        var checks = report["checks"]!.AsArray().Select(c => (Check: c!["check"]!.GetValue<string>(), Outcome: c["outcome"]!.GetValue<string>(), Detail: c["detail"]!.GetValue<string>())).ToList();
        Assert.Contains(checks, c => c is ("plugins", "fail", _) && c.Detail.Contains("odd is failed: It throws.", StringComparison.Ordinal));
        Assert.Contains(checks, c => c is ("certificate", "warn", _));
        Assert.Contains(checks, c => c is ("clock", "warn", _) && c.Detail.Contains("1 of 2 peers", StringComparison.Ordinal) && c.Detail.Contains("90 s", StringComparison.Ordinal));
        Assert.Contains(checks, c => c is ("mesh", "ok", _) && c.Detail.StartsWith("1 links", StringComparison.Ordinal));
        Assert.Contains(checks, c => c is ("lock", "ok", _));
        Assert.Contains(checks, c => c is ("listen-port", "ok", _));
        Assert.Contains(checks, c => c is ("node", "warn", _) && c.Detail.StartsWith("broken:", StringComparison.Ordinal));
        Assert.Contains(checks, c => c is ("reload", "ok", _));
        Assert.Equal(1, outcome.Code);
    }

    [Fact(Timeout = 60_000)]
    public async Task TheGatewaysOwnCertificateIsShown()
    {
        string[] https = ["--Dawn:Gateway:Url=https://0.0.0.0:0", "--Dawn:Gateway:Token=0123456789abcdef"];
        Assert.Contains("at the next start", Of(await CheckAsync(https).WaitAsync(TestContext.Current.CancellationToken), "gateway-certificate", "ok").Detail, StringComparison.Ordinal);
        string sha256;
        using (var made = OwnCertificate.Make(_temp.Open(), ["localhost"], DateTimeOffset.UtcNow))
        {
            sha256 = GatewayCertificateInfo.Of(made, true).Sha256;
        }

        Assert.Contains(sha256, Of(await CheckAsync(https).WaitAsync(TestContext.Current.CancellationToken), "gateway-certificate", "ok").Detail, StringComparison.Ordinal);
        File.SetUnixFileMode(Path.Combine(_temp.Path, OwnCertificate.FileName), (UnixFileMode)0b110_100_000);
        var report = await CheckAsync(https).WaitAsync(TestContext.Current.CancellationToken);
        Of(report, "secret-files", "fail");
        Assert.Contains("Others may read", Of(report, "gateway-certificate", "fail").Detail, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task AFileThatIsNotJsonIsAFindingAndTheRestIsChecked()
    {
        await File.WriteAllTextAsync(Path.Combine(_temp.Path, "appsettings.json"), "{", TestContext.Current.CancellationToken);
        var report = await Diagnosis.CheckAsync(new RunOptions(_temp.Path, [], false), TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Contains("appsettings.json", Of(report, "settings", "fail").Detail, StringComparison.Ordinal);
        Of(report, "lock", "ok");
    }

    [Fact(Timeout = 60_000)]
    public async Task AClockThatWasSetBackIsSeenWithoutPeers()
    {
        _temp.Open().WriteText("record.sequence", DateTimeOffset.UtcNow.AddDays(1).ToUnixTimeMilliseconds() + "\n");
        Assert.Contains("set back", Of(await CheckAsync().WaitAsync(TestContext.Current.CancellationToken), "clock", "warn").Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("password", 0, 12)]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaa", 0, 30)]
    [InlineData("abcdefghijklmnopqrstuvwxyz", 0, 40)]
    [InlineData("hunter2", 10, 40)]
    [InlineData("correct horse battery", 30, 40)]
    [InlineData("wrinkle salon opera dwarf ledger tulip", 64, 80)]
    [InlineData("x7$Kq!2mP9vR#wL4", 64, 120)]
    public void PassphrasesAreJudgedFromBelow(string text, double least, double most) => Assert.InRange(Passphrase.EstimateBits(text), least, most);
}
