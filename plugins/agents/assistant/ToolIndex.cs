using System.Collections.Concurrent;
using System.Security.Claims;
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

    /// <summary>The agent's id, without its node's.</summary>
    public string Agent => Address[(Address.LastIndexOf(':') + 1)..];

    /// <summary>Short enough to read: the agent's id, and the beginning of its node's.</summary>
    public string Place => $"{Agent} on {Address[..Math.Min(8, Address.Length)]}";

    /// <summary>Changes with what the tool says of itself: what was allowed is allowed for that alone.</summary>
    public string Identity => $"{Address} {JsonSerializer.Serialize(Definition, McpJsonUtilities.DefaultOptions)}";
}

/// <summary>Who is served, and as whom: with <see cref="For"/> null whatever this node may call, else what that caller may call too.</summary>
internal sealed record Standing(string Own, ClaimsPrincipal? For)
{
    /// <summary>Callers of one standing see the same tools.</summary>
    public string Key => For is null ? "" : $"{For.FindFirst("node")?.Value} {For.FindFirst("role")?.Value}";
}

/// <summary>What can be called from here, read from the agents themselves and kept for a minute. Thread-safe.</summary>
/// <remarks>
/// The assistant calls as an agent of this node, so that agents answer it which would refuse whom it serves (the confused deputy: Hardy, 1988). For callers from elsewhere, browsers among them, it therefore
/// calls on their behalf: the node keeps from it what it keeps from them, single tools too. What agents of other nodes would allow them nobody here knows, so these are left out.
/// </remarks>
internal sealed class ToolIndex(
    Func<string, CancellationToken, Task<McpClient>> connect, Func<string, ClaimsPrincipal, CancellationToken, Task<McpClient>> connectFor, AssistantSettings settings, TimeProvider time, ILogger<ToolIndex> logger)
{
    private const int MaxAgents = 128;
    private const int MaxToolsOfAgent = 500;
    private const int MaxKept = 64;
    private const int AtOnce = 8;

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AgentTimeout = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _reading = new(1);
    private readonly Dictionary<string, (IReadOnlyList<NetworkTool> Tools, long ReadAt)> _kept = [];
    private string? _own;

    private sealed record Agent(string Address, string Node, string Id, string Title);

    /// <summary>What may be called for a caller.</summary>
    /// <exception cref="McpException">The node did not tell.</exception>
    public async Task<(Standing Standing, IReadOnlyList<NetworkTool> Tools)> ForAsync(ClaimsPrincipal? caller, CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            _own ??= await OwnAsync(cancellationToken);
            // Nobody in particular has no rights in particular.
            var who = caller ?? new ClaimsPrincipal(new ClaimsIdentity());
            var standing = new Standing(_own, settings.Trust.Includes(who, _own) ? null : who);
            if (!_kept.TryGetValue(standing.Key, out var kept) || time.GetElapsedTime(kept.ReadAt) > Lifetime)
            {
                if (_kept.Count >= MaxKept)
                {
                    _kept.Remove(_kept.MinBy(one => one.Value.ReadAt).Key);
                }

                _kept[standing.Key] = kept = (await ReadAsync(standing, cancellationToken), time.GetTimestamp());
            }

            return (standing, kept.Tools);
        }
        finally
        {
            _reading.Release();
        }
    }

    public async Task<CallToolResult> CallAsync(Standing standing, NetworkTool tool, IReadOnlyDictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        await using var client = await ConnectAsync(tool.Address, standing, cancellationToken);
        return await client.CallToolAsync(tool.Name, arguments, cancellationToken: cancellationToken);
    }

    private Task<McpClient> ConnectAsync(string address, Standing standing, CancellationToken cancellationToken) =>
        standing.For is { } caller ? connectFor(address, caller, cancellationToken) : connect(address, cancellationToken);

    private async Task<string> OwnAsync(CancellationToken cancellationToken)
    {
        await using var node = await connect("node", cancellationToken);
        return Text(await AskAsync(node, "id", [], cancellationToken), "node");
    }

    private async Task<IReadOnlyList<NetworkTool>> ReadAsync(Standing standing, CancellationToken cancellationToken)
    {
        List<Agent> agents;
        await using (var node = await connect("node", cancellationToken))
        {
            var listed = (await AskAsync(node, "agents", [], cancellationToken)).GetProperty("agents").EnumerateArray();
            agents = [.. listed.Where(a => a.GetProperty("online").GetBoolean()).Select(a => new Agent(Text(a, "address"), Text(a, "node"), Text(a, "agent"), Text(a, "title")))];
        }

        var tools = new ConcurrentBag<NetworkTool>();
        // Each node has an agent 'node', and all say much the same: one is enough.
        var asked = agents.Where(a => a.Node == standing.Own || (a.Id != "node" && standing.For is null))
            .OrderBy(a => a.Node != standing.Own).ThenBy(a => a.Address, StringComparer.Ordinal).Take(MaxAgents);
        await Parallel.ForEachAsync(asked, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (agent, token) =>
        {
            using var late = new CancellationTokenSource(AgentTimeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(token, late.Token);
            try
            {
                await using var client = await ConnectAsync(agent.Address, standing, either.Token);
                // Agents that talk are for people; two of them would talk for ever.
                foreach (var tool in (await client.ListToolsAsync(cancellationToken: either.Token)).Where(t => t.Name != "chat").Take(MaxToolsOfAgent))
                {
                    tools.Add(new(agent.Address, agent.Title, tool.ProtocolTool));
                }
            }
            catch (Exception e) when (!token.IsCancellationRequested)
            {
                // What is not there now, or not for this caller, is looked for again in a minute.
                logger.LogDebug(e, "The tools of {Agent} can't be read", agent.Address);
            }
        });

        return [.. tools.OrderBy(t => t.Address, StringComparer.Ordinal).ThenBy(t => t.Name, StringComparer.Ordinal)];
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
