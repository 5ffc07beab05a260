using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Client;
using Xunit;

namespace Dawn.Tests.Node;

/// <summary>Facts that tests set, and actions that they see.</summary>
internal sealed class FakeNode : INodeView, INodeControl
{
    public static readonly NodeId Self = Id(1);

    public List<string> Actions { get; } = [];

    public Exception? Failure { get; set; }

    public RecordTable Records { get; } = new(new TestNetwork().Node(1), TimeProvider.System, NullLogger<RecordTable>.Instance);

    public NodeRegistry Registry => new(Records, new TestNetwork().Node(1));

    public NodeSummary Identity { get; } = new(Self.ToString(), "home", "member", "0.1.0");

    public NodeStatus Status => new(Self.ToString(), "home", "0.1.0", Mode.Mode, "required", 61, ["ws://127.0.0.1:7610"], "http://127.0.0.1:7600/mcp", 2, 1, 1, 0, [new("broken", "It can't start. Install it.")]);

    public ModeInfo Mode { get; set; } = new("decentralized", ["centralized", "decentralized", "hybrid"], []);

    public IReadOnlyList<AgentInfo> Agents { get; set; } = [new($"{Self}:echo", Self.ToString(), "echo", "Echo\e[31m", true, ["say", "fail"]), new($"{Self}:broken", Self.ToString(), "broken", "broken", false, [], "It can't start. Install it.")];

    public IReadOnlyList<PeerInfo> Peers { get; set; } = [new(Id(2).ToString(), "connected", ["ws://10.0.0.2:7610"], "ws", "sealed", 1.5), new(Id(3).ToString(), "known", [], null, null, null)];

    public IReadOnlyList<LinkInfo> Links { get; set; } = [new(Id(2).ToString(), "ws://10.0.0.2:7610", "out", "sealed", 1.5)];

    public IReadOnlyList<SessionInfo> Sessions { get; set; } = [new(Id(2).ToString(), "in", "sealed", 1)];

    public IReadOnlyList<RouteInfo> Routes { get; set; } = [new(Id(2).ToString(), Id(2).ToString(), "direct", 1.5), new(Id(3).ToString(), null, "none", null)];

    public TraceInfo Trace { get; set; } = new(
        Id(4).ToString(), "decentralized", [new(1, Id(2).ToString(), 1.5), new(2, null, null), new(3, Id(4).ToString(), 3.25)], true, "relay", "sealed", 3.5);

    public IReadOnlyList<PluginInfo> Plugins { get; set; } = [new("transport-ws", "transport", "active", "0.1.0"), new("odd", "agent", "failed", null, "It throws.")];

    public JsonObject Config => new() { ["Mode"] = Mode.Mode };

    public NodeDiagnosis Diagnosis { get; set; } = new(1, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, [], "member", DateTimeOffset.UnixEpoch.AddDays(30), true, []);

    public event Action<NodeFacts>? Changed;

    public Action Stopped { get; set; } = () => { };

    public static NodeId Id(byte seed) => new(Enumerable.Repeat(seed, NodeId.Size).ToArray());

    public void Raise(NodeFacts facts) => Changed?.Invoke(facts);

    public bool IsWatched => Changed is not null;

    public Task<TraceInfo> TraceAsync(string address, CancellationToken cancellationToken) =>
        address == "nobody" ? throw new MeshException(MeshError.Unreachable, "There is no way to nobody.") : Task.FromResult(Trace);

    public Task<ModeInfo> SetModeAsync(string name, CancellationToken cancellationToken)
    {
        Act($"mode {name}");
        if (!Mode.Available.Contains(name))
        {
            throw new ArgumentException($"'{name}' is no mode; use one of {string.Join(", ", Mode.Available)}.");
        }

        Mode = Mode with { Mode = name };
        return Task.FromResult(Mode);
    }

    public Task<PageInvitation> InvitePageAsync(CancellationToken cancellationToken) =>
        Task.FromResult(new PageInvitation("http://127.0.0.1:7600/#dawn1abcdef", DateTimeOffset.UnixEpoch));

    public Task<Invitation> InviteAsync(InvitationRequest request, CancellationToken cancellationToken)
    {
        Act($"invite {request.Role} {request.Uses} {request.Lifetime.TotalSeconds}");
        return Task.FromResult(new Invitation("dawn1abcdef", request.Role.ToString().ToLowerInvariant(), request.Uses, DateTimeOffset.UnixEpoch + request.Lifetime));
    }

    public Task<LinkInfo> ConnectAsync(Uri address, CancellationToken cancellationToken)
    {
        Act($"connect {address}");
        return Task.FromResult(Links[0]);
    }

    public Task<bool> DisconnectAsync(string node, CancellationToken cancellationToken)
    {
        Act($"disconnect {node}");
        return Task.FromResult(true);
    }

    public Task<ReloadResult> ReloadAsync(CancellationToken cancellationToken)
    {
        Act("reload");
        return Task.FromResult(new ReloadResult(["Mode"], []));
    }

    public void Stop()
    {
        Act("stop");
        Stopped();
    }

    private void Act(string action)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        lock (Actions)
        {
            Actions.Add(action);
        }
    }
}

/// <summary>Agents of this process behind the interfaces that the control socket dials through.</summary>
internal sealed class FakeNetwork : IAgentDirectory, IAgentDialer
{
    private readonly Dictionary<string, Func<MeshChannel, string, Task>> _agents = [];

    public ImmutableArray<AgentEntry> Snapshot { get; set; } = [];

    /// <summary>Puts something between the control socket and its agents.</summary>
    public Func<MeshChannel, MeshChannel> Wrap { get; set; } = channel => channel;

    public event Action? Changed;

    public void Add(string id, Func<MeshChannel, string, Task> serve)
    {
        _agents[id] = serve;
        Changed?.Invoke();
    }

    public AgentAddress Resolve(string text) => text switch
    {
        "twice" => throw new MeshException(MeshError.BadAddress, "'twice' is an agent of several nodes. Say which."),
        _ when _agents.ContainsKey(text) || text == "far" => new(FakeNode.Self, text),
        _ => throw new MeshException(MeshError.UnknownAgent, $"No agent is called '{text}'. 'dawn agents' lists those there are."),
    };

    public ValueTask<MeshChannel> DialAsync(AgentAddress target, string callerAgent, CancellationToken cancellationToken)
    {
        if (!_agents.TryGetValue(target.Agent, out var serve))
        {
            throw new MeshException(MeshError.Unreachable, $"There is no way to {target} now.");
        }

        var (caller, agent) = LocalChannel.CreatePair();
        _ = Task.Run(async () =>
        {
            try
            {
                await serve(agent, callerAgent);
                await agent.CloseAsync();
            }
            catch (MeshException e)
            {
                await agent.CloseAsync(e.Error, e.Message);
            }
        }, CancellationToken.None);
        return new(Wrap(caller));
    }
}

internal static class McpClients
{
    /// <summary>An SDK client in conversation with a hosted agent.</summary>
    public static async Task<McpClient> OpenAsync(IHostedAgent agent, Caller caller, McpClientOptions? options = null)
    {
        var (near, far) = LocalChannel.CreatePair();
        _ = Task.Run(async () =>
        {
            await agent.ServeAsync(far, caller, TestContext.Current.CancellationToken);
            await far.CloseAsync();
        }, CancellationToken.None);
        return await McpClient.CreateAsync(new ChannelClientTransport("test", near), options, cancellationToken: TestContext.Current.CancellationToken);
    }
}
