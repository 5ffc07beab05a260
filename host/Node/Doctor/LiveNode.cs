using System.Text.Json;
using Dawn.Commands;
using Dawn.Identity;

namespace Dawn.Node.Doctor;

/// <summary>What the running node says of itself.</summary>
internal sealed record LiveNode(JsonElement Status, IReadOnlyList<JsonElement> Links, IReadOnlyList<JsonElement> Plugins, JsonElement Diagnosis)
{
    public int ProcessId => (int)(Diagnosis.Number("processId") ?? 0);

    public IReadOnlyList<Uri> Listen => [.. Status.Texts("listen").Select(l => Uri.TryCreate(l, UriKind.Absolute, out var uri) ? uri : null).OfType<Uri>()];

    /// <summary>Null where no node runs; a failure is a finding.</summary>
    public static async Task<LiveNode?> AskAsync(string dataDirectory, TimeProvider time, List<Finding> findings, CancellationToken cancellationToken)
    {
        try
        {
            await using var conversation = await Conversation.OpenAsync(dataDirectory, AgentId.Node, AgentId.Owner, time, cancellationToken);
            var node = new NodeClient(conversation);
            return new(
                await node.CallAsync("status", null, cancellationToken),
                [.. (await node.CallAsync("links", null, cancellationToken)).List("links")],
                [.. (await node.CallAsync("plugins", null, cancellationToken)).List("plugins")],
                await node.CallAsync("diagnosis", null, cancellationToken));
        }
        catch (ControlException e) when (e.Code == ControlException.NoNode)
        {
            return null;
        }
        catch (Exception e) when (e is ControlException or CommandException or RpcException)
        {
            findings.Add(Finding.Fail("node", $"The running node does not answer as expected: {e.Message}", "Use the 'dawn' program of that node, or restart it."));
            return null;
        }
    }
}
