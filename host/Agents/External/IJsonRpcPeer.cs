using System.Text.Json.Nodes;
using ModelContextProtocol;

namespace Dawn.Agents.External;

/// <summary>A server as Dawn itself asks it, for what a card needs.</summary>
internal interface IJsonRpcPeer
{
    /// <exception cref="McpProtocolException">It answered with an error.</exception>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    /// <exception cref="ServerFailure">It went away.</exception>
    Task<JsonNode?> RequestAsync(string method, JsonNode? parameters, CancellationToken cancellationToken);

    Task NotifyAsync(string method, CancellationToken cancellationToken);
}
