using System.Threading.Channels;

namespace Dawn.Sessions;

/// <summary>A channel between a caller and an agent of the same process.</summary>
internal sealed class LocalChannel : MeshChannel
{
    // As many messages as a busy client has in flight; a reader that stops reading stops its writer soon after.
    private const int Capacity = 128;

    private readonly Channel<MessageBuffer> _in;
    private readonly Channel<MessageBuffer> _out;
    private long _sent;

    private LocalChannel(Channel<MessageBuffer> incoming, Channel<MessageBuffer> outgoing) => (_in, _out) = (incoming, outgoing);

    public static (MeshChannel Caller, MeshChannel Agent) CreatePair()
    {
        var options = new BoundedChannelOptions(Capacity) { SingleReader = true };
        var (up, down) = (Channel.CreateBounded<MessageBuffer>(options), Channel.CreateBounded<MessageBuffer>(options));
        return (new LocalChannel(down, up), new LocalChannel(up, down));
    }

    public override async ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, MaxMessage);
        var copy = MessageBuffer.CopyOf(message.Span);
        try
        {
            await _out.Writer.WriteAsync(copy, cancellationToken);
            return Interlocked.Increment(ref _sent) - 1;
        }
        catch (ChannelClosedException e)
        {
            copy.Dispose();
            throw e.InnerException as MeshException ?? new MeshException(MeshError.Lost, "The channel is closed.", e);
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    public override async ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await _in.Reader.WaitToReadAsync(cancellationToken))
            {
                if (_in.Reader.TryRead(out var message))
                {
                    return message;
                }
            }

            return null;
        }
        catch (ChannelClosedException e) when (e.InnerException is MeshException mesh)
        {
            throw mesh;
        }
    }

    // Within a process a message that was queued is as good as received.
    public override bool WasTransmitted(long messageNumber) => true;

    public override ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null)
    {
        var failure = error == MeshError.None ? null : new MeshException(error, reason ?? error.ToString());
        _out.Writer.TryComplete(failure);
        _in.Writer.TryComplete(failure);
        return ValueTask.CompletedTask;
    }
}
