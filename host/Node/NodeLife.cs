using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Links;
using Dawn.Sessions;

namespace Dawn.Node;

/// <summary>Joins the parts once all of them have started, and takes them apart before they stop.</summary>
internal sealed class NodeLife(
    SessionTable sessions,
    NodeAgent node,
    IAgentHost host,
    AgentHost agents,
    LinkTable links) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        host.TryAdd(node);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        // Callers learn that the node is stopping before their links go.
        await agents.DisposeAsync();
        await sessions.StopAsync(cancellationToken);
        await links.CloseAllAsync(LinkEnd.Stopping);
    }
}
