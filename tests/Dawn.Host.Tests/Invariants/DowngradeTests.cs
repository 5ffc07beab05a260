using System.Net;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Invariants;

/// <summary>Whatever somebody in the middle does, two nodes end up as the table of encryption modes says, or without a link or session.</summary>
[Collection(OneAtATime.Name)]
public sealed class DowngradeTests(ITestOutputHelper output)
{
    private const string Words = "in plain words";

    private static readonly Uri Address = new("mem://callee:7610");
    private static readonly TestNetwork Network = new();
    private static readonly EncryptionMode[] Modes = Enum.GetValues<EncryptionMode>();

    // docs/protocol.md, "Encryption modes", as it stands there: rows and columns Required, Optional, Off. Null is refused.
    private static readonly bool?[,] Table = { { true, true, null }, { true, true, false }, { null, false, false } };

    [Theory(Timeout = 300_000)]
    [InlineData((int)EncryptionMode.Required)]
    [InlineData((int)EncryptionMode.Optional)]
    [InlineData((int)EncryptionMode.Off)]
    public async Task Two_modes_agree_as_the_table_says_or_not_at_all_whatever_is_edited_on_the_way(int caller)
    {
        var old = await RecordHellosAsync();
        var (runs, failures) = (0, new List<string>());
        foreach (var callee in Modes)
        {
            foreach (var attack in Attacks(old))
            {
                TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
                var seen = await RunAsync((EncryptionMode)caller, callee, attack);
                failures.AddRange(Check(Table[caller, (int)callee], attack, seen).Select(problem => $"{(EncryptionMode)caller} to {callee}, {attack.Name}: {problem}"));
                runs++;
            }
        }

        output.WriteLine($"{runs} runs");
        Assert.True(failures.Count == 0, string.Join('\n', failures.Take(40)));
    }

    [Theory]
    [InlineData((int)EncryptionMode.Required)]
    [InlineData((int)EncryptionMode.Optional)]
    [InlineData((int)EncryptionMode.Off)]
    public void A_record_whose_mode_was_edited_is_no_record(int mode)
    {
        var (clock, node) = (new VirtualClock(), Network.Node(1));
        var record = NodeRecord.Sign(node, 1, clock.GetUtcNow(), (EncryptionMode)mode, [], [], out _);
        // Version, NodeId, sequence, issued and not-after come before it.
        const int At = 1 + NodeId.Size + 3 * 8;
        Assert.Equal((byte)mode, record.Encoded.Span[At]);
        for (var value = 0; value < 256; value++)
        {
            byte[] edited = [.. record.Encoded.Span];
            edited[At] = (byte)value;
            var problem = NodeRecord.TryRead(edited, Network.Keys.Key, clock.GetUtcNow(), out var read);
            Assert.Equal(value == mode, problem is null && read?.Encryption == (EncryptionMode)mode);
        }
    }

    private static IEnumerable<Attack> Attacks((byte[] ToListener, byte[] ToDialer) old)
    {
        yield return new("nobody in between") { IsHarmless = true };
        foreach (var toListener in Modes.Cast<EncryptionMode?>().Prepend(null))
        {
            foreach (var toDialer in Modes.Cast<EncryptionMode?>().Prepend(null))
            {
                yield return new($"hellos say {toListener?.ToString() ?? "what they said"} to the listener and {toDialer?.ToString() ?? "what they said"} to the dialer")
                {
                    OnHello = (isToListener, hello) => (isToListener ? toListener : toDialer) is { } offer ? [.. hello[..5], (byte)offer, .. hello[6..]] : hello,
                };
            }
        }

        yield return new("the dialer's hello is an old one, of when it was off") { OnHello = (toListener, hello) => toListener ? old.ToListener : hello };
        yield return new("the listener's hello is an old one, of when it was off") { OnHello = (toListener, hello) => toListener ? hello : old.ToDialer };
        yield return new("both hellos are old ones, of when both were off") { OnHello = (toListener, _) => toListener ? old.ToListener : old.ToDialer };
        foreach (var toListener in new[] { true, false })
        {
            foreach (var number in new[] { 0, 1, 2 })
            {
                // A ping, as a link without encryption would carry it.
                yield return new($"record {number} {(toListener ? "to the listener" : "to the dialer")} becomes a clear one")
                {
                    OnRecord = (isToListener, at, record) => isToListener == toListener && at == number ? [0, 11, (byte)LinkFrame.Ping, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8] : record,
                };
            }
        }

        foreach (var often in new[] { "once", "always" })
        {
            foreach (var target in new[] { 1, 2 })
            {
                yield return new($"segments to node {target} are marked the other way {often}") { IsHarmless = often == "once", OnEnvelope = Marked(target, often == "once") };
            }

            foreach (var number in new[] { 2, 3 })
            {
                yield return new($"message {number} of the session's handshake is altered {often}") { OnEnvelope = Altered((byte)number, often == "once") };
            }
        }

        yield return new("clear segments that end the session are put between the others") { IsForgery = true, OnEnvelope = Forged() };
    }

