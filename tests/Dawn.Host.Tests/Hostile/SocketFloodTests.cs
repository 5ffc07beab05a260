using System.Net;
using System.Net.Sockets;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Tests.Links;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>The kernel's side of it: thousands of connections to one listener that say nothing.</summary>
[Collection(MeasuresMemory.Name)]
public class SocketFloodTests
{
    private const int Connections = 5_000;

    // Both ends of each are in this process.
    private const int FilesNeeded = 2 * Connections + 1_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Five_thousand_silent_connections_leave_a_listener_with_128_and_little_memory_and_keep_no_member_out()
    {
        // The runtime has raised its own limit as far as it may.
        Assert.SkipUnless(OpenFiles() >= FilesNeeded, $"needs {FilesNeeded} open files, and this process may have {OpenFiles()}: raise it with 'ulimit -Hn'");
        var network = new TestNetwork();
        var options = new LinkOptions { HandshakeTimeout = LinkNode.Patience, AcceptsPerSecond = 100_000 };
        using var key = new StaticKey(Entropy.System);
        var handler = new RecordingHandler();
        var table = new LinkTable(network.Node(2), options, () => handler, TimeProvider.System, NullLogger<LinkTable>.Instance);
        var links = new LinkListener(new LinkHandshake(network.Node(2), key, options, Entropy.System, TimeProvider.System), table, options, TimeProvider.System, NullLogger<LinkListener>.Instance);
        var factory = new SocketTransportFactory(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);
        await using var listener = await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0), Cancel);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var accepting = links.RunAsync(listener, stop.Token);

        var before = GC.GetTotalMemory(forceFullCollection: true);
        var sockets = new List<Socket>();
        try
        {
            for (var i = 0; i < Connections; i++)
            {
                // Each of fifty loopback addresses has ports of its own.
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(new IPAddress([127, 0, 0, (byte)(1 + i % 50)]), 0));
                try
                {
                    await socket.ConnectAsync(listener.EndPoint, Cancel);
                    sockets.Add(socket);
                }
                catch (SocketException)
                {
                    // Hung up on before this end had noticed that it was there.
                    socket.Dispose();
                }
            }

            await Eventually.HoldsAsync(() => sockets.Count(IsOpen) == options.MaxHandshakes);
            var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
            // This end's own sockets are most of it.
            Assert.InRange(grown, long.MinValue, 32 * 1024 * 1024);
            Assert.Empty(table.Snapshot);

            // They still say nothing; a member gets in.
            using var member = new StaticKey(Entropy.System);
            var handshake = new LinkHandshake(network.Node(1), member, options, Entropy.System, TimeProvider.System);
            using var contexts = new SocketConnectionContextFactory(new(), NullLogger.Instance);
            var joining = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await joining.ConnectAsync(listener.EndPoint, Cancel);
            await using var connection = contexts.Create(joining);
            var peer = await handshake.DialAsync(connection, network.Node(2).Id, null, Cancel);
            Assert.Equal(network.Node(2).Id, peer.Remote);
            peer.Send!.Dispose();
            peer.Receive!.Dispose();
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        await stop.CancelAsync();
        await accepting;
    }

    // Hung up on is what has an end to read.
    private static bool IsOpen(Socket socket) => !socket.Poll(0, SelectMode.SelectRead);

    private static int OpenFiles() => File.Exists("/proc/self/limits")
        ? int.Parse(File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], System.Globalization.CultureInfo.InvariantCulture)
        : int.MaxValue;
}
