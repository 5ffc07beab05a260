using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Commands;

/// <summary><c>dawn call</c>: one tool of one agent, anywhere in the network.</summary>
internal static class CallVerb
{
    // Whether a call that may change something was executed is the one thing to know about its failure.
    private const string Unknown = "outcome-unknown: the call may have been executed. ";

    public static Command Create(VerbFactory factory)
    {
        var address = new Argument<string>("address") { Description = "node_id:agent_id, where a unique prefix of the NodeId will do, or the agent_id alone." };
        var tool = new Argument<string>("tool") { Description = "The tool's name." };
        var json = new Argument<string?>("json") { Description = "The tool's arguments: a JSON object.", Arity = ArgumentArity.ZeroOrOne };
        var command = factory.Create("call", """
            Calls a tool of an agent and prints its text. A tool's own failure, like any other, is one line on standard error and exit code 1.

            Example:
              dawn call files read_file '{"path":"notes.txt"}'
            """, true, async (verb, cancellationToken) =>
        {
            var arguments = Parse(verb.Parsed.GetValue(json));
            var call = new Call(verb, verb.Parsed.GetValue(address)!, verb.Parsed.GetValue(tool)!, arguments);
            return await verb.WithinTimeoutAsync(call.RunAsync, cancellationToken, () => call.IsAsked ? Unknown : "");
        });
        command.Add(address);
        command.Add(tool);
        command.Add(json);
        return command;
    }

    private static JsonObject Parse(string? text)
    {
        if (text is null)
        {
            return [];
        }

        try
        {
            var node = JsonNode.Parse(text);
            return node as JsonObject ?? throw new CommandException($"The arguments are a JSON {node?.GetValueKind().ToString().ToLowerInvariant() ?? "null"}, not an object like '{{\"name\":\"value\"}}'.", ExitCode.Usage);
        }
        catch (JsonException e)
        {
            throw new CommandException($"The arguments are not JSON: {e.Message.TrimEnd('.')}. Quote them as one word: '{{\"name\":\"value\"}}'", ExitCode.Usage);
        }
    }

    private sealed class Call(Verb verb, string address, string tool, JsonObject arguments)
    {
        /// <summary>True once the tool may have been called.</summary>
        public bool IsAsked { get; private set; }

        public async Task<int> RunAsync(CancellationToken cancellationToken)
        {
            if (address.Length == 0)
            {
                throw new CommandException("The address is empty; 'dawn agents' lists those that can be called.", ExitCode.Usage);
            }

            await using var conversation = await Conversation.OpenAsync(verb.DataDirectory, address, AgentId.Owner, verb.Terminal.Time, cancellationToken);
            var number = conversation.Sent;
            var start = verb.Terminal.Time.GetTimestamp();
            JsonElement result;
            IsAsked = true;
            try
            {
                result = await conversation.RequestAsync("tools/call", new() { ["name"] = tool, ["arguments"] = arguments }, cancellationToken);
            }
            catch (ControlException e) when (IsBreak(e.Code))
            {
                throw new CommandException(e.Transmitted <= number ? $"not-executed: {e.Message}" : Unknown + e.Message);
            }
            catch (RpcException e) when (e.Outcome == "outcome-unknown")
            {
                throw new CommandException(Unknown + e.Message);
            }

            var elapsed = verb.Terminal.Time.GetElapsedTime(start);
            if (result.Text("resultType") == "input_required")
            {
                throw new CommandException($"The tool asks for more input, which 'dawn call' can't give. Use an MCP client: dawn mcp {conversation.Opened}");
            }

            if (verb.IsJson)
            {
                var output = $$"""{"elapsedMs":{{Math.Round(elapsed.TotalMilliseconds, 3).ToString(CultureInfo.InvariantCulture)}},"result":{{result.GetRawText()}}}""";
                await verb.Terminal.Out.WriteLineAsync(output);
            }

            if (result.Flag("isError"))
            {
                verb.Terminal.WriteError(ToolContent.Text(result) is { Length: > 0 } text ? text : $"{tool} failed and did not say why.");
                return ExitCode.Failed;
            }

            if (!verb.IsJson)
            {
                var text = ToolContent.Text(result);
                await verb.Terminal.Out.WriteLineAsync(verb.Terminal.IsInteractive ? Terminal.Clean(text) : text);
            }

            return ExitCode.Done;
        }

        private static bool IsBreak(string code) =>
            code is ControlException.Closed || code == ControlCode.Of(MeshError.Lost) || code == ControlCode.Of(MeshError.Stopping) || code == ControlCode.Of(MeshError.Limit);
    }
}
