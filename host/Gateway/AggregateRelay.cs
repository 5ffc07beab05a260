using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>Serves the aggregate, all agents of the network as one MCP server, to clients on any transport.</summary>
internal sealed partial class AggregateRelay(Catalog catalog, LegDialer dialer, LegPool pool, GatewayMetrics metrics, TimeProvider time, ILoggerFactory loggers)
{
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
        await using var session = Open(callerAgent, new ClientConnection { Unsolicited = client.SendMessageAsync });
        try
        {
            while (await client.MessageReader.WaitToReadAsync(cancellationToken))
            {
                while (client.MessageReader.TryRead(out var message))
                {
                    // Not awaited: the client may cancel, or answer what an agent asks in this very call. The session bounds how many there are.
                    _ = session.HandleAsync(message, null, CancellationToken.None);
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
            metrics.ClientWent();
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The stream of a client broke")]
    private partial void LogBroken(Exception exception);
}
