using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Dawn.Registries.OrSet;

/// <summary>The accepted changes, on the disk: one writer takes all that waits as one transaction, so that many changes share one wait for the disk.</summary>
/// <param name="refill">Called by the writer where lines are lost; must call <see cref="Refill"/>, under the lock that orders the calls of <see cref="Append"/>.</param>
/// <remarks>
/// A disk that fails costs nobody but those who wait for it: lines are kept up to a bound and tried again; beyond it they are dropped,
/// and once the disk is well the log goes on with all records that are held by then.
/// </remarks>
internal sealed partial class EventLog(string directory, RegistrySettings settings, Action refill, TimeProvider time, ILogger logger)
    : IEventLog
{
    private const int MaxBroken = 3;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CompactionInterval = TimeSpan.FromHours(1);

    private readonly string _path = Path.Combine(directory, "registry.db");
    private readonly LogQueue _queue = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private readonly CancellationTokenSource _stopping = new();
    private Task _writing = Task.CompletedTask;
    private volatile LogFile? _file;
    private bool _isStopped;
    private long _sinceCompaction;
    private long _lastCompaction;

    /// <summary>Pages the file may have: for tests of a full disk.</summary>
    internal long? MaxPages { get; set; }

    /// <summary>The newest line's number on the disk.</summary>
    internal long LastNumber => _queue.LastNumber;

    /// <summary>Opens the file and reads it, or begins a new one where there is none or it is damaged. Where neither can be done, the log goes on trying.</summary>
    public LogState Open(CancellationToken cancellationToken)
    {
        try
        {
            return OpenFile(cancellationToken);
        }
        catch (IOException e)
        {
            Fail(e);
            return LogState.Empty;
        }
    }

    public void Start() => _writing = Task.Run(() => WriteAsync(_stopping.Token));

    public void Append(DateTimeOffset at, RegistryEventKind kind, NodeId node, ulong sequence, ReadOnlyMemory<byte> encoded)
    {
        if (_queue.TryAppend(at, kind, node, sequence, encoded, out var isFirstLost))
        {
            _signal.Writer.TryWrite(true);
        }
        else if (isFirstLost)
        {
            Behind(directory);
        }
    }

    public void Refill(DateTimeOffset at, IEnumerable<RegistryRecord> records) => _queue.Refill(at, records);

    public Task CommitAsync(CancellationToken cancellationToken) => _queue.WrittenAsync(cancellationToken);

    /// <summary>Lines on the disk, then those that wait for it.</summary>
    public async IAsyncEnumerable<RegistryEvent> ReadAsync(DateTimeOffset? since, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_file is null)
        {
            throw _queue.Failure;
        }

        var waiting = _queue.Lines(out var first);
        using (var reader = new Sqlite(_path, true))
        {
            var page = await ReadPageAsync(reader, 0);
            while (page.Count > 0 && page[0].Number < first)
            {
                foreach (var line in page.Where(line => line.Number < first))
                {
                    yield return line;
                }

                page = await ReadPageAsync(reader, page[^1].Number);
            }
        }

        foreach (var line in waiting.Where(line => since is null || line.At >= since))
        {
            yield return line;
        }

        Task<List<RegistryEvent>> ReadPageAsync(Sqlite reader, long after) => Task.Run(() => LogFile.ReadPage(reader, after, since), cancellationToken);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_isStopped)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _writing.WaitAsync(cancellationToken);
        _isStopped = true;
        _queue.Close();
        _file?.Dispose();
        _file = null;
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(StopTimeout, time);
        try
        {
            await StopAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // A disk that hangs; the process ends without it.
        }

        _stopping.Dispose();
    }

    private async Task WriteAsync(CancellationToken stopping)
    {
        var pause = FirstPause;
        try
        {
            do
            {
                while (!TryWriteAll())
                {
                    await Task.Delay(pause, time, stopping);
                    pause = pause * 2 < LastPause ? pause * 2 : LastPause;
                }

                pause = FirstPause;
            }
            while (await _signal.Reader.ReadAsync(stopping));
        }
        catch (OperationCanceledException)
        {
            // What came until then is written, if the disk is well.
            TryWriteAll();
        }
    }

    /// <returns>False where the disk fails.</returns>
    private bool TryWriteAll()
    {
        try
        {
            if (_file is null)
            {
                OpenFile(CancellationToken.None);
            }

            while (true)
            {
                if (_queue.IsBehind)
                {
                    refill();
                }

                var (batch, ticket, bytes) = _queue.Batch();
                if (batch.Count == 0)
                {
                    if (_queue.Recover())
                    {
                        Recovered(directory);
                    }

                    return true;
                }

                // Here, so that a limit holds for all that came after it was set, even while batches are being written.
                if (MaxPages is { } pages)
                {
                    _file!.LimitPages(pages);
                }

                _file!.Append(batch);
                _queue.Written(batch.Count, ticket);
                CompactIfDue(bytes);
            }
        }
        catch (LogDamagedException e)
        {
            // The next try begins a new file, with all that is held.
            TrySetAside(e);
            return false;
        }
        catch (IOException e)
        {
            Fail(e);
            return false;
        }
    }

    private LogState OpenFile(CancellationToken cancellationToken)
    {
        try
        {
            return OpenOnce(cancellationToken);
        }
        catch (LogDamagedException e)
        {
            TrySetAside(e);
            return OpenOnce(cancellationToken);
        }
    }

    private LogState OpenOnce(CancellationToken cancellationToken)
    {
        LogFile? file = null;
        try
        {
            file = new(_path);
            var state = file.ReadState(cancellationToken);
            _file = file;
            _queue.LastNumber = file.LastNumber;
            // The first compaction is due at once: the node may have slept for long.
            (_lastCompaction, _sinceCompaction) = (0, settings.LogSize);
            return state;
        }
        catch (Exception e)
        {
            file?.Dispose();
            // A file that can't be made, as in a directory without rights, is a disk that fails.
            throw e is UnauthorizedAccessException
                ? new IOException($"{_path} can't be written ({e.Message}): give the node's user the right to write in {directory}.", e)
                : e;
        }
    }

    private void TrySetAside(LogDamagedException damage)
    {
        try
        {
            SetAside(damage);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Fail(new($"{_path} is damaged ({damage.Message}) and can't be moved aside ({e.Message}): move it away by hand.", e));
        }
    }

    private void SetAside(LogDamagedException cause)
    {
        _file?.Dispose();
        _file = null;
        _queue.IsBehind = true;
        var aside = $"{_path}.broken-{time.GetUtcNow():yyyyMMdd'T'HHmmss'Z'}";
        foreach (var part in new[] { "", "-wal", "-shm" }.Where(part => File.Exists(_path + part)))
        {
            File.Move(_path + part, aside + part, true);
        }

        Broken(_path, cause.Message, aside);
        // They are for people to look at; not more of them than anybody would.
        foreach (var old in Directory.GetFiles(directory, "registry.db.broken-*Z").OrderDescending().Skip(MaxBroken))
        {
            foreach (var part in new[] { "", "-wal", "-shm" })
            {
                File.Delete(old + part);
            }
        }
    }

    private void CompactIfDue(long bytes)
    {
        _sinceCompaction += bytes;
        if (_sinceCompaction < settings.LogSize / 8 && time.GetElapsedTime(_lastCompaction) < CompactionInterval)
        {
            return;
        }

        (_sinceCompaction, _lastCompaction) = (0, time.GetTimestamp());
        if (_file!.Compact(time.GetUtcNow(), settings.LogSize, settings.LogAge) is var gone and > 0)
        {
            Compacted(gone, _file.Size);
        }
    }

    private void Fail(IOException cause)
    {
        // Whoever is told of it finds it in the log.
        if (!_queue.IsFailing)
        {
            Failing(cause.Message);
        }

        _queue.Fail(cause);
    }

    [LoggerMessage(LogLevel.Error, "The registry goes on in memory alone, and tries its log again and again: {Cause}")]
    private partial void Failing(string cause);

    [LoggerMessage(LogLevel.Information, "The registry's log in {Directory} is written again")]
    private partial void Recovered(string directory);

    [LoggerMessage(LogLevel.Warning, "The registry's log leaves out changes, for too many wait for the disk of {Directory}; it goes on with all records held once that is well")]
    private partial void Behind(string directory);

    [LoggerMessage(LogLevel.Error, "The registry's log {Path} is damaged ({Cause}); it now lies at {Aside}, and the registry begins a new one, which peers refill. Check the disk; the old file may be deleted")]
    private partial void Broken(string path, string cause, string aside);

    [LoggerMessage(LogLevel.Information, "{Count} superseded lines went from the registry's log, which now has {Size} bytes")]
    private partial void Compacted(int count, long size);
}
