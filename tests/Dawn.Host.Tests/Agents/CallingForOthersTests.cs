using System.Collections.Immutable;
using System.Net;
using System.Security.Claims;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Noise;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Dawn.Tests.Invariants;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace Dawn.Tests.Agents;

/// <summary>An agent that calls others for whoever called it must lend nobody what its own node may do.</summary>
public sealed class CallingForOthersTests : IAsyncDisposable
{
    private const int Limit = 30_000;

    private static readonly TestNetwork Network = new();
    private static readonly NodeId Elsewhere = Callers.Node(9);

    private readonly AgentHost _host = new(NullLogger<AgentHost>.Instance, TimeProvider.System);
    private readonly WholeNode _node;
    private readonly AssemblyAgentClients _clients;

    public CallingForOthersTests()
    {
        var entropy = new SeededEntropy(1);
        _node = new(Network.Node(1), new(new InMemoryTransport(new InMemoryNetwork(), IPAddress.Loopback), entropy, new StaticKey(entropy), TimeProvider.System)
        {
            Serve = (agent, channel, caller) => _host.AcceptAsync(agent, channel, caller),
        });
        _clients = new("helper", new(_node.Calls), new(new Addresses(_node.Id)), NullLoggerFactory.Instance);
        _host.TryAdd(Agent("open", AgentPolicy.Members.WithTools(("secret", Audience.OwnNode))));
        _host.TryAdd(Agent("mine", AgentPolicy.OwnNode));
        _host.TryAdd(Agent("guests", new(Share("guest"), ImmutableDictionary<string, Audience>.Empty)));
    }

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        await _host.DisposeAsync();
        _node.Stop();
    }

    [Theory(Timeout = Limit)]
    [InlineData("open", "browser", true)]
    [InlineData("open", "guest", true)]
    [InlineData("guests", "guest", true)]
    [InlineData("guests", "browser", false)]
    [InlineData("mine", "member", false)]
    public async Task A_caller_from_elsewhere_gets_as_far_as_by_itself(string agent, string role, bool allowed)
    {
        var caller = Principal(Elsewhere, "page", role);
        if (allowed)
        {
            await using var client = await _clients.DialForAsync(agent, caller, TestContext.Current.CancellationToken);
            Assert.NotEmpty(await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken));
        }
        else
        {
            var refused = await Assert.ThrowsAsync<McpException>(() => _clients.DialForAsync(agent, caller, TestContext.Current.CancellationToken));
            Assert.Contains($"The agent '{agent}' is not open to you ({Elsewhere.ToShortString()}", refused.Message, StringComparison.Ordinal);
        }

        // The agent itself may call them all.
        await using var own = await _clients.DialAsync(agent, TestContext.Current.CancellationToken);
        Assert.NotEmpty(await own.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = Limit)]
    public async Task Tools_that_are_kept_from_the_caller_are_neither_listed_nor_called()
    {
        await using var client = await _clients.DialForAsync("open", Principal(Elsewhere, "page", "browser"), TestContext.Current.CancellationToken);
        Assert.Equal(["who"], (await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken)).Select(t => t.Name));
        var refused = await Assert.ThrowsAsync<McpProtocolException>(async () => await client.CallToolAsync("secret", cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(JsonRpcErrors.Refused, (int)refused.ErrorCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Agents_of_other_nodes_are_out_of_reach_for_callers_from_elsewhere()
    {
        var refused = await Assert.ThrowsAsync<McpException>(() => _clients.DialForAsync($"{Callers.Node(8)}:tools", Principal(Elsewhere, "page", "browser"), TestContext.Current.CancellationToken));
        Assert.Contains("of its own node alone", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task The_called_agent_sees_whom_it_is_for_and_by_whom()
    {
        Assert.Equal($"{Elsewhere}:page browser by {_node.Id}:helper", await WhoAsync(Principal(Elsewhere, "page", "browser"), TestContext.Current.CancellationToken));
        Assert.Equal($"{_node.Id}:helper member by nobody", await WhoAsync(Principal(_node.Id, "gateway", "member"), TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = Limit)]
    public async Task A_caller_of_this_node_gets_as_far_as_the_agent()
    {
        await using var client = await _clients.DialForAsync("mine", Principal(_node.Id, "gateway", "member"), TestContext.Current.CancellationToken);
        Assert.NotEmpty(await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = Limit)]
    public async Task Whoever_is_no_caller_of_the_network_can_t_be_acted_for() =>
        await Assert.ThrowsAsync<ArgumentException>(() => _clients.DialForAsync("open", new(new ClaimsIdentity([new(ClaimTypes.Name, "somebody")])), TestContext.Current.CancellationToken));

    private async Task<string> WhoAsync(ClaimsPrincipal caller, CancellationToken cancellationToken)
    {
        await using var client = await _clients.DialForAsync("open", caller, cancellationToken);
        return (await client.CallToolAsync("who", cancellationToken: cancellationToken)).Content.OfType<TextContentBlock>().Single().Text;
    }

    private static ClaimsPrincipal Principal(NodeId node, string agent, string role) => new(new ClaimsIdentity([new("node", node.ToString()), new("agent", agent), new("role", role)], "dawn"));

    private static Audience Share(string text) => Audience.TryParse(text, out var audience, out var error) ? audience : throw new ArgumentException(error);

    private static AssemblyAgent Agent(string id, AgentPolicy policy)
    {
        McpServerTool[] tools =
        [
            McpServerTool.Create((ClaimsPrincipal caller) => $"{caller.Identity!.Name} {caller.FindFirst("role")!.Value} by {caller.FindFirst("by")?.Value ?? "nobody"}", new() { Name = "who" }),
            McpServerTool.Create(() => "secret", new() { Name = "secret" }),
        ];
        var options = new McpServerOptions { ServerInfo = new() { Name = id, Version = "1" }, ToolCollection = [.. tools] };
        return new(id, null, "plugins/agents/" + id, policy, options, new ServiceCollection().BuildServiceProvider(), NullLoggerFactory.Instance);
    }

    private sealed class Addresses(NodeId self) : IAgentDirectory
    {
        public ImmutableArray<AgentEntry> Snapshot => [];

        public event Action? Changed { add { } remove { } }

        public AgentAddress Resolve(string text) => text.Split(':') is [var node, var agent] && NodeId.TryParse(node, out var id) ? new(id, agent) : new(self, text);
    }
}
