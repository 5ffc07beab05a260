using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Testing.InMemory;

/// <summary>What goes wrong, and what is seen, on a connection's two directions.</summary>
public sealed record ConnectionFaults
{
    /// <summary>From the dialer to the listener.</summary>
    public StreamFaults ToListener { get; init; } = new();

    /// <summary>From the listener to the dialer.</summary>
    public StreamFaults ToDialer { get; init; } = new();
}

/// <summary>What goes wrong, and what is seen, on one direction of a connection. Positions count bytes from 0.</summary>
public sealed class StreamFaults
{
    private readonly MemoryStream _seen = new();
    private volatile TaskCompletionSource? _gate;

    /// <summary>The stream ends, without an error, before this byte.</summary>
    public long? CutAt { get; set; }

    /// <summary>This byte arrives with all its bits flipped.</summary>
    public long? CorruptAt { get; set; }

    /// <summary>Bytes arrive this much later, by <see cref="Time"/>.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>The clock of <see cref="Delay"/>.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Puts other bytes in the place of those that were sent; called for each piece as it passes.</summary>
    public Func<byte[], byte[]>? Alter { get; set; }

    /// <summary>What has left the sender so far.</summary>
    public byte[] Seen
    {
        get
        {
            lock (_seen)
            {
                return _seen.ToArray();
            }
        }
    }

    /// <summary>Holds back everything from here on, until <see cref="Resume"/>.</summary>
    public void Pause() => _gate ??= new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets go what <see cref="Pause"/> held.</summary>
    public void Resume() => Interlocked.Exchange(ref _gate, null)?.TrySetResult();

    /// <summary>Passes bytes on as the faults say; false where the stream ends here.</summary>
    internal async ValueTask<bool> PassAsync(byte[] bytes, PipeWriter to, CancellationToken cancellationToken)
    {
        long start;
        lock (_seen)
        {
            start = _seen.Length;
            _seen.Write(bytes);
        }

        if (Delay > TimeSpan.Zero)
        {
            await Task.Delay(Delay, Time, cancellationToken);
        }

        if (_gate is { } gate)
        {
            await gate.Task.WaitAsync(cancellationToken);
        }

        if (CorruptAt is { } corrupt && corrupt >= start && corrupt < start + bytes.Length)
        {
            bytes[corrupt - start] ^= 0xff;
        }

        bytes = Alter?.Invoke(bytes) ?? bytes;
        var cut = CutAt is { } at && at < start + bytes.Length;
        await to.WriteAsync(cut ? bytes.AsMemory(0, (int)Math.Max(0, CutAt!.Value - start)) : bytes, cancellationToken);
        return !cut;
    }
}

/// <summary>Carries one direction of a connection, as a kernel does.</summary>
internal static class BytePump
{
    public static async Task RunAsync(PipeReader from, PipeWriter to, StreamFaults? faults, CancellationTokenSource aborted)
    {
        Exception? failure = null;
        try
        {
            while (true)
            {
                var read = await from.ReadAsync(aborted.Token);
                var bytes = read.Buffer.ToArray();
                from.AdvanceTo(read.Buffer.End);
                if (bytes.Length > 0)
                {
                    if (faults is not null)
                    {
                        if (!await faults.PassAsync(bytes, to, aborted.Token))
                        {
                            break;
                        }
                    }
                    else if ((await to.WriteAsync(bytes, aborted.Token)).IsCompleted)
                    {
                        break;
                    }
                }

                // Cancelled by the end that reads: it is gone, and what follows is for nobody.
                if (read.IsCompleted || read.IsCanceled)
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            failure = new ConnectionAbortedException();
        }

        await to.CompleteAsync(failure);
        // Without the failure: a writer learns of the end as from a socket's pipe, by a flush that is completed.
        await from.CompleteAsync();
    }
}
