using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>A request of the agent while the client thinks about it.</summary>
internal sealed record AgentRequest(Exchange? Exchange, CancellationTokenSource Cancellation)
{
    /// <summary>True once the agent itself has cancelled it.</summary>
    public bool IsWithdrawn { get; set; }

    public async Task CancelAsync()
    {
        try
        {
            await Cancellation.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It was answered just now.
        }
    }
}

/// <summary>A request to the agent while it has no answer.</summary>
internal sealed class PendingCall(Exchange? exchange)
{
    public Exchange? Exchange => exchange;

    /// <summary>The message's number in the channel; null as long as part of it may not even be queued.</summary>
    public long? Number { get; set; }

    public TaskCompletionSource<JsonRpcMessageWithId> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
