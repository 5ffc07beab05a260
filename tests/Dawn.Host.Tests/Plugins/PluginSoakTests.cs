using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Dawn.Agents;
using Dawn.Plugins;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Client;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>Alone in the process: it measures the process.</summary>
[CollectionDefinition(nameof(PluginSoakTests), DisableParallelization = true)]
[Collection(nameof(PluginSoakTests))]
public sealed class PluginSoakTests : IAsyncDisposable
{
    private const int Rounds = 100;
    // By then caches and pools of the runtime, the JSON serializer and Kestrel are as large as they get.
    private const int WarmAfter = 20;
    private const long MaxManagedGrowth = 1024 * 1024;
    // Loosely: heaps of the allocator and of tiered compilation come and go in such steps.
    private const long MaxResidentGrowth = 96L * 1024 * 1024;
    // Sockets that are closing come and go; one left open in each round would be twice as many.
    private const int MaxHandleGrowth = 40;

    private readonly FakeTimeProvider _clock = new();
    private readonly PluginSandbox _sandbox;

    public PluginSoakTests() => _sandbox = new(_clock);

    private sealed record Footprint(long Managed, long Resident, int Handles);

    public ValueTask DisposeAsync() => _sandbox.DisposeAsync();

    [Fact(Timeout = 480_000)]
    public async Task A_hundred_rounds_of_loading_using_and_deleting_leave_nothing_behind()
    {
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Footprint? warm = null;
        var last = warm;
        for (var round = 1; round <= Rounds; round++)
        {
            await RoundAsync();
            if (round % WarmAfter == 0)
            {
                await Eventually.HoldsAsync(() => ContextsAlive() == 0, Collect);
                last = Measure();
                warm ??= last;
                TestContext.Current.SendDiagnosticMessage($"round {round}: {last}");
            }
        }

        Assert.Empty(Directory.GetDirectories(_sandbox.Copies));
        Assert.True(last!.Managed - warm!.Managed < MaxManagedGrowth, $"The managed heap grew: {warm}, {last}");
        Assert.True(last.Resident - warm.Resident < MaxResidentGrowth, $"The process grew: {warm}, {last}");
        Assert.True(last.Handles - warm.Handles < MaxHandleGrowth, $"Handles were left open: {warm}, {last}");
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private Footprint Measure()
    {
        Collect();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using var process = Process.GetCurrentProcess();
        return new(GC.GetGCMemoryInfo(GCKind.FullBlocking).HeapSizeBytes, process.WorkingSet64, OperatingSystem.IsLinux() ? Directory.GetFiles("/proc/self/fd").Count(IsOurs) : 0);
    }

    // Libraries of the process itself stay open, and come when something first needs them.
    private bool IsOurs(string handle)
    {
        try
        {
            return File.ResolveLinkTarget(handle, returnFinalTarget: false)?.FullName is not { } target || !target.EndsWith(".dll", StringComparison.Ordinal) || target.StartsWith(_sandbox.Copies, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // Closed meanwhile: that of the listing itself.
            return false;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int ContextsAlive() =>
        AssemblyLoadContext.All.Count(c => c.IsCollectible && c.Assemblies.Any(a => !a.IsDynamic && a.Location.StartsWith(_sandbox.Copies, StringComparison.Ordinal)));

    // A method of its own, so that no frame that lives on holds a plugin's object.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task RoundAsync()
    {
        var agent = _sandbox.Install("Agent", "agents/first");
        var transport = _sandbox.Install("transport-websocket", "transport-websocket");
        await SettleAsync(() => _sandbox.Host.Snapshot.Count(s => s.State == PluginState.Active) == 2);
        await CallAsync();
        await CarryAsync();
        Directory.Delete(agent, recursive: true);
        Directory.Delete(transport, recursive: true);
        await SettleAsync(() => _sandbox.Host.Snapshot.Count == 0);
    }

    private async Task CallAsync()
    {
        var channel = await _sandbox.Agents.DialAsync(new(FakeAgentHost.Node, "first"), "tester", TestContext.Current.CancellationToken);
        await using var client = await McpClient.CreateAsync(new ChannelClientTransport("first", channel), null, null, TestContext.Current.CancellationToken);
        var result = await client.CallToolAsync("greet", new Dictionary<string, object?> { ["name"] = "you" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("Good day, you", result.StructuredContent.ToString(), StringComparison.Ordinal);
    }

    private async Task CarryAsync()
    {
        var transport = _sandbox.Host.FindTransport("ws")!;
        await using var listener = await transport.BindAsync(new UriEndPoint(new Uri("ws://127.0.0.1:0")), TestContext.Current.CancellationToken);
        await using var dialled = await transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
        await using var accepted = (await listener.AcceptAsync(TestContext.Current.CancellationToken))!;
        await dialled.Transport.Output.WriteAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
        var read = await accepted.Transport.Input.ReadAtLeastAsync(5, TestContext.Current.CancellationToken);
        accepted.Transport.Input.AdvanceTo(read.Buffer.End);
    }

    // Time passes only between looks: a plugin that is being loaded has its deadline on this clock too.
    private async Task SettleAsync(Func<bool> settled)
    {
        for (var look = 0; look < 100 && !settled(); look++)
        {
            _clock.Advance(PluginHost.StableAfter);
            await _sandbox.Host.Reconcile().WaitAsync(Eventually.Patience, TestContext.Current.CancellationToken);
        }

        Assert.True(settled(), string.Join("; ", _sandbox.Host.Snapshot));
    }
}
