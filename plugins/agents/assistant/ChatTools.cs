using System.ComponentModel;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Assistant;

[McpServerToolType]
internal sealed class ChatTools(AssistantSettings settings, Model model, ToolIndex index, Conversations conversations, TimeProvider time)
{
    private const int MaxMessage = 100_000;
    private const int MaxName = 200;
    private const int MaxListed = 12;
    private const string ToolsCommand = "/tools";

    private const string Help = """
        I answer in words, and use the tools of this network where you allow it: before a tool's first use I ask you, and each call is shown.

        - `/tools` lists what I could use, `/tools count words` what fits
        - `/forget` forgets this conversation, and what you have allowed in it
        - `/help` says this
        """;

    private const string NoModel = $$"""
        **No model is configured**, so I can't talk yet; I still find tools. On the machine of this node, put this into `appsettings.json` in the data directory, for a model that [Ollama](https://ollama.com) runs there, or any other endpoint that speaks OpenAI's API:

        ```json
        { "Dawn": { "Plugins": { "assistant": {
          "Endpoint": "http://127.0.0.1:11434/v1",
          "Model": "qwen3",
          "ApiKey": null } } } }
        ```

        Then say `dawn call node reload` there.
        """;

    [McpServerTool(Name = "chat", Title = "Chat")]
    [Description("Talks with the assistant. The pieces of its reply come as progress, the whole of it as the result.")]
    public async Task<CallToolResult> ChatAsync(
        RequestContext<CallToolRequestParams> request,
        ClaimsPrincipal? caller,
        [Description("What to say, in Markdown.")] string message,
        [Description("The same for all that belongs together; what was said there is remembered for some hours.")] string conversation = "",
        [Description("MCP content blocks: text, images, sound, embedded resources.")] JsonElement[]? attachments = null,
        CancellationToken cancellationToken = default)
    {
        if (message.Length > MaxMessage || conversation.Length > MaxName)
        {
            throw new McpException($"A message has at most {MaxMessage} characters, a conversation's name {MaxName}.");
        }

        var name = caller?.Identity?.Name ?? "";
        var command = message.Trim();
        if (command is "/help" or "help")
        {
            return Result(model.IsConfigured ? Help : $"{Help}\n{NoModel}");
        }

        if (command.StartsWith(ToolsCommand, StringComparison.Ordinal))
        {
            return Result(await ListAsync(command[ToolsCommand.Length..].Trim(), caller, cancellationToken));
        }

        var known = conversations.Of(name, conversation);
        // Two at once would answer each other's questions.
        if (!await known.Turn.WaitAsync(TimeSpan.Zero, cancellationToken))
        {
            throw new McpException("The message before is still being answered. Wait for the reply, or cancel it.");
        }

        try
        {
            if (command == "/forget")
            {
                known.Forget();
                return Result("Forgotten.");
            }

            if (!model.IsConfigured)
            {
                return Result($"{NoModel}\n\n{await ListAsync(command, caller, cancellationToken)}");
            }

            List<AIContent> said = [new TextContent(message), .. Attachments.Read(attachments ?? [])];
            var turn = new Turn(settings, model, index, new Consent(request.Server, time), known, caller, ReportAsync, time);
            try
            {
                await turn.RunAsync(new ChatMessage(ChatRole.User, said), message, cancellationToken);
                return Result(turn.Said);
            }
            catch (McpException e)
            {
                // The result is the whole of it, also of what ends badly.
                return Result(turn.Said.Length == 0 ? e.Message : $"{turn.Said.TrimEnd()}\n\n{e.Message}", isError: true);
            }
        }
        finally
        {
            known.Turn.Release();
        }

        // Awaited, as IProgress does not: pieces of a text must keep their order.
        Task ReportAsync(ProgressNotificationValue piece) =>
            request.Params.ProgressToken is { } token ? request.Server.NotifyProgressAsync(token, piece, cancellationToken: cancellationToken) : Task.CompletedTask;
    }

    private static CallToolResult Result(string text, bool? isError = null) => new() { Content = [new TextContentBlock { Text = text }], IsError = isError };

    private async Task<string> ListAsync(string query, ClaimsPrincipal? caller, CancellationToken cancellationToken)
    {
        var (_, all) = await index.ForAsync(caller, cancellationToken);
        var found = query.Length == 0 ? [.. all.Take(MaxListed)] : ToolSearch.Find(all, query, MaxListed);
        if (found.Count == 0)
        {
            return $"None of the {all.Count} tools that I know of fits. `/tools` lists them.";
        }

        var lines = found.Select(t => $"- **{Markdown.Plain(t.Name)}** of {Markdown.Plain(t.AgentTitle)}, {Markdown.Plain(t.Place)}: {Markdown.Plain(Markdown.Short(t.Definition.Description ?? t.Definition.Title ?? "", 160))}");
        var rest = query.Length == 0 && all.Count > found.Count ? $"\n\n… and {all.Count - found.Count} more: `/tools` and a few words find the ones that fit." : "";
        return string.Join('\n', lines) + rest;
    }
}
