using System.ComponentModel;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>Tools that need the client's input and end the call to get it, as protocols from 2026-07-28 on do (SEP-2322).</summary>
[McpServerToolType]
public static class InputRequiredTools
{
    [McpServerTool(Name = "test_input_required_result_elicitation")]
    [Description("Asks the user for a name and greets.")]
    public static string Elicit(RequestContext<CallToolRequestParams> request)
    {
        if (!Inputs.TryGetText(request.Params, "user_name", "name", out var name))
        {
            Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["user_name"] = Inputs.Text("What is your name?", "name") });
        }

        return $"Hello, {name}!";
    }

    [McpServerTool(Name = "test_input_required_result_sampling")]
    [Description("Has the client's model answer a question.")]
    public static string Sample(RequestContext<CallToolRequestParams> request)
    {
        if (!Inputs.TryGet(request.Params, "capital_question", InputResponse.CreateMessageResultJsonTypeInfo, out var answer))
        {
            Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["capital_question"] = Inputs.Sample("What is the capital of France?", maxTokens: 100) });
        }

        return $"The model says: {Inputs.TextOf(answer)}";
    }

    [McpServerTool(Name = "test_input_required_result_list_roots")]
    [Description("Asks for the client's roots.")]
    public static string ListRoots(RequestContext<CallToolRequestParams> request)
    {
        if (!Inputs.TryGet(request.Params, "client_roots", InputResponse.ListRootsResultJsonTypeInfo, out var answer))
        {
            Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["client_roots"] = Inputs.Roots() });
        }

        return $"The client's roots: {string.Join(", ", answer.Roots.Select(root => root.Uri))}";
    }

    [McpServerTool(Name = "test_input_required_result_request_state")]
    [Description("Asks for a confirmation and wants its state back.")]
    public static string Confirm(RequestContext<CallToolRequestParams> request) => ConfirmWithState(request, "state-ok");

    [McpServerTool(Name = "test_input_required_result_tampered_state")]
    [Description("Asks for a confirmation and refuses a state that was altered.")]
    public static string ConfirmUntampered(RequestContext<CallToolRequestParams> request) => ConfirmWithState(request, "The state came back unaltered.");

    [McpServerTool(Name = "test_input_required_result_multiple_inputs")]
    [Description("Asks the user, the client's model and for the client's roots, all at once.")]
    public static string AskSeveral(RequestContext<CallToolRequestParams> request)
    {
        var isRetry = TryOpen(request, out _);
        if (!Inputs.TryGetText(request.Params, "user_name", "name", out var name)
            | !Inputs.TryGet(request.Params, "greeting", InputResponse.CreateMessageResultJsonTypeInfo, out var greeting)
            | !Inputs.TryGet(request.Params, "client_roots", InputResponse.ListRootsResultJsonTypeInfo, out var roots)
            | !isRetry)
        {
            Inputs.Require(
                request.Server,
                new Dictionary<string, InputRequest>
                {
                    ["user_name"] = Inputs.Text("What is your name?", "name"),
                    ["greeting"] = Inputs.Sample("Generate a greeting", maxTokens: 50),
                    ["client_roots"] = Inputs.Roots(),
                },
                Seal(request, "asked"));
        }

        return $"{Inputs.TextOf(greeting!)} {name}, you have {roots!.Roots.Count} roots.";
    }

    [McpServerTool(Name = "test_input_required_result_multi_round")]
    [Description("Asks the user for a name and then, in another round, for a color.")]
    public static string AskTwice(RequestContext<CallToolRequestParams> request)
    {
        // The first answer waits in the state for the second: nothing of the call stays here between the rounds.
        const string Named = "named ";
        var isRetry = TryOpen(request, out var state);
        if (isRetry && state.StartsWith(Named, StringComparison.Ordinal))
        {
            if (!Inputs.TryGetText(request.Params, "step2", "color", out var color))
            {
                AskForColor(state);
            }

            return $"{state[Named.Length..]} likes {color}.";
        }

        if (isRetry && Inputs.TryGetText(request.Params, "step1", "name", out var name))
        {
            if (name.Length > 100)
            {
                throw new McpException("A name has at most 100 characters.");
            }

            AskForColor(Named + name);
        }

        Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["step1"] = Inputs.Text("Step 1: What is your name?", "name") }, Seal(request, "asked"));
        return "";

        void AskForColor(string state) => Inputs.Require(
            request.Server,
            new Dictionary<string, InputRequest> { ["step2"] = Inputs.Text("Step 2: What is your favorite color?", "color") },
            Seal(request, state));
    }

    [McpServerTool(Name = "test_input_required_result_capabilities")]
    [Description("Asks for whatever this client says it can answer, and for nothing else.")]
    public static string AskWhatIsOffered(RequestContext<CallToolRequestParams> request)
    {
        var requests = new Dictionary<string, InputRequest>
        {
            ["user_name"] = Inputs.Text("What is your name?", "name"),
            ["greeting"] = Inputs.Sample("Generate a greeting", maxTokens: 50),
            ["client_roots"] = Inputs.Roots(),
        };
        foreach (var (key, input) in requests)
        {
            if (!Inputs.Offers(request.Server, input.Method))
            {
                requests.Remove(key);
            }
        }

        if (requests.Count == 0)
        {
            return "This client offers neither elicitation nor sampling nor roots.";
        }

        if (request.Params.InputResponses is not { } answers || !requests.Keys.All(answers.ContainsKey))
        {
            Inputs.Require(request.Server, requests);
        }

        return $"Answered: {string.Join(", ", requests.Keys)}";
    }

    [McpServerTool(Name = "test_missing_capability")]
    [Description("Needs sampling and refuses clients that don't offer it.")]
    public static string NeedSampling(RequestContext<CallToolRequestParams> request)
    {
        Inputs.RequireCapability(request.Server, RequestMethods.SamplingCreateMessage);
        return "This client offers sampling.";
    }

    [McpServerTool(Name = "test_streaming_elicitation")]
    [Description("Asks the user within the response stream, without sending a request of its own.")]
    public static string ElicitOnStream(RequestContext<CallToolRequestParams> request)
    {
        if (!Inputs.TryGetConfirmation(request.Params, "confirm", "ok"))
        {
            Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["confirm"] = Inputs.Confirmation("Please confirm", "ok") });
        }

        return "Confirmed.";
    }

    private static string ConfirmWithState(RequestContext<CallToolRequestParams> request, string answer)
    {
        var isRetry = TryOpen(request, out _);
        if (!Inputs.TryGetConfirmation(request.Params, "confirm", "ok") || !isRetry)
        {
            Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["confirm"] = Inputs.Confirmation("Please confirm", "ok") }, Seal(request, "asked"));
        }

        return answer;
    }

    private static string Seal(RequestContext<CallToolRequestParams> request, string text) => State(request).Seal(request.Params.Name, request.User?.Identity?.Name, text);

    private static bool TryOpen(RequestContext<CallToolRequestParams> request, out string text)
    {
        text = request.Params.RequestState is { } state ? State(request).Open(request.Params.Name, request.User?.Identity?.Name, state) : "";
        return text.Length > 0;
    }

    private static RequestState State(RequestContext<CallToolRequestParams> request) => request.Services!.GetRequiredService<RequestState>();
}
