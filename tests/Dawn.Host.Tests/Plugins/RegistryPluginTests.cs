using Dawn.Identity;
using Dawn.Membership;
using Dawn.Plugins;
using Dawn.Tests.Agents;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>How a plugin's registry comes into use, and stays there.</summary>
public sealed class RegistryPluginTests : IAsyncDisposable
{
    private readonly PluginSandbox _sandbox = new();
    private readonly ListLogger _log = new();
    private readonly RecordTable _table = new(new TestNetwork().Node(1), TimeProvider.System, NullLogger<RecordTable>.Instance);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _sandbox.DisposeAsync();

    [Fact]
    public async Task One_is_used_with_a_directory_of_its_own_and_is_not_reloaded()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        var folder = Install("registry-one");
        await StartAsync();
        Assert.Equal(RegistryForm.Plugin, _table.Form);
        var data = Path.Combine(_sandbox.Data, "registry-one");
        Assert.Equal("*", await File.ReadAllTextAsync(Path.Combine(data, "starts"), Cancel));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(data));
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "new.txt"), "changed", Cancel);
        await Eventually.HoldsAsync(() => _sandbox.Status("registry-one").Cause is not null);
        Assert.StartsWith("Restart needed", _sandbox.Status("registry-one").Problem, StringComparison.Ordinal);
        Assert.Equal(PluginState.Active, _sandbox.Status("registry-one").State);
        Directory.Delete(folder, recursive: true);
        await _sandbox.Host.Reconcile();
        Assert.Equal("*", await File.ReadAllTextAsync(Path.Combine(data, "starts"), Cancel));
        Assert.Equal(RegistryForm.Plugin, _table.Form);
    }

    [Fact]
    public async Task One_that_comes_later_waits_for_a_restart()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await StartAsync();
        Assert.Equal(RegistryForm.Listing, _table.Form);
        Assert.Single(_log.Lines, line => line.StartsWith("Warning No plugin offers a registry", StringComparison.Ordinal) && line.Contains("registry-orset", StringComparison.Ordinal));
        Install("registry-late");
        await Eventually.HoldsAsync(() => _sandbox.Host.Snapshot.Any(s => s.Cause is not null));
        Assert.StartsWith("Restart needed", _sandbox.Status("registry-late").Problem, StringComparison.Ordinal);
        Assert.Equal(PluginState.Failed, _sandbox.Status("registry-late").State);
        Assert.Equal(RegistryForm.Listing, _table.Form);
    }

    [Fact]
    public async Task Several_stop_the_start_with_their_names_and_the_cure()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        Install("registry-one");
        Install("two");
        var refused = await Assert.ThrowsAsync<StartException>(StartAsync);
        Assert.Contains("registry-one and two", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Dawn:Plugins:two:Enabled=false", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_that_fails_refuses_records_and_harms_nothing_else()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        Install("registry-one");
        await StartAsync();
        var record = NodeRecord.Sign(new TestNetwork().Node(2), 1, TimeProvider.System.GetUtcNow(), EncryptionMode.Required, [], [], out _);
        Assert.Equal(RecordVerdict.Refused, _table.Offer(record.Encoded.Span, out _, out var problem));
        Assert.Contains("failed to take", problem, StringComparison.Ordinal);
        Assert.Null(_table.Reconcile(new byte[] { 1 }));
    }

    [Fact]
    public async Task Without_a_node_such_a_plugin_is_refused()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        Install("registry-one");
        await using var host = new PluginHost(new(_sandbox.Directory, _sandbox.Copies), _sandbox.Agents, _sandbox.Surroundings with { Data = null, Records = null });
        await host.StartAsync(Cancel);
        Assert.Equal(PluginState.Failed, Assert.Single(host.Snapshot).State);
        Assert.False(Directory.Exists(_sandbox.Data));
    }

    private string Install(string name)
    {
        var folder = _sandbox.Install("Misbehaving", name);
        _sandbox[name + ":Registry"] = "true";
        _sandbox[name + ":Scheme"] = name;
        return folder;
    }

    private async Task StartAsync()
    {
        await _sandbox.Host.StartAsync(Cancel);
        await new RegistryStart(_sandbox.Host, MeshNode.SettingsOf("", EncryptionMode.Required), _table, new Logger<RegistryStart>(_log)).StartAsync(Cancel);
    }
}
