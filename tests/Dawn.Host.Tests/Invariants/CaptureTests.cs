using System.Buffers.Binary;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Invariants;

/// <summary>What somebody can read who records every byte of whole connections: neither who talks, nor in which network, nor about what.</summary>
[Collection(OneAtATime.Name)]
public sealed class CaptureTests
{
    private static readonly TestNetwork Network = new(name: "riverside-home");

    [Theory(Timeout = 120_000)]
    [InlineData(2, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 0)]
    [InlineData(3, 1)]
    [InlineData(3, 7)]
    public async Task No_capture_of_whole_connections_shows_a_node_a_network_an_agent_or_a_word(int nodes, int chunk)
    {
        var (captured, secrets) = await CaptureAsync(nodes, chunk, EncryptionMode.Required);
        Assert.True(captured.Sum(bytes => bytes.Length) > 2_000 * nodes);
        Assert.Empty(secrets.FoundIn(captured));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task What_these_tests_look_for_is_found_where_nodes_agree_to_speak_in_the_clear()
    {
        var (captured, secrets) = await CaptureAsync(2, 0, EncryptionMode.Off);
        var found = secrets.FoundIn(captured);
        Assert.Contains("node 1", found);
        Assert.Contains("node 2", found);
        Assert.Contains("agent", found);
        Assert.Contains("words", found);
        // What the handshake itself protects stays protected.
        Assert.DoesNotContain("secret", found);
        Assert.DoesNotContain("static key", found);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Theory(Timeout = 60_000)]
    [InlineData((int)CertificateRole.Member)]
    [InlineData((int)CertificateRole.Guest)]
    [InlineData((int)CertificateRole.Browser)]
    public async Task No_capture_of_a_redeemed_ticket_shows_more_than_the_tickets_id_in_the_dialers_hello(int role)
    {
        var cancel = TestContext.Current.CancellationToken;
        var time = new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var (network, wire) = (new InMemoryNetwork(), new ConnectionFaults());
        network.Faults = _ => wire;
        await using var issuer = await new MeshNode(network, time).ListenAsync();
        issuer.Publish("echo");
        var ticket = issuer.Admission.Invite((CertificateRole)role, 1, TimeSpan.FromMinutes(10), [issuer.Address]);
        using var key = new SigningKey(SeededEntropy.Derive(1, "newcomer"));
        var transport = new InMemoryTransport(network);
        var answer = await Joining.RedeemAsync(ticket, key, _ => transport, [], Entropy.System, time, cancel).WaitAsync(MeshNode.Patience, cancel);
        var redemption = Redemption.TryRead(answer, key.Id, time.GetUtcNow(), out var problem);
        Assert.True(redemption is not null, problem);

        var secrets = new Secrets().Add("issuer", issuer.Id).Add("newcomer", key.Id).Add("network", redemption.NetworkKey)
            .Add("secret", redemption.Psk).Add("secret", redemption.Root).Add("ticket", ticket.Secret).Add("ticket", ticket.Psk())
            .Add("certificate", redemption.Certificate).Add("certificate", issuer.Self.Certificate.Encoded.Span);
        var (toIssuer, toNewcomer) = (wire.ToListener.Seen, wire.ToDialer.Seen);
        Assert.True(toIssuer.Length > 300 && toNewcomer.Length > 300);
        Assert.Empty(secrets.FoundIn([toIssuer, toNewcomer]));

        // Behind the hello's forty bytes, a type and a length.
        Assert.Equal(43, toIssuer.AsSpan().IndexOf(ticket.IdBytes()));
        var ids = new Secrets().Add("id", ticket.IdBytes());
        Assert.Empty(ids.FoundIn([toIssuer[(43 + Ticket.IdSize)..], toNewcomer]));
    }

    private static async Task<(byte[][] Captured, Secrets Secrets)> CaptureAsync(int count, int chunk, EncryptionMode encryption)
    {
        var captured = new List<byte[]>();
        var secrets = new Secrets().Add("network", Network.Keys.Key).Add("secret", Network.Keys.Psk).Add("network", Network.Keys.Name)
            .Add("agent", "weather-station").Add("agent", "work").Add("words", "tools/call").Add("words", "sunny tomorrow");
        await VirtualThread.RunAsync(
            async thread =>
            {
                var wires = new InMemoryNetwork();
                var nodes = new WholeNode[count];
                for (var i = 0; i < count; i++)
                {
                    nodes[i] = await NewNodeAsync(i + 1);
                    for (var j = 0; j < i; j++)
                    {
                        await LinkAsync(nodes[i], nodes[j], thread);
                    }
                }

                foreach (var from in nodes)
                {
                    foreach (var to in nodes.Where(other => other != from))
                    {
                        Assert.Equal("sunny tomorrow", await from.CallAsync(to.Id, "sunny tomorrow"));
                    }
                }

                await RenewAsync();
                foreach (var from in nodes)
                {
                    foreach (var to in nodes.Where(other => other != from))
                    {
                        Assert.Equal("sunny tomorrow", await from.CallAsync(to.Id, "sunny tomorrow"));
                    }
                }

                foreach (var node in nodes)
                {
                    await node.Sessions.StopAsync(CancellationToken.None);
                    await node.Links.CloseAllAsync(LinkEnd.Done);
                    node.Stop();
                }

                await thread.Delay(10_000);

                // New keys, and other certificates in their handshakes, for every link and session.
                async Task RenewAsync()
                {
                    var before = captured.Count;
                    for (var i = 0; i < count; i++)
                    {
                        nodes[i].Identity.Certificate = Network.Node(i + 1, notAfter: nodes[i].Identity.Certificate.NotAfter.AddDays(-1)).Certificate;
                        secrets.Add("certificate", nodes[i].Identity.Certificate.Encoded.Span);
                    }

                    await thread.Delay(40_000);
                    Assert.All(nodes, node =>
                    {
                        Assert.All(node.Links.Snapshot, link => Assert.InRange(link.Epoch, 1, 10));
                        Assert.All(node.Sessions.Snapshot, session => Assert.InRange(session.Epoch, 1, 10));
                        Assert.Equal((count - 1, count - 1), (node.Links.Snapshot.Count, node.Sessions.Snapshot.Count));
                    });
                    Assert.True(captured.Count > before);
                }

                async Task<WholeNode> NewNodeAsync(int number)
                {
                    var transport = new TappedTransport(new InMemoryTransport(wires, IPAddress.Parse($"203.0.113.{number}")), (_, unit) =>
                    {
                        captured.Add(unit);
                        return [unit];
                    })
                    { Chunk = chunk };
                    var entropy = new SeededEntropy(number);
                    var key = new WatchedKey(entropy);
                    var node = new WholeNode(Network.Node(number), new(transport, entropy, key, thread.Clock) { Encryption = encryption, RekeyAfter = TimeSpan.FromSeconds(20), Serve = ServeAsync });
                    secrets.Add($"node {number}", node.Id).Add("certificate", node.Identity.Certificate.Encoded.Span).Add("static key", key.Public);
                    await node.ListenAsync(new($"mem://node-{number}:7610"));
                    return node;
                }
            },
            TimeSpan.FromMinutes(5));
        // Together as well, for what would lie across two units.
        return ([.. captured.Append([.. captured.SelectMany(unit => unit)])], secrets);
    }

    private static async Task LinkAsync(WholeNode from, WholeNode to, VirtualThread thread)
    {
        var number = Network.Node(1).Id == to.Id ? 1 : Network.Node(2).Id == to.Id ? 2 : 3;
        await from.Dialer.DialAsync(new($"mem://node-{number}:7610"), to.Id, CancellationToken.None);
        while (!to.Router.CanReach(from.Id))
        {
            await thread.Delay(10);
        }

        foreach (var (node, other) in new[] { (from, to), (to, from) })
        {
            Assert.True(node.Links.TryGet(other.Id, out var link));
            var record = NodeRecord.Sign(
                node.Identity, 1, thread.Clock.GetUtcNow(), EncryptionMode.Required, [new("mem://weather-station:1")], [new("weather-station", "weather-station", [.. new byte[32]], ["work"])], out _);
            link.TrySend(LinkFrame.Record, default, record.Encoded.Span);
        }
    }

    private static async Task ServeAsync(string agent, MeshChannel channel, Caller caller)
    {
        while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
        {
            using (message)
            {
                var request = (JsonRpcRequest)JsonRpc.Deserialize(message.Span);
                var did = new JsonObject { ["did"] = request.Params!["name"]!.DeepClone() };
                await channel.SendAsync(JsonRpc.Serialize(new JsonRpcResponse { Id = request.Id, Result = did }), CancellationToken.None);
            }
        }
    }

    /// <summary>What no capture may hold: any eight bytes in a row of it, or all of it where it is shorter.</summary>
    private sealed class Secrets
    {
        private const int Window = 8;

        private readonly Dictionary<ulong, string> _windows = [];
        private readonly List<(string Name, byte[] Bytes)> _short = [];

        public Secrets Add(string name, NodeId node)
        {
            var bytes = node.ToArray();
            Add(name, bytes);
            Add(name, node.ToString());
            Add(name, Convert.ToHexStringLower(bytes));
            return Add(name, Convert.ToHexString(bytes));
        }

        public Secrets Add(string name, string text) => Add(name, Encoding.UTF8.GetBytes(text));

        public Secrets Add(string name, ReadOnlySpan<byte> bytes)
        {
            if (bytes.Length < Window && bytes.Length > 0)
            {
                _short.Add((name, bytes.ToArray()));
            }

            for (var at = 0; at + Window <= bytes.Length; at++)
            {
                // Runs of one byte, as in a serial number, are nobody's.
                if (bytes.Slice(at, Window).ToArray().Distinct().Count() > Window / 2)
                {
                    // The first name stays: a certificate holds a NodeId.
                    _windows.TryAdd(BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]), name);
                }
            }

            return this;
        }

        public SortedSet<string> FoundIn(IEnumerable<byte[]> captures)
        {
            var found = new SortedSet<string>(StringComparer.Ordinal);
            foreach (var bytes in captures)
            {
                for (var at = 0; at + Window <= bytes.Length; at++)
                {
                    if (_windows.TryGetValue(BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at)), out var name))
                    {
                        found.Add(name);
                    }
                }

                found.UnionWith(_short.Where(one => bytes.AsSpan().IndexOf(one.Bytes) >= 0).Select(one => one.Name));
            }

            return found;
        }
    }
}
