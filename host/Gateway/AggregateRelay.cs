using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>Serves the aggregate, all agents of the network as one MCP server, to clients on any transport.</summary>
internal sealed partial class AggregateRelay(Catalog catalog, LegDialer dialer, LegPool pool, GatewayMetrics metrics, TimeProvider time, ILoggerFactory loggers)
{
    // Messages of one client at work: twice the requests that a session takes, so that notifications on their way to busy agents have room.
    private const int MaxUnfinished = 1024;

    // For the last answers to leave when the node stops.
    private static readonly TimeSpan GoodbyeTimeout = TimeSpan.FromMilliseconds(500);

    private readonly ILogger _logger = loggers.CreateLogger<AggregateRelay>();

    /// <summary>A client whose messages the caller hands over.</summary>
    public ClientRelay Open(string callerAgent, ClientConnection client)
    {
        catalog.Wake();
        return new AggregateSession(callerAgent, client, catalog, dialer, pool, metrics, time, loggers.CreateLogger<AggregateSession>());
    }

    /// <summary>Serves one client over a transport of its own, until it ends or the token is cancelled. The caller disposes the transport.</summary>
    /// <param name="callerAgent">Whom agents see as the caller, as <see cref="Identity.AgentId.Owner"/>.</param>
    public async Task ServeAsync(ITransport client, string callerAgent, CancellationToken cancellationToken)
    {
        metrics.ClientCame();
        var room = new SemaphoreSlim(MaxUnfinished);
        var session = Open(callerAgent, new ClientConnection { Unsolicited = client.SendMessageAsync });
        try
        {
            while (await client.MessageReader.WaitToReadAsync(cancellationToken))
            {
                while (client.MessageReader.TryRead(out var message))
                {
                    // Not awaited to its end: the client may cancel, or answer what an agent asks in this very call.
                    await room.WaitAsync(cancellationToken);
                    _ = HandleAsync(message);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The ordinary end.
        }
        catch (Exception e) when (client.MessageReader.Completion.IsFaulted)
        {
            LogBroken(e);
        }
        finally
        {
            await session.DisposeAsync();
            await EmptyAsync(room);
            metrics.ClientWent();
        }

        async Task HandleAsync(JsonRpcMessage message)
        {
            try
            {
                await session.HandleAsync(message, null, CancellationToken.None);
            }
            finally
            {
                room.Release();
            }
        }
    }

    // What was unanswered has got an error: lets it leave before the caller closes the transport.
    private async Task EmptyAsync(SemaphoreSlim room)
    {
        using var timeout = new CancellationTokenSource(GoodbyeTimeout, time);
        try
        {
            for (var finished = 0; finished < MaxUnfinished; finished++)
            {
                await room.WaitAsync(timeout.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The client takes no more.
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The stream of a client broke")]
    private partial void LogBroken(Exception exception);
}
