using System.Net;
using System.Text.Json;
using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Identity;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Dawn.Tests.Gateway;
using Dawn.Tests.Node;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Invariants;

/// <summary>The tools of the node that change it are its owner's. They are taken from the live agent, so that one added later is tried as well.</summary>
public sealed class AdminTests : IAsyncDisposable
{
    private const int Limit = 120_000;
    private const int Listed = 7;
    private const int Unlisted = 8;
    private const string OwnerToken = "the-owners-token";
    private const string GatewayToken = "the-gateways-token";

    private static readonly Uri Address = new("mem://node:7610");
    private static readonly TestNetwork Network = new();

    private static readonly Dictionary<string, Kind> Kinds = new()
    {
        ["owner, on the node itself"] = new(0, AgentId.Owner, IsOwner: true),
        ["owner, on a node that is listed"] = new(Listed, AgentId.Owner, IsOwner: true),
        ["owner of a member"] = new(Unlisted, AgentId.Owner),
        ["owner of a guest"] = new(Unlisted, AgentId.Owner, CertificateRole.Guest),
        ["owner of a browser"] = new(Unlisted, AgentId.Owner, CertificateRole.Browser),
        ["gateway of the node itself"] = new(0, AgentId.Gateway),
        ["gateway of a member"] = new(Unlisted, AgentId.Gateway),
        ["gateway of a node that is listed"] = new(Listed, AgentId.Gateway),
        ["agent on the node itself"] = new(0, "helper"),
        ["agent of another member"] = new(Unlisted, "helper"),
        ["agent on a node that is listed"] = new(Listed, "helper"),
        ["external server on the node itself"] = new(0, "files"),
        ["the node's own agent"] = new(0, AgentId.Node),
        ["the node agent of a node that is listed"] = new(Listed, AgentId.Node),
        ["owner, on a node that is listed, unsealed"] = new(Listed, AgentId.Owner, IsSealed: false),
        ["owner of a member, unsealed"] = new(Unlisted, AgentId.Owner, IsSealed: false),
    };

    private readonly FakeNode _facts = new();
    private readonly NodeAgent _agent;
    private readonly AgentHost _host;

    public AdminTests()
    {
        var logs = new LogRing(TimeProvider.System);
        _agent = new(_facts, _facts, logs, new(new HashSet<NodeId> { Network.Node(Listed).Id }), TimeProvider.System, NullLoggerFactory.Instance);
        _host = new(NullLogger<AgentHost>.Instance, TimeProvider.System);
        Assert.True(_host.TryAdd(_agent));
    }

