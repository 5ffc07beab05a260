using System.Buffers;
using System.Threading.Channels;
using Dawn.Sessions;

namespace Dawn.Evidence;

/// <summary>
/// Keeps what others signed, in <c>evidence/</c> of the data directory. Sessions never wait for it: what the disk can't take in time is dropped, and counted.
/// </summary>
/// <param name="folder">Made when needed, for the owner alone.</param>
/// <param name="limit">Bytes of all files; the oldest file goes first.</param>
/// <param name="network">The key under which the certificates hold.</param>
internal sealed partial class EvidenceStore(string folder, long limit, NodeId network, ILogger<EvidenceStore> logger) : IEvidenceSink, IHostedService
{
    // So that only an eighth of what is kept goes at once.
    private const int Files = 8;

    // Waiting for the disk: half a second of a fast session.
    private const long MaxQueuedBytes = 32 * 1024 * 1024;
    private const int MaxQueued = 4_096;

    // One warning for so many that were dropped.
    private const long WarnEvery = 1_000;

    private readonly Channel<(byte[] Rented, int Length)> _queue = Channel.CreateBounded<(byte[], int)>(new BoundedChannelOptions(MaxQueued) { SingleReader = true });
    private long _queued;
    private long _dropped;
    private long _kept;
    private FileStream? _file;
    private int _number;
    private long _olderBytes;
    private Task _writing = Task.CompletedTask;

    /// <summary>Checkpoints that were lost since the start: too many at once, or the disk failed.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Checkpoints that were written since the start.</summary>
    public long Kept => Volatile.Read(ref _kept);

    private long FileLimit => Math.Max(1, limit / Files);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // On the pool: a slow disk is nothing that a start waits for.
        _writing = Task.Run(WriteAllAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        await _writing.WaitAsync(cancellationToken);
    }

    public void Keep(in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames)
    {
        var length = EvidenceFile.HeaderSize + EvidenceEntry.SizeOf(checkpoint, frames);
        if (Interlocked.Add(ref _queued, length) > MaxQueuedBytes)
        {
            Interlocked.Add(ref _queued, -length);
            Missed();
            return;
        }

        var rented = ArrayPool<byte>.Shared.Rent(length);
        EvidenceEntry.Write(rented.AsSpan(EvidenceFile.HeaderSize), network, checkpoint, frames);
        if (!_queue.Writer.TryWrite((rented, length)))
        {
            Interlocked.Add(ref _queued, -length);
            ArrayPool<byte>.Shared.Return(rented);
            Missed();
        }
    }

    public void Missed()
    {
        if (Interlocked.Increment(ref _dropped) % WarnEvery == 1)
        {
            LogDropped(Dropped);
        }
    }

    private async Task WriteAllAsync()
    {
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (_queue.Reader.TryRead(out var entry))
            {
                TryWrite(entry.Rented.AsSpan(0, entry.Length));
                Interlocked.Add(ref _queued, -entry.Length);
                ArrayPool<byte>.Shared.Return(entry.Rented);
            }
        }

        _file?.Dispose();
    }

    private void TryWrite(Span<byte> entry)
    {
        EvidenceFile.WriteHeader(entry, entry[EvidenceFile.HeaderSize..]);
        try
        {
            MakeRoom(entry.Length);
            var end = _file!.Position;
            try
            {
                // Unbuffered: after a kill at most the last entry is torn.
                _file.Write(entry);
            }
            catch (IOException)
            {
                _file.SetLength(end);
                throw;
            }

            Interlocked.Increment(ref _kept);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk may have room again later: the next entry tries anew.
            _file?.Dispose();
            _file = null;
            if (Dropped % WarnEvery == 0)
            {
                LogFailed(folder, e.Message);
            }

            Missed();
        }
    }

    private void MakeRoom(int length)
    {
        _file ??= OpenNewest();
        if (_file.Position > 0 && _file.Position + length > FileLimit)
        {
            _olderBytes += _file.Position;
            _file.Dispose();
            _file = null;
            _file = Open(++_number);
        }

        while (_olderBytes + _file.Position + length > limit && EvidenceFile.Numbers(folder) is [var oldest, ..] && oldest < _number)
        {
            var file = new FileInfo(EvidenceFile.PathOf(folder, oldest));
            var size = file.Length;
            file.Delete();
            _olderBytes -= size;
        }
    }

    // Goes on behind the last whole entry of the newest file.
    private FileStream OpenNewest()
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        var numbers = EvidenceFile.Numbers(folder);
        _number = numbers.Count > 0 ? numbers[^1] : 1;
        _olderBytes = numbers.SkipLast(1).Sum(number => new FileInfo(EvidenceFile.PathOf(folder, number)).Length);
        var file = Open(_number);
        var whole = 0L;
        while (EvidenceFile.TryReadBody(file) is not null)
        {
            whole = file.Position;
        }

        if (whole < file.Length)
        {
            LogTorn(file.Name, file.Length - whole);
            file.SetLength(whole);
        }

        file.Position = whole;
        return file;
    }

    private FileStream Open(int number)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.Read | FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new(EvidenceFile.PathOf(folder, number), options);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} signed checkpoints were not kept as evidence: more came than the disk takes, or it failed")]
    private partial void LogDropped(long count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Evidence can't be written to {Folder}: {Reason}")]
    private partial void LogFailed(string folder, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{File} ended in {Bytes} bytes that were half written; they are taken off")]
    private partial void LogTorn(string file, long bytes);
}
