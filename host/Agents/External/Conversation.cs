using System.Threading.Channels;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>One caller's conversation with a shared server: what it awaits, what it subscribed to, and the queue of what it is told.</summary>
/// <remarks>The tables belong to the <see cref="Multiplexer"/> and its lock.</remarks>
internal sealed class Conversation(MeshChannel channel, Caller caller)
{
    /// <summary>Requests in flight: more than any client has, and little memory.</summary>
    public const int MaxInFlight = 1024;

    /// <summary>Questions of the server that this caller has yet to answer.</summary>
    public const int MaxAsked = 64;

    public const int MaxSubscriptions = 1024;

    // Every request in flight may be answered at once to a caller that is slow just now.
    private const int MaxQueued = 2 * MaxInFlight;

    // With one message of the largest size on top; a server's reader can't wait for a slow caller, so the caller has to go.
    private const long MaxQueuedBytes = MeshChannel.MaxMessage;

    private readonly Channel<byte[]> _outgoing = Channel.CreateUnbounded<byte[]>(new() { SingleReader = true });
    private readonly CancellationTokenSource _failed = new();
    private long _queued;
    private long _queuedBytes;

    public Caller Caller => caller;

    /// <summary>From the caller's ids to the server's.</summary>
    public Dictionary<RequestId, long> InFlight { get; } = [];

    public HashSet<string> Subscriptions { get; } = new(StringComparer.Ordinal);

    /// <summary>What the caller said it can be asked for: sampling, elicitation, roots.</summary>
    public HashSet<string> Capabilities { get; } = new(StringComparer.Ordinal);

    /// <summary>True for callers of the <c>initialize</c> era, who are told of changes unasked.</summary>
    public bool IsInitialized { get; set; }

    /// <summary>Counts up over all conversations with each request, so that the most recent can be found.</summary>
    public long LastRequest { get; set; }

    /// <summary>Why it can't go on; cancelled are both its loops then.</summary>
    public MeshException? Failure { get; private set; }

    public CancellationToken Failed => _failed.Token;

    /// <summary>Queues a message for the caller, and never waits.</summary>
    /// <param name="isDroppable">True for what a caller can do without: where the queue is half full it is left out.</param>
    public void Tell(byte[] message, bool isDroppable = false)
    {
        var (queued, bytes) = (Volatile.Read(ref _queued), Volatile.Read(ref _queuedBytes));
        if (isDroppable && (queued >= MaxQueued / 2 || bytes >= MaxQueuedBytes / 2))
        {
            return;
        }

        if (queued >= MaxQueued || bytes >= MaxQueuedBytes)
        {
            Fail(new(MeshError.Limit, $"You read too slowly: {queued} messages of {bytes} bytes were waiting for you."));
            return;
        }

        if (message.Length > MeshChannel.MaxMessage)
        {
            Fail(new(MeshError.Limit, $"The agent sent a message of {message.Length} bytes; the most is {MeshChannel.MaxMessage}."));
            return;
        }

        Interlocked.Increment(ref _queued);
        Interlocked.Add(ref _queuedBytes, message.Length);
        _outgoing.Writer.TryWrite(message);
    }

    public void Tell(JsonRpcMessage message) => Tell(JsonRpc.Serialize(message));

    /// <summary>Passes the queue on to the caller until <see cref="Complete"/>.</summary>
    public async Task SendAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var message in _outgoing.Reader.ReadAllAsync(cancellationToken))
            {
                await channel.SendAsync(message, cancellationToken);
                Interlocked.Decrement(ref _queued);
                Interlocked.Add(ref _queuedBytes, -message.Length);
            }
        }
        catch (MeshException e)
        {
            Fail(e);
        }
    }

    /// <summary>Nothing more will be told.</summary>
    public void Complete() => _outgoing.Writer.TryComplete();

    private void Fail(MeshException failure)
    {
        Failure ??= failure;

        // Not Cancel: whoever waits for this token must not run on the server's reader.
        _ = _failed.CancelAsync();
    }
}
