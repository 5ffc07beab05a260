using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Assistant;

/// <summary>A tool somewhere in the network.</summary>
/// <param name="Address">Of its agent.</param>
/// <param name="AgentTitle">As people know the agent.</param>
internal sealed record NetworkTool(string Address, string AgentTitle, Tool Definition)
{
    public string Name => Definition.Name;

    /// <summary>Short enough to read: the agent's id, and the beginning of its node's.</summary>
    public string Place => $"{Address[(Address.LastIndexOf(':') + 1)..]} on {Address[..Math.Min(8, Address.Length)]}";

    /// <summary>Changes with what the tool says of itself: what was allowed is allowed for that alone.</summary>
    public string Identity => $"{Address} {JsonSerializer.Serialize(Definition, McpJsonUtilities.DefaultOptions)}";
}

/// <summary>What can be called from here, read from the agents themselves and kept for a minute. Thread-safe.</summary>
/// <remarks>
/// The assistant calls as an agent of this node, so that agents answer it which would refuse whom it serves (the confused deputy: Hardy, 1988). Therefore callers of other nodes, browsers among them, are
/// offered only what this node announces to the network, and what others announce.
/// </remarks>
internal sealed class ToolIndex(Func<string, CancellationToken, Task<McpClient>> connect, TimeProvider time, ILogger<ToolIndex> logger)
{
    private const int MaxAgents = 128;
    private const int MaxToolsOfAgent = 500;
    private const int AtOnce = 8;

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AgentTimeout = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _reading = new(1);
    private long _readAt;
    private Index? _index;

    private sealed record Index(string Node, IReadOnlyList<NetworkTool> All, IReadOnlyList<NetworkTool> Announced);

    private sealed record Agent(string Address, string Node, string Id, string Title);

    /// <summary>What may be called for a caller of this node.</summary>
    /// <exception cref="McpException">The node did not tell.</exception>
    public async Task<IReadOnlyList<NetworkTool>> ForAsync(string? callerNode, CancellationToken cancellationToken)
    {
        var index = await ReadAsync(cancellationToken);
        return callerNode == index.Node ? index.All : index.Announced;
    }

    public async Task<CallToolResult> CallAsync(NetworkTool tool, IReadOnlyDictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        await using var client = await connect(tool.Address, cancellationToken);
        return await client.CallToolAsync(tool.Name, arguments, cancellationToken: cancellationToken);
    }

    private async Task<Index> ReadAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            if (_index is null || time.GetElapsedTime(_readAt) > Lifetime)
            {
                _index = await ReadNewAsync(cancellationToken);
                _readAt = time.GetTimestamp();
            }

            return _index;
        }
        finally
        {
            _reading.Release();
        }
    }

    private async Task<Index> ReadNewAsync(CancellationToken cancellationToken)
    {
        string own;
        List<Agent> agents;
        HashSet<string> announced;
        await using (var node = await connect("node", cancellationToken))
        {
            own = Text(await AskAsync(node, "id", [], cancellationToken), "node");
            var listed = (await AskAsync(node, "agents", [], cancellationToken)).GetProperty("agents").EnumerateArray();
            agents = [.. listed.Where(a => a.GetProperty("online").GetBoolean()).Select(a => new Agent(Text(a, "address"), Text(a, "node"), Text(a, "agent"), Text(a, "title")))];
            var records = await AskAsync(node, "registry_records", new() { ["node"] = own }, cancellationToken);
            announced = [.. records.GetProperty("records").EnumerateArray().SelectMany(r => r.GetProperty("agents").EnumerateArray()).Select(a => a.GetString()!)];
        }

        var tools = new ConcurrentBag<NetworkTool>();
        // Each node has an agent of this name, and all say much the same: one is enough.
        var asked = agents.Where(a => a.Id != "node" || a.Node == own).OrderBy(a => a.Node != own).ThenBy(a => a.Address, StringComparer.Ordinal).Take(MaxAgents);
        await Parallel.ForEachAsync(asked, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (agent, token) =>
        {
            using var late = new CancellationTokenSource(AgentTimeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(token, late.Token);
            try
            {
                await using var client = await connect(agent.Address, either.Token);
                // Agents that talk are for people; two of them would talk for ever.
                foreach (var tool in (await client.ListToolsAsync(cancellationToken: either.Token)).Where(t => t.Name != "chat").Take(MaxToolsOfAgent))
                {
                    tools.Add(new(agent.Address, agent.Title, tool.ProtocolTool));
                }
            }
            catch (Exception e) when (!token.IsCancellationRequested)
            {
                // What is not there now is looked for again in a minute.
                logger.LogDebug(e, "The tools of {Agent} can't be read", agent.Address);
            }
        });

        var all = tools.OrderBy(t => t.Address, StringComparer.Ordinal).ThenBy(t => t.Name, StringComparer.Ordinal).ToList();
        return new(own, all, [.. all.Where(t => !t.Address.StartsWith(own + ":", StringComparison.Ordinal) || announced.Contains(t.Address) || announced.Contains(t.Address[(own.Length + 1)..]))]);
    }

    private static async Task<JsonElement> AskAsync(McpClient node, string tool, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        var result = await node.CallToolAsync(tool, arguments, cancellationToken: cancellationToken);
        return result is { IsError: not true, StructuredContent: { } content }
            ? content
            : throw new McpException($"The node's tool '{tool}' failed: {result.Content.OfType<TextContentBlock>().FirstOrDefault()?.Text}");
    }

    private static string Text(JsonElement element, string property) => element.GetProperty(property).GetString() ?? "";
}
