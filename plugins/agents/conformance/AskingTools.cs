using System.ComponentModel;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using static ModelContextProtocol.Protocol.ElicitRequestParams;

namespace Dawn.Agents.Conformance;

/// <summary>Tools that send a request to the client in mid-call, as protocols up to 2025-11-25 do.</summary>
[McpServerToolType]
public static class AskingTools
{
    [McpServerTool(Name = "test_sampling")]
    [Description("Has the client's model answer a prompt.")]
    public static async Task<string> SampleAsync(RequestContext<CallToolRequestParams> request, [Description("What to ask the model.")] string prompt, CancellationToken cancellationToken)
    {
        if (request.Server.ClientCapabilities?.Sampling is null)
        {
            throw new McpException("This client does not offer sampling.");
        }

        var answer = await request.Server.SampleAsync(Inputs.Sampling(prompt, maxTokens: 100), cancellationToken);
        return $"LLM response: {Inputs.TextOf(answer)}";
    }

    [McpServerTool(Name = "test_elicitation")]
    [Description("Asks the user for a name and an e-mail address.")]
    public static async Task<string> ElicitAsync(RequestContext<CallToolRequestParams> request, [Description("What to say to the user.")] string message, CancellationToken cancellationToken)
    {
        var schema = new RequestSchema
        {
            Properties =
            {
                ["username"] = new StringSchema { Description = "User's response" },
                ["email"] = new StringSchema { Description = "User's email address" },
            },
            Required = ["username", "email"],
        };
        return $"User response: {await AskAsync(request.Server, message, schema, cancellationToken)}";
    }

    [McpServerTool(Name = "test_elicitation_sep1034_defaults")]
    [Description("Asks the user with a default for each primitive type.")]
    public static async Task<string> ElicitWithDefaultsAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        var schema = new RequestSchema
        {
            Properties =
            {
                ["name"] = new StringSchema { Description = "A string", Default = "John Doe" },
                ["age"] = new NumberSchema { Type = "integer", Description = "An integer", Default = 30 },
                ["score"] = new NumberSchema { Description = "A number", Default = 95.5 },
                ["status"] = new UntitledSingleSelectEnumSchema { Description = "A choice", Enum = ["active", "inactive", "pending"], Default = "active" },
                ["verified"] = new BooleanSchema { Description = "A boolean", Default = true },
            },
        };
        return $"Elicitation completed: {await AskAsync(request.Server, "Please look over these values", schema, cancellationToken)}";
    }

    [McpServerTool(Name = "test_elicitation_sep1330_enums")]
    [Description("Asks the user with each of the five kinds of choice.")]
    public static async Task<string> ElicitChoicesAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        string[] options = ["option1", "option2", "option3"];
        var schema = new RequestSchema
        {
            Properties =
            {
                ["untitledSingle"] = new UntitledSingleSelectEnumSchema { Enum = options },
                ["titledSingle"] = new TitledSingleSelectEnumSchema { OneOf = Titled("Option") },
#pragma warning disable MCP9001 // Deprecated by SEP-1330 and still one of the five that clients must understand.
                ["legacyEnum"] = new LegacyTitledEnumSchema { Enum = ["opt1", "opt2", "opt3"], EnumNames = ["Option One", "Option Two", "Option Three"] },
#pragma warning restore MCP9001
                ["untitledMulti"] = new UntitledMultiSelectEnumSchema { Items = new() { Enum = options } },
                ["titledMulti"] = new TitledMultiSelectEnumSchema { Items = new() { AnyOf = Titled("Choice") } },
            },
        };
        return $"Elicitation completed: {await AskAsync(request.Server, "Please choose", schema, cancellationToken)}";

        static EnumSchemaOption[] Titled(string kind) =>
        [
            new() { Const = "value1", Title = $"First {kind}" },
            new() { Const = "value2", Title = $"Second {kind}" },
            new() { Const = "value3", Title = $"Third {kind}" },
        ];
    }

    private static async Task<string> AskAsync(McpServer server, string message, RequestSchema schema, CancellationToken cancellationToken)
    {
        if (server.ClientCapabilities?.Elicitation is null)
        {
            throw new McpException("This client does not offer elicitation.");
        }

        var answer = await server.ElicitAsync(new ElicitRequestParams { Message = message, RequestedSchema = schema }, cancellationToken);
        return $"action={answer.Action}, content={JsonSerializer.Serialize(answer.Content, McpJsonUtilities.DefaultOptions)}";
    }
}