    private static Func<int, byte[], IEnumerable<byte[]>> Marked(int target, bool once)
    {
        var done = false;
        return (to, envelope) =>
        {
            if (to == target && envelope[1] == (byte)EnvelopeKind.Segment && !(done && once))
            {
                done = true;
                envelope[EnvelopeHeader.Size + 2] ^= 1;
            }

            return [envelope];
        };
    }

    private static Func<int, byte[], IEnumerable<byte[]>> Altered(byte number, bool once)
    {
        var done = false;
        return (_, envelope) =>
        {
            if (envelope[1] == (byte)EnvelopeKind.Handshake && envelope[EnvelopeHeader.Size] == number && !(done && once))
            {
                done = true;
                envelope[^1] ^= 1;
            }

            return [envelope];
        };
    }

    private static Func<int, byte[], IEnumerable<byte[]>> Forged()
    {
        var nonce = 1_000UL;
        return (_, envelope) =>
        {
            if (envelope[1] != (byte)EnvelopeKind.Segment || !EnvelopeHeader.TryRead(envelope, out var header))
            {
                return [envelope];
            }

            var forged = new byte[EnvelopeHeader.Size + SegmentHeader.Size + 64];
            new SegmentHeader(0, true, nonce++).Write(forged.AsSpan(EnvelopeHeader.Size));
            var length = SegmentHeader.Size + Frame.WriteGoodbye(forged.AsSpan(EnvelopeHeader.Size + SegmentHeader.Size), (ushort)MeshError.Stopping, "forged");
            (header with { Length = length }).Write(forged);
            return [forged[..(EnvelopeHeader.Size + length)], envelope];
        };
    }

    private static IEnumerable<string> Check(bool? expected, Attack attack, Seen seen)
    {
        foreach (var (what, isSealed) in seen.Sealed)
        {
            if (expected is null)
            {
                yield return $"{what} came about, and the modes don't agree";
            }
            else if (isSealed != expected)
            {
                yield return $"{what} is {(isSealed ? "sealed" : "clear")}";
            }
        }

        if (seen.WordsInTheClear && expected != false)
        {
            yield return "words were to be read on the wire";
        }

        if (seen.Executions > 1 || (seen.Outcome == Words && seen.Executions != 1))
        {
            yield return $"the caller was told '{seen.Outcome}', and it ran {seen.Executions} times";
        }

        // Whoever can write into a clear session can end it: it has no integrity, as the documentation says.
        if ((attack.IsHarmless || (attack.IsForgery && expected == true)) && expected is not null && seen.Outcome != Words)
        {
            yield return $"the caller was told '{seen.Outcome}'";
        }

        if (attack.IsHarmless && expected is not null && seen.Sealed.Count != 4)
        {
            yield return $"there are only {string.Join(", ", seen.Sealed.Select(one => one.What))}";
        }
    }

    private static async Task<(byte[] ToListener, byte[] ToDialer)> RecordHellosAsync()
    {
        var (toListener, toDialer) = (Array.Empty<byte>(), Array.Empty<byte>());
        await RunAsync(EncryptionMode.Off, EncryptionMode.Off, new("a recorder")
        {
            OnHello = (isToListener, hello) => isToListener ? toListener = hello : toDialer = hello,
        }, seed: 50);
        Assert.NotEmpty(toListener);
        Assert.NotEmpty(toDialer);
        return (toListener, toDialer);
    }