    public static TheoryData<string> Callers => [.. Kinds.Keys];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Callers))]
    public async Task Every_admin_tool_is_for_owners_alone_whoever_else_calls_over_whatever_session(string caller)
    {
        var (kind, admin) = (Kinds[caller], await AdminToolsAsync());
        var (wires, time) = (new InMemoryNetwork(), new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero)));
        var node = NewNode(Network.Node(1), (agent, channel, from) => _host.AcceptAsync(agent, channel, from));
        await node.ListenAsync(Address);
        var calling = node;
        if (kind.Node != 0)
        {
            calling = NewNode(Network.Node(kind.Node, kind.Role), (_, _, _) => Task.CompletedTask);
            await calling.Dialer.DialAsync(Address, node.Id, Cancel).WaitAsync(Patience, Cancel);
            await Eventually.HoldsAsync(() => node.Router.CanReach(calling.Id));
        }

        var channel = await calling.Calls.DialAsync(new(node.Id, AgentId.Node), kind.Agent, Cancel);
        await using (var client = await McpClient.CreateAsync(new ChannelClientTransport("test", channel), cancellationToken: Cancel).WaitAsync(Patience, Cancel))
        {
            var listed = (await client.ListToolsAsync(cancellationToken: Cancel)).Select(tool => tool.Name).ToList();
            Assert.Equal(kind.IsOwner ? admin.Keys.Order(StringComparer.Ordinal) : [], listed.Where(admin.ContainsKey).Order(StringComparer.Ordinal));
            foreach (var (tool, arguments) in admin)
            {
                var result = await client.CallToolAsync(tool, arguments, cancellationToken: TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience, Cancel);
                Assert.Equal(!kind.IsOwner, IsRefusal(result));
            }

            if (kind.IsOwner)
            {
                Assert.Contains("stop", _facts.Actions);
            }
            else
            {
                Assert.Empty(_facts.Actions);
            }
        }

        calling.Stop();
        node.Stop();

        WholeNode NewNode(TestIdentity identity, Func<string, MeshChannel, Caller, Task> serve) =>
            new(identity, new(new InMemoryTransport(wires, IPAddress.Parse("203.0.113.1")), Entropy.System, new(Entropy.System), time)
            {
                Encryption = kind.IsSealed ? EncryptionMode.Required : EncryptionMode.Off,
                Serve = serve,
            });
    }

    [Theory(Timeout = Limit)]
    [InlineData(null, null, "refused")]
    [InlineData(null, "wrong", "unknown")]
    [InlineData(null, GatewayToken, "unknown")]
    [InlineData(null, OwnerToken, "admitted")]
    [InlineData(GatewayToken, null, "unknown")]
    [InlineData(GatewayToken, "wrong", "unknown")]
    [InlineData(GatewayToken, GatewayToken, "refused")]
    [InlineData(GatewayToken, OwnerToken, "admitted")]
    public async Task Every_admin_tool_refuses_clients_of_the_gateway_without_the_owners_token(string? configured, string? given, string expected)
    {
        await using var gateway = await StartGatewayAsync(configured);
        foreach (var (tool, arguments) in await AdminToolsAsync())
        {
            _facts.Actions.Clear();
            foreach (var path in new[] { "/mcp/node", $"/mcp/{Gateway.FakeNetwork.Here}:node" })
            {
                using var request = gateway.Request(path, "tools/call", new() { ["name"] = tool, ["arguments"] = JsonSerializer.SerializeToNode(arguments) });
                if (given is not null)
                {
                    request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {given}");
                }

                using var response = await gateway.Http.SendAsync(request, TestContext.Current.CancellationToken);
                if (expected == "unknown")
                {
                    Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
                    continue;
                }

                var result = Messages(await response.Content.ReadAsStringAsync(Cancel)).Last()["result"].Deserialize<CallToolResult>(ModelContextProtocol.McpJsonUtilities.DefaultOptions)!;
                Assert.Equal(expected == "refused", IsRefusal(result));
            }

            if (expected != "admitted")
            {
                Assert.Empty(_facts.Actions);
            }
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(null)]
    [InlineData(OwnerToken)]
    public async Task No_admin_tool_is_in_the_aggregate_or_called_through_it_even_by_the_owner(string? token)
    {
        await using var gateway = await StartGatewayAsync(null);
        gateway.Add("first", Gateway.FakeNetwork.Here);
        await gateway.SettleAsync();
        var client = await gateway.ConnectAsync("/mcp", PerRequest, token: token);
        var tools = (await client.ListToolsAsync(cancellationToken: Cancel)).Select(tool => tool.Name).ToList();
        Assert.Contains("first__echo", tools);
        var admin = await AdminToolsAsync();
        Assert.DoesNotContain(tools, tool => tool.StartsWith("node", StringComparison.Ordinal) || admin.Keys.Any(name => tool == name || tool.EndsWith($"__{name}", StringComparison.Ordinal)));
        foreach (var (tool, arguments) in admin)
        {
            foreach (var name in new[] { tool, $"node__{tool}", $"{Gateway.FakeNetwork.Here}__{tool}", $"{Gateway.FakeNetwork.Here}:node__{tool}" })
            {
                try
                {
                    Assert.True((await client.CallToolAsync(name, arguments, cancellationToken: TestContext.Current.CancellationToken)).IsError);
                }
                catch (ModelContextProtocol.McpException)
                {
                    // There is no such tool, which is an error of the protocol.
                }
            }
        }

        Assert.Empty(_facts.Actions);
    }

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private async Task<GatewayFixture> StartGatewayAsync(string? token)
    {
        var gateway = await StartAsync(Cancel, new("http://127.0.0.1:0", token), OwnerToken);
        foreach (var at in new[] { Gateway.FakeNetwork.Here, Gateway.FakeNetwork.There })
        {
            // As the dialer does for agents of this node; the caller is whoever dialled just now.
            gateway.Network.Add(AgentId.Node, at, channel =>
                _host.AcceptAsync(AgentId.Node, channel, new(Gateway.FakeNetwork.Here, gateway.Network.Callers[^1], CertificateRole.Member, IsLocal: at == Gateway.FakeNetwork.Here)));
        }

        return gateway;
    }

    /// <summary>What the agent lists to its owner and not to others, with arguments that its schemas take.</summary>
    private async Task<Dictionary<string, IReadOnlyDictionary<string, object?>>> AdminToolsAsync()
    {
        await using var owner = await McpClients.OpenAsync(_agent, new(FakeNode.Self, AgentId.Owner, CertificateRole.Member, true));
        await using var member = await McpClients.OpenAsync(_agent, new(FakeNode.Id(9), AgentId.Owner, CertificateRole.Member, false));
        var open = (await member.ListToolsAsync(cancellationToken: Cancel)).Select(tool => tool.Name).ToHashSet(StringComparer.Ordinal);
        var admin = (await owner.ListToolsAsync(cancellationToken: Cancel)).Where(tool => !open.Contains(tool.Name)).ToList();
        Assert.Equal(new NodeTools(_facts, _facts, new(TimeProvider.System)).AdminNames.Order(StringComparer.Ordinal), admin.Select(tool => tool.Name).Order(StringComparer.Ordinal));
        return admin.ToDictionary(tool => tool.Name, tool => Arguments(tool.ProtocolTool.InputSchema), StringComparer.Ordinal);
    }

    private static IReadOnlyDictionary<string, object?> Arguments(JsonElement schema) =>
        schema.TryGetProperty("required", out var required)
            ? required.EnumerateArray().Select(name => name.GetString()!).ToDictionary(name => name, name => (object?)(name switch
            {
                "name" => "hybrid",
                "address" => "ws://10.0.0.9:7610",
                _ => schema.GetProperty("properties").GetProperty(name).ToString().Contains("integer", StringComparison.Ordinal) ? 1 : "abcdef",
            }))
            : new Dictionary<string, object?>();

    private static bool IsRefusal(CallToolResult result) =>
        result.IsError == true && result.Content.OfType<TextContentBlock>().Any(block => block.Text.StartsWith("Admin tools ", StringComparison.Ordinal));

    /// <param name="Node">The caller's; 0 is the node itself.</param>
    /// <param name="Agent">As the caller's node says.</param>
    private sealed record Kind(int Node, string Agent, CertificateRole Role = CertificateRole.Member, bool IsSealed = true, bool IsOwner = false);
}
