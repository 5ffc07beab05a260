using System.Buffers.Binary;
using Dawn.Sessions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>
/// What the proven other end of a session says: the input is a list of plaintexts, each under a u16 length, sealed and given to a fresh session one after the other.
/// The top bit of a length lets 25 ms pass before; the first byte of the input lets the session open channels of its own (bit 0) and read what comes (bit 1).
/// </summary>
internal sealed class SessionTarget : IFuzzTarget
{
    private const int MaxSegments = 64;
    private const int MaxRead = 10_000;

    private readonly FakeTimeProvider _time = World.Time();
    private readonly Pump _pump;

    public SessionTarget() => _pump = new(_time);

    public string Name => "session";

    // A receiver may hold 1,024 channels, each with its first buffer, and the frames that come early.
    public long AllocationLimit(int length) => 4 * 1024 * 1024 + 256L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (!input.IsEmpty)
        {
            var bytes = input.ToArray();
            _pump.Run(() => RunAsync(bytes[0], bytes.AsMemory(1)));
        }
    }

    private async Task RunAsync(byte mode, ReadOnlyMemory<byte> rest)
    {
        var peer = new FakeOtherEnd(_time);
        var own = new List<SessionChannel>();
        var waiting = new Dictionary<SessionChannel, Task>();
        if ((mode & 1) != 0)
        {
            for (var i = 0; i < 2; i++)
            {
                own.Add(peer.Session.OpenChannel("echo", "gateway"));
                waiting[own[i]] = Quietly(own[i].SendAsync(new byte[100 + 100_000 * i], CancellationToken.None).AsTask());
            }
        }

        for (var segments = 0; segments < MaxSegments && rest.Length >= 2; segments++)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(rest.Span);
            if ((length & 0x8000) != 0)
            {
                _time.Advance(TimeSpan.FromMilliseconds(25));
            }

            var plaintext = rest.Slice(2, Math.Min(length & 0x7fff, rest.Length - 2));
            rest = rest[(2 + plaintext.Length)..];
            peer.Say(plaintext.Span);
            // Whoever was woken goes first.
            await Task.Yield();
            if ((mode & 2) != 0)
            {
                Read(peer, waiting);
            }
        }

        var status = peer.Session.Status;
        Property.Holds(status.Channels <= Session.MaxChannels, $"{status.Channels} channels are open");
        Property.Holds(peer.Session.Budget.Used <= MemoryBudget.PerSession, "more memory than a session may have");
        var hadEnded = peer.Session.Ended.IsCompleted;
        Property.Holds(hadEnded == (peer.Endings == 1), "the end was told wrongly");
        Property.Holds(!hadEnded || peer.Goodbye is null or MeshError.Protocol, $"ended with goodbye {peer.Goodbye}");
        peer.Session.End(MeshError.Stopping, "the input is over", tell: true);
        Property.Holds(peer.Session.Ended.IsCompleted && peer.Endings == 1, "a session can't be ended, or ends twice");
        foreach (var channel in peer.Opened.Select(o => o.Channel).Concat(own))
        {
            await channel.CloseAsync();
        }

        await Task.WhenAll(waiting.Values);
        Property.Holds(peer.Session.Budget.Used == 0 && peer.Memory.Used == 0, $"{peer.Session.Budget.Used} bytes are still counted as held after all ended");
    }

    public IEnumerable<byte[]> Seeds()
    {
        foreach (var conversation in Conversations())
        {
            foreach (byte mode in new byte[] { 0, 1, 2, 3 })
            {
                yield return [mode, .. conversation.SelectMany((p, i) => (byte[])[(byte)((p.Length >> 8) | (i % 3 == 2 ? 0x80 : 0)), (byte)p.Length, .. p])];
            }
        }
    }

    /// <summary>What the other end of a session may well say, as plaintexts of segments. It began the session: its channels are even.</summary>
    public static IEnumerable<byte[][]> Conversations()
    {
        var open = Make((to, _) => Frame.WriteOpen(to, 0, 0, SessionChannel.Window, "echo", "gateway"));
        byte[] Data(ulong sequence, int length, bool ends) => Make((to, _) => Frame.WriteData(to, sequence, 0, ends, new byte[length]));
        var close = Make((to, _) => Frame.WriteClose(to, 2, 0, 0, "done"));
        var ping = Make((to, _) => Frame.WritePing(to, FrameType.Ping, 1));
        yield return [open, Data(1, 40, true), close];
        yield return [[.. open, .. Data(1, 400, false), .. Data(2, 10, true)], ping, [0, 0, 0]];
        // Out of order, repeated, and with a gap.
        yield return [Data(2, 5, true), open, Data(1, 5, true), open, Data(9, 5, true)];
        yield return [open, .. Enumerable.Range(1, 8).Select(i => Data((ulong)i, 3_000, i % 4 == 0)), Make((to, _) => Frame.WriteWindow(to, 9, 0, 1 << 20))];
        yield return [open, Make((to, _) => Frame.WriteAck(to, 1, [])), Make((to, _) => Frame.WriteAck(to, 1, [(3, 2), (7, 1)]))];
        // For channels that the session opened itself.
        yield return [Make((to, _) => Frame.WriteAccept(to, 0, 1, SessionChannel.Window)), Make((to, _) => Frame.WriteAck(to, 2, [])), Make((to, _) => Frame.WriteData(to, 1, 1, true, "{}"u8)), Make((to, _) => Frame.WriteClose(to, 2, 1, 3, "gone"))];
        yield return [Make((to, _) => Frame.WritePing(to, FrameType.Pong, 1)), Make((to, _) => Frame.WriteGoodbye(to, 6, "stopping"))];
        yield return [.. Enumerable.Range(0, 6).Select(i => Make((to, _) => Frame.WriteOpen(to, (ulong)i, (uint)i * 2, 0, i % 2 == 0 ? "echo" : "No Agent", "gateway")))];
        // A signature in a session that signs nothing, and new keys out of turn: end the session.
        yield return [open, [0x15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]];
        yield return [open, [0x16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]];
    }

    private static byte[] Make(Func<byte[], int, int> write)
    {
        var to = new byte[4_096];
        return to[..write(to, 0)];
    }

    // One reader for each channel, as agents have: a wait that has not ended goes on.
    private static void Read(FakeOtherEnd peer, Dictionary<SessionChannel, Task> waiting)
    {
        var read = 0;
        foreach (var (channel, _, _) in peer.Opened)
        {
            while (read++ < MaxRead && waiting.GetValueOrDefault(channel) is null or { IsCompleted: true })
            {
                var receiving = channel.ReceiveAsync(CancellationToken.None);
                if (!receiving.IsCompleted)
                {
                    waiting[channel] = Quietly(receiving.AsTask());
                    break;
                }

                try
                {
                    if (receiving.GetAwaiter().GetResult() is not { } message)
                    {
                        break;
                    }

                    message.Dispose();
                }
                catch (MeshException)
                {
                    // The channel broke, which is what the peer brought about.
                    break;
                }
            }
        }
    }

    // Whoever waits on a channel of a hostile session hears how it ended; that is not the finding here.
    private static async Task Quietly(Task task)
    {
        try
        {
            await task;
            if (task is Task<MessageBuffer?> received)
            {
                (await received)?.Dispose();
            }
        }
        catch (MeshException)
        {
            // As documented.
        }
    }
}