    private static async Task<Seen> RunAsync(EncryptionMode caller, EncryptionMode callee, Attack attack, int seed = 1)
    {
        var seen = new Seen();
        await VirtualThread.RunAsync(
            async thread =>
            {
                var transport = new TappedTransport(new InMemoryTransport(new InMemoryNetwork(), IPAddress.Parse("203.0.113.1")), Pass);
                var (a, b) = (NewNode(1, caller), NewNode(2, callee));
                await b.ListenAsync(Address);
                try
                {
                    seen.Note("the caller's link", (await a.Dialer.DialAsync(Address, b.Id, CancellationToken.None)).IsSealed);
                }
                catch (LinkDialException)
                {
                    // Refused, or noticed.
                }

                await thread.Delay(1_000);
                foreach (var link in b.Links.Snapshot)
                {
                    seen.Note("the callee's link", link.IsSealed);
                }

                if (a.Router.CanReach(b.Id))
                {
                    var call = a.CallAsync(b.Id, Words);
                    while (!call.IsCompleted)
                    {
                        await thread.Delay(10);
                        foreach (var session in a.Sessions.Snapshot)
                        {
                            seen.Note("the caller's session", session.IsSealed);
                        }
                    }

                    seen.Outcome = await call;
                }

                transport.AbortAll();
                a.Stop();
                b.Stop();
                await thread.Delay(10_000);

                WholeNode NewNode(int number, EncryptionMode mode)
                {
                    var entropy = new SeededEntropy(seed * number);
                    WholeNode? node = null;
                    return node = new(Network.Node(number), new(transport, entropy, new WatchedKey(entropy), thread.Clock)
                    {
                        Encryption = mode,
                        Serve = ServeAsync,
                        OnEnvelope = (link, envelope) =>
                        {
                            foreach (var arrived in attack.OnEnvelope(number, envelope))
                            {
                                node!.Router.OnEnvelope(link, arrived);
                            }
                        },
                    });
                }
            },
            TimeSpan.FromMinutes(10));
        return seen;

        IEnumerable<byte[]> Pass(bool toListener, byte[] unit)
        {
            seen.WordsInTheClear |= unit.AsSpan().IndexOf("in plain words"u8) >= 0;
            // Hello, then message 1 and 3 one way and message 2 the other, then records.
            var (number, handshake) = (seen.Units[toListener ? 1 : 0]++, toListener ? 3 : 2);
            return [number == 0 ? attack.OnHello(toListener, unit) : number < handshake ? unit : attack.OnRecord(toListener, number - handshake, unit)];
        }

        async Task ServeAsync(string agent, MeshChannel channel, Caller from)
        {
            seen.Note("the callee's session", from.IsSealed);
            while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
            {
                using (message)
                {
                    seen.Executions++;
                    var request = (JsonRpcRequest)JsonRpc.Deserialize(message.Span);
                    var did = new JsonObject { ["did"] = request.Params!["name"]!.DeepClone() };
                    await channel.SendAsync(JsonRpc.Serialize(new JsonRpcResponse { Id = request.Id, Result = did }), CancellationToken.None);
                }
            }
        }
    }

    /// <summary>What somebody in between does; nothing, where nothing is said.</summary>
    private sealed record Attack(string Name)
    {
        /// <summary>The call is done all the same, if the modes agree.</summary>
        public bool IsHarmless { get; init; }

        /// <summary>Puts words of its own between: harmless where there is integrity.</summary>
        public bool IsForgery { get; init; }

        public Func<bool, byte[], byte[]> OnHello { get; init; } = (_, hello) => hello;

        public Func<bool, int, byte[], byte[]> OnRecord { get; init; } = (_, _, record) => record;

        public Func<int, byte[], IEnumerable<byte[]>> OnEnvelope { get; init; } = (_, envelope) => [envelope];
    }

    private sealed class Seen
    {
        private readonly SortedDictionary<string, bool> _sealed = new(StringComparer.Ordinal);

        public int[] Units { get; } = new int[2];

        public string? Outcome { get; set; }

        public int Executions { get; set; }

        public bool WordsInTheClear { get; set; }

        public List<(string What, bool IsSealed)> Sealed => [.. _sealed.Select(one => (one.Key, one.Value))];

        public void Note(string what, bool isSealed) => _sealed[what] = _sealed.GetValueOrDefault(what, true) && isSealed;
    }
}
