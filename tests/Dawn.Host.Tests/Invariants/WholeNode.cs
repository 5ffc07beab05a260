using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Routing.Modes;
using Dawn.Sessions;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Protocol;

namespace Dawn.Tests.Invariants;

/// <summary>What may differ from node to node.</summary>
internal sealed record NodeParts(IPeerTransport Transport, Entropy Entropy, StaticKey Key, TimeProvider Time)
{
    public EncryptionMode Encryption { get; init; } = EncryptionMode.Required;

    /// <summary>Age at which the keys of links and sessions are replaced.</summary>
    public TimeSpan RekeyAfter { get; init; } = TimeSpan.FromMinutes(10);

    public ITicketPsks? Tickets { get; init; }

    public Func<string, MeshChannel, Caller, Task> Serve { get; init; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Takes an envelope that a link brought, in the router's place.</summary>
    public Action<ILink, byte[]>? OnEnvelope { get; init; }
}

/// <summary>Links, routing and sessions of one node as production has them, and an agent's side that is the test's.</summary>
internal sealed class WholeNode : IChannelAcceptor, ILinkHandler
{
    private readonly NodeParts _parts;
    private readonly CancellationTokenSource _stop = new();
    private IConnectionListener? _listener;

    public WholeNode(TestIdentity identity, NodeParts parts)
    {
        (Identity, _parts) = (identity, parts);
        var options = new LinkOptions { Encryption = parts.Encryption, RekeyAfter = parts.RekeyAfter, AcceptBurst = int.MaxValue };
        var handshake = new LinkHandshake(identity, parts.Key, options, parts.Entropy, parts.Time, parts.Tickets);
        Links = new(identity, options, () => this, parts.Time, NullLogger<LinkTable>.Instance);
        Dialer = new(scheme => scheme == "mem" ? parts.Transport : null, handshake, Links, options, parts.Time);
        Listener = new(handshake, Links, options, parts.Time, NullLogger<LinkListener>.Instance);
        var modes = new RoutingModes(NullLogger<RoutingModes>.Instance);
        modes.Use([new DecentralizedMode()], "decentralized");
        var (records, found) = (new RecordTable(identity, parts.Time, NullLogger<RecordTable>.Instance), new FoundWays(parts.Time));
        var peers = new PeerTable(identity, records, new Random(1), parts.Time, NullLogger<PeerTable>.Instance);
        Router = new(identity, modes, new(identity, Links, peers, records, new([]), found), Links, found, new(), () => Sessions!, parts.Entropy, parts.Time, NullLogger<Router>.Instance);
        var acceptor = new Lazy<IChannelAcceptor>(this);
        Sessions = new(Router, identity, new(parts.Key, parts.Encryption) { RekeyAfter = parts.RekeyAfter }, acceptor, parts.Entropy, parts.Time, NullLogger<SessionTable>.Instance);
        Calls = new AgentDialer(identity, Sessions, acceptor);
        _ = Sessions.StartAsync(CancellationToken.None);
    }

    public TestIdentity Identity { get; }

    public NodeId Id => Identity.Id;

    public LinkTable Links { get; }

    public LinkDialer Dialer { get; }

    public LinkListener Listener { get; }

    public Router Router { get; }

    public SessionTable Sessions { get; }

    public IAgentDialer Calls { get; }

    public async Task ListenAsync(Uri address)
    {
        _listener = await _parts.Transport.BindAsync(new UriEndPoint(address));
        _ = Listener.RunAsync(_listener, _stop.Token);
    }

    /// <summary>One request to an agent, as the gateway makes it: the result's text, or <c>error.data.dawn</c>.</summary>
    public async Task<string> CallAsync(NodeId target, string id)
    {
        using var metrics = new GatewayMetrics();
        var dialer = new LegDialer(Calls, metrics, _parts.Time, NullLogger<LegDialer>.Instance);
        try
        {
            await using var leg = await dialer.OpenAsync(new(target, "work"), AgentId.Gateway, null, CancellationToken.None);
            var answer = await leg.CallAsync("tools/call", new JsonObject { ["name"] = id }, null, CancellationToken.None);
            return answer is JsonRpcResponse response ? (string)response.Result!["did"]! : "error without outcome";
        }
        catch (RelayException e)
        {
            return (string?)(e.ToError(new("1")).Error.Data as JsonObject)?["dawn"] ?? $"error without outcome: {e.Message}";
        }
    }

    /// <summary>Takes the node out without a word; its connections must be broken already, or what it says in the end is heard.</summary>
    public void Stop()
    {
        _stop.Cancel();
        _ = _listener?.DisposeAsync().AsTask();
        _ = Sessions.StopAsync(CancellationToken.None);
        _ = Links.CloseAllAsync();
    }

    public Task AcceptAsync(string agent, MeshChannel channel, Caller caller) => _parts.Serve(agent, channel, caller);

    void ILinkHandler.OnUp(ILink link)
    {
        if (link.Certificate is not null)
        {
            Router.OnLinkUp(link);
        }
    }

    void ILinkHandler.OnDown(ILink link, LinkEnd reason)
    {
        if (link.Certificate is not null)
        {
            Router.OnLinkDown(link);
        }
    }

    void ILinkHandler.OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
    {
        if (type != LinkFrame.Envelope)
        {
            return;
        }

        if (_parts.OnEnvelope is { } onEnvelope)
        {
            onEnvelope(link, body.ToArray());
        }
        else
        {
            Router.OnEnvelope(link, body);
        }
    }
}
