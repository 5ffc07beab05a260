using BenchmarkDotNet.Attributes;
using Dawn.Benchmarks.Peers;
using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Benchmarks.Micro;

/// <summary>Two session tables whose envelopes pass from hand to hand: sessions and channels, without links and sockets.</summary>
public class SessionBenchmarks
{
    // In one go, so that the wait for the task is spread over many messages.
    private const int Messages = 1_000;

    private readonly byte[] _root = Entropy.System.Bytes(NetworkSecret.RootSize);
    private Side _a = null!;
    private Side _b = null!;
    private MeshChannel _echo = null!;
    private MeshChannel _sink = null!;
    private byte[] _message = [];

    [Params(200, 65_536)]
    public int Size { get; set; }

    [Params(true, false)]
    public bool Sealed { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var mode = Sealed ? EncryptionMode.Required : EncryptionMode.Off;
        (_a, _b) = (new(PeerIdentity.Create(_root), mode), new(PeerIdentity.Create(_root), mode));
        (_a.Other, _b.Other) = (_b, _a);
        _message = new byte[Size];
        _echo = OpenAsync("echo").GetAwaiter().GetResult();
        _sink = OpenAsync("sink").GetAwaiter().GetResult();
    }

    [GlobalCleanup]
    public async Task CleanUpAsync()
    {
        await _a.Table.StopAsync(CancellationToken.None);
        await _b.Table.StopAsync(CancellationToken.None);
    }

    /// <summary>There and back, one at a time.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task EchoAsync()
    {
        for (var i = 0; i < Messages; i++)
        {
            await _echo.SendAsync(_message, CancellationToken.None);
            using var answer = await _echo.ReceiveAsync(CancellationToken.None) ?? throw new InvalidOperationException("The channel was closed.");
        }
    }

    /// <summary>One way, as fast as the window allows; the last one is answered.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task StreamAsync()
    {
        for (var i = 0; i < Messages; i++)
        {
            await _sink.SendAsync(_message, CancellationToken.None);
        }

        await _sink.SendAsync(new byte[1], CancellationToken.None);
        using var answer = await _sink.ReceiveAsync(CancellationToken.None) ?? throw new InvalidOperationException("The channel was closed.");
    }

    private async Task<MeshChannel> OpenAsync(string agent)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await _a.Table.OpenChannelAsync(_b.Id, agent, "owner", timeout.Token);
    }

    private sealed class Side : IEnvelopePort, IChannelAcceptor
    {
        public Side(PeerIdentity identity, EncryptionMode mode)
        {
            Id = identity.Id;
            Table = new(
                this, identity, new(new StaticKey(Entropy.System), mode), new Lazy<IChannelAcceptor>(this), Entropy.System, TimeProvider.System,
                NullLogger<SessionTable>.Instance);
        }

        // The path neither comes nor goes.
        public event Action<IReadOnlyList<NodeId>>? PathsChanged
        {
            add { }
            remove { }
        }

        public NodeId Id { get; }

        public SessionTable Table { get; }

        public Side Other { get; set; } = null!;

        public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
        {
            Other.Table.OnEnvelope(header, payload);
            return true;
        }

        public bool CanReach(NodeId node) => true;

        public ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => default;

        public async Task AcceptAsync(string agent, MeshChannel channel, Caller caller)
        {
            while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
            {
                using (message)
                {
                    if (agent == "echo" || message.Span.Length == 1)
                    {
                        await channel.SendAsync(message.Memory, CancellationToken.None);
                    }
                }
            }
        }
    }
}
