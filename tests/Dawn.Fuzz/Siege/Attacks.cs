using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Tests;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Fuzz.Siege;

/// <summary>One way to do harm, for as long as the token lets it; on loopback alone. Returns how often it struck.</summary>
internal sealed record Attack(string Name, Func<SiegeNode, CancellationToken, Task<long>> RunAsync);

/// <summary>What the two nodes are besieged with. Each is paced, so that what it costs this process is known and small.</summary>
internal static class Attacks
{
    private const int FloodPerSecond = 2_000;
    private const int SlowPeers = 500;
    private const int IdleConnections = 5_000;
    private const int ForeverBytesPerSecond = 20 * 1024 * 1024;

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    public static IReadOnlyList<Attack> All { get; } =
    [
        // Not an attack: as busy as the flood, at nobody. What calls lose here they lose to the machine.
        new("control", async (_, stop) =>
        {
            using var nobody = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            nobody.Listen(512);
            var accepting = AcceptAndDropAsync(nobody, stop);
            var struck = await FloodAsync((IPEndPoint)nobody.LocalEndPoint!, stop);
            await accepting;
            return struck;
        }),
        new("handshake-flood", (node, stop) => FloodAsync(EndPointOf(node), stop)),
        new("slow-loris", (node, stop) => LorisAsync(EndPointOf(node), stop)),
        new("never-reads", (node, stop) => MemberAsync(node, 101, NeverReadAsync, stop)),
        new("sends-forever", (node, stop) => MemberAsync(node, 102, SendForeverAsync, stop)),
        new("idle-5000", (node, stop) => IdleAsync(EndPointOf(node), stop)),
    ];

    private static IPEndPoint EndPointOf(SiegeNode node) => new(IPAddress.Loopback, node.Listen.Port);

    // Connects with a right hello and a first message of garbage, from a hundred loopback addresses, and hangs up.
    private static Task<long> FloodAsync(IPEndPoint target, CancellationToken stop)
    {
        byte[] knock = [.. Hello.Create(EncryptionMode.Required, null, Entropy.System).Encoded.Span, 0, 48, .. new byte[48]];
        return PacedAsync(FloodPerSecond, async number =>
        {
            using var socket = await ConnectAsync(target, number, stop);
            if (socket is not null)
            {
                await socket.SendAsync(knock, stop);
            }
        }, stop);
    }

    // Says a byte of its hello each second; who is hung up on comes again.
    private static async Task<long> LorisAsync(IPEndPoint target, CancellationToken stop)
    {
        var hello = Hello.Create(EncryptionMode.Required, null, Entropy.System).Encoded;
        long connections = 0;
        await Task.WhenAll(Enumerable.Range(0, SlowPeers).Select(async number =>
        {
            // Spread over the first second.
            await PauseAsync(TimeSpan.FromMilliseconds(number * 2), stop);
            while (!stop.IsCancellationRequested)
            {
                using var socket = await ConnectAsync(target, number, stop);
                Interlocked.Increment(ref connections);
                try
                {
                    for (var at = 0; socket is not null && at < hello.Length && !stop.IsCancellationRequested; at++)
                    {
                        await socket.SendAsync(hello.Slice(at, 1), stop);
                        await PauseAsync(TimeSpan.FromSeconds(1), stop);
                    }
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    // Hung up on, or over.
                }

                await PauseAsync(TimeSpan.FromSeconds(1), stop);
            }
        }));
        return connections;
    }

    private static async Task<long> IdleAsync(IPEndPoint target, CancellationToken stop)
    {
        var held = new ConcurrentBag<Socket>();
        try
        {
            for (var number = 0; number < IdleConnections && !stop.IsCancellationRequested; number++)
            {
                if (await ConnectAsync(target, number, stop) is { } socket)
                {
                    held.Add(socket);
                }

                if (number % 100 == 99)
                {
                    await PauseAsync(TimeSpan.FromMilliseconds(50), stop);
                }
            }

            await PauseAsync(Timeout.InfiniteTimeSpan, stop);
            return held.Count;
        }
        finally
        {
            foreach (var socket in held)
            {
                socket.Dispose();
            }
        }
    }

