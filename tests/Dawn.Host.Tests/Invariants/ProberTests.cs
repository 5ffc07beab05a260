using System.Buffers;
using System.Net;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Invariants;

/// <summary>What a stranger may learn by knocking: that something here speaks this protocol, if it does so itself, and nothing else.</summary>
public sealed class ProberTests(ITestOutputHelper output)
{
    private const int HelloSize = 40;

    private static readonly Uri Address = new("mem://listener:7610");
    private static readonly TestNetwork Network = new();

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    // Loopback has no limit of its own on connections a second.
    private readonly InMemoryTransport _transport = new(new InMemoryNetwork(), IPAddress.Loopback);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory(Timeout = 120_000)]
    [InlineData("recorded from a member")]
    [InlineData("made with another secret")]
    [InlineData("made with a ticket that nobody gave")]
    public async Task Every_prefix_and_every_flipped_bit_of_a_first_word_gets_at_most_a_hello_and_costs_no_key_agreement(string words)
    {
        var (entropy, key) = (new CountingEntropy(2), new WatchedKey(new SeededEntropy(3)));
        var listener = new WholeNode(Network.Node(2), new(_transport, entropy, key, _time) { Tickets = new NoTickets() });
        await listener.ListenAsync(Address);
        var said = words switch
        {
            "recorded from a member" => await RecordAsync(listener),
            "made with another secret" => Speak(null),
            _ => Speak(new SeededEntropy(9).Bytes(Hello.TicketIdSize)),
        };
        var (draws, agreements) = (entropy.Draws, key.Agreements);
        var (probes, hellos) = (0, 0);
        foreach (var probe in Probes(said))
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            var answer = await ProbeAsync(probe);
            // A whole hello is answered by one, and anything else by nothing.
            var isHello = probe.Length >= Hello.HeadSize && Hello.RestOf(probe.AsSpan(0, Hello.HeadSize)) is { } rest && probe.Length >= Hello.HeadSize + rest;
            var hello = isHello ? Hello.TryRead(probe.AsSpan(0, Hello.HeadSize + Hello.RestOf(probe.AsSpan(0, Hello.HeadSize))!.Value)) : null;
            Assert.Equal(hello is null ? 0 : HelloSize, answer.Length);
            Assert.True(hello is null || answer.AsSpan().StartsWith("DAWN\u0001"u8));

            // An ephemeral key would be one more draw than the hello's random and, for an unknown ticket, a secret that nobody has.
            Assert.InRange(entropy.Draws - draws, 0, hello is null ? 0 : hello.TicketId is null ? 1 : 2);
            Assert.Equal(agreements, key.Agreements);
            draws = entropy.Draws;
            (probes, hellos) = (probes + 1, hellos + (hello is null ? 0 : 1));
        }

        Assert.Empty(listener.Links.Snapshot);
        // Or what was said is no first word at all, and nothing was tried.
        Assert.True(hellos > probes / 2, $"Only {hellos} of {probes} probes began with a hello.");
        output.WriteLine($"{probes} probes, {hellos} hellos in answer");
        listener.Stop();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_members_handshake_costs_what_the_counters_of_these_tests_count()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        var (entropy, key) = (new CountingEntropy(2), new WatchedKey(new SeededEntropy(3)));
        var listener = new WholeNode(Network.Node(2), new(_transport, entropy, key, _time));
        await listener.ListenAsync(Address);
        var before = entropy.Draws;
        await RecordAsync(listener);
        // Hello and ephemeral key; the static one agrees with the dialer's ephemeral.
        Assert.Equal((2, 1), (entropy.Draws - before, key.Agreements));
        listener.Stop();
    }

    private static IEnumerable<byte[]> Probes(byte[] said)
    {
        for (var length = 0; length <= said.Length; length++)
        {
            yield return said[..length];
        }

        for (var bit = 0; bit < 8 * said.Length; bit++)
        {
            byte[] flipped = [.. said];
            flipped[bit / 8] ^= (byte)(1 << bit % 8);
            yield return flipped;
        }
    }

    // Hello and message 1 of a handshake that went well.
    private async Task<byte[]> RecordAsync(WholeNode listener)
    {
        var sent = new List<byte[]>();
        var tapped = new TappedTransport(_transport, (toListener, unit) =>
        {
            lock (sent)
            {
                sent.AddRange(toListener ? [unit] : Array.Empty<byte[]>());
            }

            return [unit];
        });
        var entropy = new SeededEntropy(4);
        var dialer = new WholeNode(Network.Node(1), new(tapped, entropy, new WatchedKey(entropy), _time));
        var link = await dialer.Dialer.DialAsync(Address, listener.Id, Cancel).WaitAsync(Eventually.Patience, Cancel);
        await link.CloseAsync(LinkEnd.Done).AsTask().WaitAsync(Eventually.Patience, Cancel);
        await Eventually.HoldsAsync(() => listener.Links.Snapshot.Count == 0);
        dialer.Stop();
        lock (sent)
        {
            return [.. sent[0], .. sent[1]];
        }
    }

    // What somebody says who knows all but the secret. The listener's hello can't be known beforehand; without the secret it is of no matter.
    private byte[] Speak(byte[]? ticket)
    {
        var entropy = new SeededEntropy(5);
        var hello = Hello.Create(EncryptionMode.Required, ticket is null ? null : (ReadOnlyMemory<byte>?)ticket, entropy).Encoded;
        using var key = new StaticKey(entropy);
        using var handshake = new PeerHandshake(
            HandshakeRole.Initiator, new(SigningLabel.Link.ToArray(), hello, new TestNetwork(2).Keys.Psk, EncryptionMode.Required), key, Network.Node(1), entropy, _time);
        var message = handshake.WriteMessage();
        return [.. hello.Span, (byte)(message.Length >> 8), (byte)message.Length, .. message];
    }

    private async Task<byte[]> ProbeAsync(byte[] words)
    {
        await using var connection = await _transport.ConnectAsync(new UriEndPoint(Address), Cancel);
        await connection.Transport.Output.WriteAsync(words, Cancel);
        await connection.Transport.Output.CompleteAsync();
        var heard = new List<byte>();
        try
        {
            while (true)
            {
                var read = await connection.Transport.Input.ReadAsync(Cancel).AsTask().WaitAsync(Eventually.Patience, Cancel);
                heard.AddRange(read.Buffer.ToArray());
                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return [.. heard];
                }
            }
        }
        catch (ConnectionAbortedException)
        {
            return [.. heard];
        }
    }

    private sealed class NoTickets : ITicketPsks
    {
        public bool TryGetPsk(ReadOnlySpan<byte> ticketId, Span<byte> psk) => false;
    }
}
