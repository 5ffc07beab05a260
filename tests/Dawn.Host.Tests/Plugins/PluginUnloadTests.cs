using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Dawn.Plugins;
using Microsoft.AspNetCore.Connections;
using ModelContextProtocol.Client;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>Nothing of a plugin is left after its unloading, also after it was really used.</summary>
public sealed class PluginUnloadTests : IAsyncDisposable
{
    private readonly PluginSandbox _sandbox = new();

    public ValueTask DisposeAsync() => _sandbox.DisposeAsync();

    [Theory(Timeout = 60_000)]
    [InlineData("transport-tcp", "tcp")]
    [InlineData("transport-websocket", "ws")]
    public async Task A_transport_that_carried_bytes_is_collected(string plugin, string scheme)
    {
        var context = await UseTransportAsync(_sandbox.Install(plugin, plugin), plugin, scheme);
        await PluginSandbox.CollectedAsync(context, TestContext.Current.CancellationToken);
    }

    [Theory(Timeout = 60_000)]
    [InlineData(null)]
    [InlineData("2025-11-25")]
    public async Task An_agent_that_was_called_is_collected(string? protocol)
    {
        _sandbox["first:Mood"] = "Cheerful";
        var context = await UseAgentAsync(_sandbox.Install("Agent", "agents/first"), protocol);
        await PluginSandbox.CollectedAsync(context, TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_host_keeps_nothing_of_what_was_deleted()
    {
        var agent = _sandbox.Install("Agent", "agents/first");
        var transport = _sandbox.Install("transport-websocket", "transport-websocket");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        await GreetAsync(null);
        Assert.Equal(2, ContextsOf(_sandbox.Copies));
        Directory.Delete(agent, recursive: true);
        Directory.Delete(transport, recursive: true);
        await Eventually.HoldsAsync(() => _sandbox.Host.Snapshot.Count == 0);
        await Eventually.HoldsAsync(() => ContextsOf(_sandbox.Copies) == 0, PluginSandbox.Collect);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int ContextsOf(string folder) =>
        AssemblyLoadContext.All.Count(c => c.IsCollectible && c.Assemblies.Any(a => !a.IsDynamic && a.Location.StartsWith(folder, StringComparison.Ordinal)));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task GreetAsync(string? protocol)
    {
        var channel = await _sandbox.Agents.DialAsync(new(FakeAgentHost.Node, "first"), "tester", TestContext.Current.CancellationToken);
        await using var client = await McpClient.CreateAsync(new Dawn.Agents.ChannelClientTransport("first", channel), new() { ProtocolVersion = protocol }, null, TestContext.Current.CancellationToken);
        var result = await client.CallToolAsync("greet", new Dictionary<string, object?> { ["name"] = "you" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("Good day, you", result.StructuredContent.ToString(), StringComparison.Ordinal);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<WeakReference> UseTransportAsync(string folder, string name, string scheme)
    {
        var plugin = new Plugin(name, folder, _sandbox.Surroundings);
        await plugin.ProvisionAsync(isAgent: false, TestContext.Current.CancellationToken);
        var context = plugin.Context!;
        var transport = Assert.Single(plugin.Transports);
        await using (var listener = await transport.BindAsync(new UriEndPoint(new Uri($"{scheme}://127.0.0.1:0")), TestContext.Current.CancellationToken))
        await using (var dialled = await transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken))
        await using (var accepted = (await listener.AcceptAsync(TestContext.Current.CancellationToken))!)
        {
            await dialled.Transport.Output.WriteAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
            var read = await accepted.Transport.Input.ReadAtLeastAsync(5, TestContext.Current.CancellationToken);
            Assert.Equal(5, read.Buffer.Length);
            accepted.Transport.Input.AdvanceTo(read.Buffer.End);
        }

        await plugin.DisposeAsync();
        return context;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<WeakReference> UseAgentAsync(string folder, string? protocol)
    {
        var plugin = new Plugin("agents/first", folder, _sandbox.Surroundings);
        await plugin.ProvisionAsync(isAgent: true, TestContext.Current.CancellationToken);
        var context = plugin.Context!;
        Assert.True(_sandbox.Agents.TryAdd(plugin.Agent!));
        await GreetAsync(protocol);
        await _sandbox.Agents.RemoveAsync(plugin.Agent!);
        await plugin.DisposeAsync();
        return context;
    }
}