    // A member of the network with keys of its own: it holds the secret, so it certifies itself.
    private static async Task<long> MemberAsync(SiegeNode node, int number, Func<ConnectionContext, LinkPeer, CancellationToken, Task<long>> harm, CancellationToken stop)
    {
        var (psk, network) = NetworkSecret.Derive(Convert.FromHexString(SiegeNode.Secret));
        using var key = TestIdentity.KeyOf(number);
        using var staticKey = new StaticKey(Entropy.System);
        var identity = new TestIdentity(key, new("siege", psk, network.Id), Certificate.Issue(network, key.Id, CertificateRole.Member, (UInt128)number, DateTimeOffset.UtcNow.AddHours(1)));
        var handshake = new LinkHandshake(identity, staticKey, new(), Entropy.System, TimeProvider.System);
        using var factory = new SocketConnectionContextFactory(new(), NullLogger.Instance);
        long struck = 0;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(EndPointOf(node), stop);
                await using var connection = factory.Create(socket);
                var peer = await handshake.DialAsync(connection, null, null, stop);
                struck += await harm(connection, peer, stop);
            }
            catch (Exception e) when (e is HandshakeException or SocketException or IOException or ConnectionAbortedException or OperationCanceledException or InvalidOperationException)
            {
                // Thrown out: it comes again.
            }

            await PauseAsync(TimeSpan.FromMilliseconds(200), stop);
        }

        network.Dispose();
        return struck;
    }

    // Asks (pings are answered) and takes no answer off the line.
    private static async Task<long> NeverReadAsync(ConnectionContext connection, LinkPeer peer, CancellationToken stop)
    {
        var records = new RecordWriter(connection.Transport.Output, peer.Send);
        byte[] ping = [(byte)LinkFrame.Ping, 0, 8, .. new byte[8]];
        byte[] pings = [.. Enumerable.Repeat(ping, 1_000).SelectMany(p => p)];
        return await PacedAsync(100, async _ =>
        {
            records.Write(pings);
            await FlushAsync(connection, stop);
        }, stop, inTurn: true);
    }

    // Full records of padding; reads what comes, as a living link does.
    private static async Task<long> SendForeverAsync(ConnectionContext connection, LinkPeer peer, CancellationToken stop)
    {
        var records = new RecordWriter(connection.Transport.Output, peer.Send);
        byte[] padding = [(byte)LinkFrame.Padding, 0xff, 0x00, .. new byte[0xff00]];
        var reading = DrainAsync(connection, stop);
        var struck = await PacedAsync(ForeverBytesPerSecond / padding.Length, async _ =>
        {
            records.Write(padding);
            await FlushAsync(connection, stop);
        }, stop, inTurn: true);
        await reading;
        return struck;
    }

    private static async Task FlushAsync(ConnectionContext connection, CancellationToken stop)
    {
        if ((await connection.Transport.Output.FlushAsync(stop)).IsCompleted)
        {
            throw new IOException("thrown out");
        }
    }

    private static async Task DrainAsync(ConnectionContext connection, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                var read = await connection.Transport.Input.ReadAsync(stop);
                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ConnectionAbortedException)
        {
            // Over.
        }
    }

    private static async Task AcceptAndDropAsync(Socket listener, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                (await listener.AcceptAsync(stop)).Dispose();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // Over.
        }
    }

    // So many strikes a second, no more; what can't keep up is not made up for.
    private static async Task<long> PacedAsync(int perSecond, Func<int, Task> strike, CancellationToken stop, bool inTurn = false)
    {
        var (struck, started) = (0, Stopwatch.GetTimestamp());
        while (!stop.IsCancellationRequested)
        {
            var due = (long)(Stopwatch.GetElapsedTime(started).TotalSeconds * perSecond);
            for (var burst = 0; struck < due && burst < perSecond / 10 && !stop.IsCancellationRequested; burst++)
            {
                var one = strike(struck++);
                if (inTurn)
                {
                    if (!await SucceedsAsync(one))
                    {
                        // Thrown out, or over: whoever strikes in turn begins anew.
                        return struck;
                    }
                }
                else
                {
                    _ = IgnoreAsync(one);
                }
            }

            await PauseAsync(Tick, stop);
        }

        return struck;
    }

    private static async Task<bool> SucceedsAsync(Task strike)
    {
        try
        {
            await strike;
            return true;
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or SocketException or OperationCanceledException or InvalidOperationException)
        {
            return false;
        }
    }

    // One that fails was fended off, which is what is measured.
    private static async Task IgnoreAsync(Task strike)
    {
        try
        {
            await strike;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Fended off.
        }
    }

    private static async Task<Socket?> ConnectAsync(IPEndPoint target, int number, CancellationToken stop)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new(true, 0) };
        try
        {
            // Each of 127.0.0.1 to 127.0.0.100 has ports of its own.
            socket.Bind(new IPEndPoint(new IPAddress([127, 0, 0, (byte)(1 + number % 100)]), 0));
            await socket.ConnectAsync(target, stop);
            return socket;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            return null;
        }
    }

    private static Task PauseAsync(TimeSpan pause, CancellationToken stop) => Task.Delay(pause, stop).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
}
