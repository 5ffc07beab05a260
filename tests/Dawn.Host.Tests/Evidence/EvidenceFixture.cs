using System.Text;
using Dawn.Evidence;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Tests.Evidence;

/// <summary>One direction of a session, from its signer to a store.</summary>
internal sealed class EvidenceFixture : IAsyncDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly CheckpointSigner _signer;
    private readonly CheckpointVerifier _verifier;
    private ulong _sequence;

    public EvidenceFixture(long limit = 1 << 20)
    {
        Limit = limit;
        Direction = new(TestIdentity.KeyOf(1).Id, TestIdentity.KeyOf(2).Id, true, 77);
        Store = NewStore();
        _signer = new(Network.Node(1), Direction, Salts.Key(new byte[32], true), Checkpoint.MaxCount);
        _verifier = NewVerifier();
    }

    public static DateTimeOffset Time { get; } = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public TestNetwork Network { get; } = new();

    public SessionDirection Direction { get; }

    public long Limit { get; }

    public EvidenceStore Store { get; private set; }

    public string Folder => Path.Combine(_temp.Path, EvidenceFile.Folder);

    public string Data => _temp.Path;

    public IReadOnlyList<(EvidenceId Id, EvidenceEntry Entry)> All => [.. EvidenceFile.ReadAll(Folder)];

    public byte[] Open(uint channel, string agent) => Make(to => Frame.WriteOpen(to, _sequence, channel, 1, agent, "gateway"));

    public byte[] Message(uint channel, string text, bool ends = true) =>
        Make(to => Frame.WriteData(to, _sequence, channel, ends, Encoding.UTF8.GetBytes(text)), Frame.DataOverhead + Encoding.UTF8.GetByteCount(text));

    /// <summary>Signs frames, has the signature checked and kept.</summary>
    public void Say(params byte[][] frames)
    {
        foreach (var frame in frames)
        {
            var sequence = EvidenceProof.SequenceOf(frame);
            _signer.Add(sequence, frame);
            if (_verifier.Add(sequence, frame, 0) is { } wrong)
            {
                throw new InvalidOperationException(wrong);
            }
        }

        var checkpoint = new byte[Checkpoint.FrameSize];
        _signer.Sign(checkpoint, Time);
        _sequence++;
        if (_verifier.Take(checkpoint.AsSpan(11)) is { } problem)
        {
            throw new InvalidOperationException(problem);
        }
    }

    public Task StartAsync() => Store.StartAsync(CancellationToken.None);

    public Task StopAsync() => Store.StopAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30));

    /// <summary>What was queued is written, and another store takes over, as after a restart.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        Store = NewStore();
        await StartAsync();
    }

    /// <summary>A store with some entries, stopped.</summary>
    public static async Task<EvidenceFixture> WithAsync(params Func<EvidenceFixture, byte[][]>[] checkpoints)
    {
        var fixture = new EvidenceFixture();
        await fixture.StartAsync();
        foreach (var frames in checkpoints)
        {
            fixture.Say(frames(fixture));
        }

        await fixture.StopAsync();
        return fixture;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _signer.Dispose();
        _verifier.Dispose();
        _temp.Dispose();
    }

    private byte[] Make(Func<byte[], int> write, int size = Frame.MaxControl)
    {
        var to = new byte[size];
        var length = write(to);
        _sequence++;
        return to[..length];
    }

    private EvidenceStore NewStore() => new(Folder, Limit, Network.Keys.Key, NullLogger<EvidenceStore>.Instance);

    private CheckpointVerifier NewVerifier() => new(Direction, Network.Node(1).Certificate, Salts.Key(new byte[32], true), new Forwarder(this));

    // To the store that is there.
    private sealed class Forwarder(EvidenceFixture fixture) : IEvidenceSink
    {
        public void Keep(in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames) => fixture.Store.Keep(checkpoint, frames);

        public void Missed() => fixture.Store.Missed();
    }
}
