using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Assistant;

/// <summary>Whether the person lets a tool be called.</summary>
internal enum Answer
{
    No,
    Once,
    Always,

    /// <summary>Their client can't ask them.</summary>
    Unasked,
}

/// <summary>Asks the person before a tool is used, by elicitation.</summary>
internal sealed class Consent(McpServer client, TimeProvider time)
{
    // A question that nobody sees must not hold a turn for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private const string Field = "answer";

    public async Task<Answer> AskAsync(NetworkTool tool, string arguments, CancellationToken cancellationToken)
    {
        if (client.ClientCapabilities?.Elicitation is null)
        {
            return Answer.Unasked;
        }

        using var late = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            var effect = tool.Definition.Annotations?.ReadOnlyHint == true ? "It says that it only reads." : "It may change things.";
            var result = await client.ElicitAsync(
                new ElicitRequestParams
                {
                    Message = $"May the assistant call '{tool.Name}' of {tool.AgentTitle} ({tool.Place})? {effect}\n\n{arguments}",
                    RequestedSchema = new()
                    {
                        Properties =
                        {
                            [Field] = new ElicitRequestParams.TitledSingleSelectEnumSchema
                            {
                                Title = "Answer",
                                OneOf =
                                [
                                    new() { Const = "once", Title = "Yes, this once" },
                                    new() { Const = "always", Title = "Yes, in this conversation" },
                                    new() { Const = "no", Title = "No" },
                                ],
                            },
                        },
                        Required = [Field],
                    },
                },
                either.Token);
            return result.Action != "accept" || result.Content?.TryGetValue(Field, out var answer) != true ? Answer.No : answer.GetString() switch
            {
                "once" => Answer.Once,
                "always" => Answer.Always,
                _ => Answer.No,
            };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Answer.No;
        }
        catch (Exception e) when (e is McpException or InvalidOperationException)
        {
            // The client has failed to ask, or what carried the question is gone.
            return Answer.Unasked;
        }
    }
}
