using Dawn.Plugins;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Plugins;

public sealed class PluginHostTests : IAsyncDisposable
{
    private const int Limit = 60_000;

    private readonly FakeTimeProvider _clock = new();
    private PluginSandbox? _sandbox;

    private PluginSandbox Sandbox => _sandbox ??= new();

    public async ValueTask DisposeAsync()
    {
        if (_sandbox is not null)
        {
            await _sandbox.DisposeAsync();
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Transports_are_found_by_scheme()
    {
        Sandbox.Install("transport-tcp", "transport-tcp");
        Sandbox.Install("transport-websocket", "transport-websocket");
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["tcp", "ws", "wss"], Sandbox.Host.Schemes);
        Assert.Null(Sandbox.Host.FindTransport("gopher"));
        await using var listener = await Sandbox.Host.FindTransport("WS")!.BindAsync(new UriEndPoint(new Uri("ws://127.0.0.1:0")), TestContext.Current.CancellationToken);
        var status = Sandbox.Status("transport-websocket");
        Assert.Equal((PluginKind.Transport, PluginState.Active, null), (status.Kind, status.State, status.Problem));
        Assert.Matches(@"^\d+\.\d+\.\d+$", status.Version);
    }

    [Theory(Timeout = Limit)]
    [InlineData("ThrowInEntry", "It is never the right time.")]
    [InlineData("ThrowInStart", "Not now.")]
    [InlineData("AskForWhatIsNot", "IDisposable")]
    [InlineData("Nonsense", "Do")]
    public async Task What_a_plugin_throws_is_its_problem_alone(string misdeed, string cause)
    {
        Sandbox.Install("Misbehaving", "bad");
        Sandbox.Install("transport-tcp", "transport-tcp");
        Sandbox["bad:Do"] = misdeed;
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var status = Sandbox.Status("bad");
        Assert.Equal(PluginState.Failed, status.State);
        Assert.Contains(cause, status.Cause, StringComparison.Ordinal);
        Assert.NotNull(status.Cure);
        Assert.Equal(["tcp"], Sandbox.Host.Schemes);
    }

    [Fact(Timeout = Limit)]
    public async Task A_setting_that_a_plugin_does_not_know_is_named()
    {
        Sandbox.Install("Misbehaving", "bad");
        Sandbox["bad:Colour"] = "blue";
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Contains("Colour", Sandbox.Status("bad").Cause, StringComparison.Ordinal);
        Assert.Contains("Dawn:Plugins:bad", Sandbox.Status("bad").Cure, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("HangInEntry")]
    [InlineData("HangInStart")]
    public async Task A_plugin_that_hangs_is_given_up_on(string misdeed)
    {
        _sandbox = new(_clock);
        Sandbox.Install("Misbehaving", "bad");
        Sandbox.Install("transport-tcp", "transport-tcp");
        Sandbox["bad:Do"] = misdeed;
        var starting = Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        await Eventually.HoldsAsync(() => starting.IsCompleted, () => _clock.Advance(TimeSpan.FromMilliseconds(100)));
        Assert.Equal(["tcp"], Sandbox.Host.Schemes);
        await Eventually.HoldsAsync(() => Sandbox.Status("bad").State == PluginState.Failed, () => _clock.Advance(TimeSpan.FromSeconds(1)));
        Assert.Contains("10 s", Sandbox.Status("bad").Cause, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_plugin_for_another_contract_is_not_supported()
    {
        PluginSandbox.Rereference(Path.Combine(Sandbox.Install("Misbehaving", "bad"), "Dawn.Fixtures.Misbehaving.dll"), "Dawn.Abstractions", 2);
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(PluginState.NotSupported, Sandbox.Status("bad").State);
        Assert.Contains("version 2", Sandbox.Status("bad").Cause, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_plugin_for_another_framework_is_not_supported()
    {
        PluginSandbox.Rereference(Path.Combine(Sandbox.Install("Misbehaving", "bad"), "Dawn.Fixtures.Misbehaving.dll"), "System.Runtime", 99);
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(PluginState.NotSupported, Sandbox.Status("bad").State);
        Assert.Contains(".NET 99", Sandbox.Status("bad").Cause, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_missing_library_is_named()
    {
        File.Delete(Path.Combine(Sandbox.Install("Misbehaving", "bad"), "Dawn.Fixtures.Dependency.dll"));
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal("Dawn.Fixtures.Dependency.dll is missing.", Sandbox.Status("bad").Cause);
    }

    [Fact(Timeout = Limit)]
    public async Task Two_DLLs_without_a_hint_are_told_apart_by_the_folders_name()
    {
        foreach (var name in new[] { "bad", "Dawn.Fixtures.Misbehaving" })
        {
            var folder = Sandbox.Install("Misbehaving", name);
            File.Delete(Path.Combine(folder, "Dawn.Fixtures.Misbehaving.deps.json"));
        }

        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Contains("Which DLL", Sandbox.Status("bad").Cause, StringComparison.Ordinal);
        Assert.Equal(PluginState.Active, Sandbox.Status("Dawn.Fixtures.Misbehaving").State);
    }

    [Fact(Timeout = Limit)]
    public async Task What_cant_be_copied_says_where_to_and_why()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Sandbox.Directory, "bad")).FullName;
        File.CreateSymbolicLink(Path.Combine(folder, "bad.dll"), Path.Combine(folder, "gone.dll"));
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var status = Sandbox.Status("bad");
        Assert.Contains(Sandbox.Copies, status.Cause, StringComparison.Ordinal);
        Assert.Contains("bad.dll", status.Cause, StringComparison.Ordinal);
        Assert.StartsWith("Make room", status.Cure, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Rubbish_is_told_from_a_plugin()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Sandbox.Directory, "bad")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "bad.dll"), "rubbish", TestContext.Current.CancellationToken);
        var empty = Directory.CreateDirectory(Path.Combine(Sandbox.Directory, "notes")).FullName;
        await File.WriteAllTextAsync(Path.Combine(empty, "readme.txt"), "hello", TestContext.Current.CancellationToken);
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal("bad.dll is no .NET assembly.", Sandbox.Status("bad").Cause);
        Assert.Equal("There is no plugin DLL in the folder.", Sandbox.Status("notes").Cause);
    }

    [Fact(Timeout = Limit)]
    public async Task Of_two_transports_for_a_scheme_one_is_refused()
    {
        Sandbox.Install("Misbehaving", "one");
        Sandbox.Install("Misbehaving", "two");
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var failed = Assert.Single(Sandbox.Host.Snapshot, s => s.State == PluginState.Failed);
        Assert.Contains("fixture", failed.Cause, StringComparison.Ordinal);
        Assert.Equal(["fixture"], Sandbox.Host.Schemes);
    }

    [Fact(Timeout = Limit)]
    public async Task Settings_turn_a_plugin_off_and_on_again()
    {
        _sandbox = new(_clock);
        Sandbox.Install("Misbehaving", "fixture");
        Sandbox["fixture:Enabled"] = "false";
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(PluginState.Disabled, Sandbox.Status("fixture").State);
        Sandbox["fixture:Enabled"] = "true";
        await Eventually.HoldsAsync(() => Sandbox.Status("fixture").State == PluginState.Active, Look);
        Sandbox["fixture:Enabled"] = "perhaps";
        await Eventually.HoldsAsync(() => Sandbox.Status("fixture").State == PluginState.Failed, Look);
        Assert.Contains("Dawn:Plugins:fixture:Enabled", Sandbox.Status("fixture").Cause, StringComparison.Ordinal);
        Assert.Empty(Sandbox.Host.Schemes);
    }

    [Fact(Timeout = Limit)]
    public async Task Enums_in_settings_are_bound()
    {
        Sandbox.Install("Misbehaving", "fixture");
        Sandbox["fixture:Do"] = "throwindispose";
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<IOException>(async () => await Sandbox.Host.FindTransport("fixture")!.ConnectAsync(new UriEndPoint(new Uri("fixture://x")), TestContext.Current.CancellationToken));
        Assert.Equal("ThrowInDispose", error.Message);
        // A plugin that fails at its end ends all the same.
        await Sandbox.Host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = Limit)]
    public async Task Settings_of_nobody_are_listed()
    {
        Sandbox.Install("transport-tcp", "transport-tcp");
        Sandbox["transport-tcp:Backlog"] = "7";
        Sandbox["transport-tpc:Backlog"] = "7";
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["transport-tpc"], Sandbox.Host.UnknownSettings);
    }

    [Fact(Timeout = Limit)]
    public async Task A_folder_is_loaded_once_it_is_stable_and_gone_once_it_is_deleted()
    {
        _sandbox = new(_clock);
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var folder = Sandbox.Install("Misbehaving", "fixture");
        await Sandbox.Host.Reconcile();
        Assert.Empty(Sandbox.Host.Schemes);
        await Eventually.HoldsAsync(() => Sandbox.Host.Schemes.Count == 1, Look);
        Directory.Delete(folder, recursive: true);
        await Eventually.HoldsAsync(() => Sandbox.Host.Snapshot.Count == 0, Look);
        Assert.Empty(Sandbox.Host.Schemes);
        Assert.Empty(Directory.GetDirectories(Sandbox.Copies));
    }

    [Fact(Timeout = Limit)]
    public async Task A_replaced_folder_is_loaded_anew()
    {
        _sandbox = new(_clock);
        var folder = Sandbox.Install("Misbehaving", "fixture");
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var first = Sandbox.Host.FindTransport("fixture");
        Directory.Delete(folder, recursive: true);
        Sandbox.Install("transport-tcp", "fixture");
        await Eventually.HoldsAsync(() => Sandbox.Host.Schemes.SequenceEqual(["tcp"]), Look);
        Directory.Delete(folder, recursive: true);
        Sandbox.Install("Misbehaving", "fixture");
        await Eventually.HoldsAsync(() => Sandbox.Host.Schemes.SequenceEqual(["fixture"]), Look);
        Assert.NotSame(first, Sandbox.Host.FindTransport("fixture"));
    }

    [Fact(Timeout = Limit)]
    public async Task What_was_broken_is_tried_again_once_it_changed()
    {
        _sandbox = new(_clock);
        var folder = Sandbox.Install("Misbehaving", "fixture");
        File.Delete(Path.Combine(folder, "Dawn.Fixtures.Dependency.dll"));
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(PluginState.Failed, Sandbox.Status("fixture").State);
        Sandbox.Install("Misbehaving", "fixture");
        await Eventually.HoldsAsync(() => Sandbox.Status("fixture").State == PluginState.Active, Look);
    }

    [Fact(Timeout = Limit)]
    public async Task The_directory_is_watched_without_being_asked()
    {
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var folder = Sandbox.Install("Misbehaving", "fixture");
        await Eventually.HoldsAsync(() => Sandbox.Host.Schemes.Count == 1);
        Directory.Delete(folder, recursive: true);
        await Eventually.HoldsAsync(() => Sandbox.Host.Schemes.Count == 0);
    }

    [Fact(Timeout = Limit)]
    public async Task Copies_of_shared_assemblies_are_not_used()
    {
        var folder = Sandbox.Install("Misbehaving", "fixture");
        File.Copy(Path.Combine(PluginSandbox.Built, "Dawn.Abstractions.dll"), Path.Combine(folder, "Dawn.Abstractions.dll"));
        await Sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["fixture"], Sandbox.Host.Schemes);
    }

    private void Look()
    {
        _ = Sandbox.Host.Reconcile();
        _clock.Advance(PluginHost.StableAfter);
    }
}
