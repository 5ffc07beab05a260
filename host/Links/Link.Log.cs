namespace Dawn.Links;

internal sealed partial class Link
{
    [LoggerMessage(Level = LogLevel.Debug, Message = "Link with {Node} ends ({Reason}): {Cause}")]
    private partial void LogEnding(string node, LinkEnd reason, string cause);

    [LoggerMessage(Level = LogLevel.Information, Message = "Link with {Node} is down: {Reason}")]
    private partial void LogEnded(string node, LinkEnd reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Node {Node} breaks the link protocol: {Cause}")]
    private partial void LogProtocol(string node, string cause);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The certificate of node {Node} expired at {NotAfter:u}, and it has shown no newer one. A guest needs a new ticket ('dawn invite' here, 'dawn join --replace' there); a member renews its own, so check the clocks at both ends")]
    private partial void LogExpired(string node, DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Link with {Node} has new keys (epoch {Epoch})")]
    private partial void LogRekeyed(string node, int epoch);

    [LoggerMessage(Level = LogLevel.Error, Message = "Beginning new keys on the link with {Node} failed")]
    private partial void LogRekeyFailed(Exception exception, string node);

    [LoggerMessage(Level = LogLevel.Error, Message = "Handling a frame ({Type}) from {Node} failed")]
    private partial void LogHandlerFailed(Exception exception, string node, LinkFrame type);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Disposing the connection to {Node} failed")]
    private partial void LogDisposeFailed(Exception exception, string node);
}
