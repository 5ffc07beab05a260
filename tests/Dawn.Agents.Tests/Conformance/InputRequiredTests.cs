using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Conformance;

public sealed class InputRequiredTests
{
    [Theory(Timeout = 10_000)]
    [InlineData("test_input_required_result_elicitation", "Hello, my name!")]
    [InlineData("test_input_required_result_sampling", "The model says: answer to What is the capital of France?")]
    [InlineData("test_input_required_result_list_roots", "The client's roots: file:///test/root")]
    [InlineData("test_input_required_result_request_state", "state-ok")]
    [InlineData("test_input_required_result_tampered_state", "The state came back unaltered.")]
    [InlineData("test_input_required_result_multiple_inputs", "answer to Generate a greeting my name, you have 1 roots.")]
    [InlineData("test_input_required_result_multi_round", "my name likes my color.")]
    [InlineData("test_input_required_result_capabilities", "Answered: user_name, greeting, client_roots")]
    [InlineData("test_streaming_elicitation", "Confirmed.")]
    [InlineData("test_missing_capability", "This client offers sampling.")]
    public async Task Tools_complete_once_the_client_answered_in_both_eras(string tool, string expected)
    {
        await using var agent = LoadedAgent.Conformance();
        foreach (var protocol in new[] { Protocols.Initialize, Protocols.PerRequest })
        {
            await using var conversation = await agent.OpenAsync(Protocols.Client(protocol));
            Assert.Equal(expected, (await conversation.CallAsync(tool)).Text());
        }
    }

    [Fact(Timeout = 10_000)]
    public async Task A_prompt_completes_too()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.PerRequest));
        var prompt = await conversation.Client.GetPromptAsync("test_input_required_result_prompt", cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("Use this context: my context", prompt.Text());
    }

    [Fact(Timeout = 10_000)]
    public async Task A_user_who_declines_is_not_asked_again()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.PerRequest, action: "decline"));
        Assert.Contains("decline", (await conversation.CallAsync("test_input_required_result_elicitation")).Error(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_client_is_asked_for_nothing_that_it_does_not_offer()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(new() { ProtocolVersion = Protocols.PerRequest });
        Assert.StartsWith("This client offers neither", (await conversation.CallAsync("test_input_required_result_capabilities")).Text(), StringComparison.Ordinal);
        foreach (var tool in new[] { "test_missing_capability", "test_input_required_result_sampling", "test_input_required_result_elicitation" })
        {
            var error = await Assert.ThrowsAnyAsync<McpProtocolException>(() => conversation.CallAsync(tool));
            Assert.Equal(McpErrorCode.MissingRequiredClientCapability, error.ErrorCode);
        }
    }

    [Theory(Timeout = 10_000)]
    [InlineData("""{ "user_name": 12345 }""")]
    [InlineData("""{ "user_name": { "action": "accept" } }""")]
    [InlineData("""{ "user_name": { "action": "accept", "content": { "name": 7 } } }""")]
    [InlineData("""{ "wrong_key": { "action": "accept", "content": { "name": "Ada" } } }""")]
    [InlineData("{}")]
    [InlineData("null")]
    public async Task Answers_that_are_none_are_asked_for_again(string responses)
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenRawAsync();
        var result = await CallAsync(conversation, "test_input_required_result_elicitation", JsonNode.Parse(responses));
        Assert.Equal("input_required", (string?)result["resultType"]);
        Assert.Equal("elicitation/create", (string?)result["inputRequests"]!["user_name"]!["method"]);
    }

    [Fact(Timeout = 10_000)]
    public async Task Answers_that_nobody_asked_for_are_ignored()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenRawAsync();
        var result = await CallAsync(conversation, "test_input_required_result_elicitation", JsonNode.Parse("""
            { "user_name": { "action": "accept", "content": { "name": "Ada" } }, "more": { "action": "accept", "content": { "x": 1 } } }
            """));
        Assert.Equal("Hello, Ada!", (string?)result["content"]![0]!["text"]);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_state_serves_the_next_conversation_of_its_caller()
    {
        await using var agent = LoadedAgent.Conformance();
        string state;
        await using (var first = await agent.OpenRawAsync("ada"))
        {
            state = await AskAsync(first);
        }

        await using var second = await agent.OpenRawAsync("ada");
        Assert.Equal("state-ok", (string?)(await ConfirmAsync(second, state))["content"]![0]!["text"]);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_state_is_refused_when_altered_or_used_elsewhere()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var ada = await agent.OpenRawAsync("ada");
        await using var eve = await agent.OpenRawAsync("eve");
        var state = await AskAsync(ada);
        await RefusedAsync(ada, state + "-TAMPERED");
        await RefusedAsync(ada, state[..^1]);
        await RefusedAsync(ada, (state[0] == 'A' ? 'B' : 'A') + state[1..]);
        await RefusedAsync(ada, "not base64!");
        await RefusedAsync(ada, new string('A', 100_000));
        await RefusedAsync(ada, state, tool: "test_input_required_result_tampered_state");
        await RefusedAsync(eve, state);
        Assert.Equal("state-ok", (string?)(await ConfirmAsync(ada, state))["content"]![0]!["text"]);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_state_expires()
    {
        var time = new FakeTimeProvider();
        await using var agent = LoadedAgent.Conformance(time);
        await using var conversation = await agent.OpenRawAsync();
        var state = await AskAsync(conversation);
        time.Advance(TimeSpan.FromMinutes(9));
        await ConfirmAsync(conversation, state);
        time.Advance(TimeSpan.FromMinutes(2));
        await RefusedAsync(conversation, state);
    }

    private static async Task<string> AskAsync(RawConversation conversation) =>
        (string)(await CallAsync(conversation, "test_input_required_result_request_state", null))["requestState"]!;

    private static Task<JsonObject> ConfirmAsync(RawConversation conversation, string state) =>
        CallAsync(conversation, "test_input_required_result_request_state", Confirmation(), state);

    private static async Task RefusedAsync(RawConversation conversation, string state, string tool = "test_input_required_result_request_state")
    {
        var error = Assert.IsType<JsonRpcError>(await SendAsync(conversation, tool, Confirmation(), state)).Error;
        Assert.Equal((int)McpErrorCode.InvalidParams, error.Code);
        Assert.Contains("requestState", error.Message, StringComparison.Ordinal);
    }

    private static JsonNode Confirmation() => JsonNode.Parse("""{ "confirm": { "action": "accept", "content": { "ok": true } } }""")!;

    private static async Task<JsonObject> CallAsync(RawConversation conversation, string tool, JsonNode? responses, string? state = null) =>
        Assert.IsType<JsonRpcResponse>(await SendAsync(conversation, tool, responses, state)).Result!.AsObject();

    private static Task<JsonRpcMessage> SendAsync(RawConversation conversation, string tool, JsonNode? responses, string? state)
    {
        var parameters = new JsonObject { ["name"] = tool, ["arguments"] = new JsonObject(), ["inputResponses"] = responses };
        if (state is not null)
        {
            parameters["requestState"] = state;
        }

        return conversation.SendAsync(RequestMethods.ToolsCall, parameters);
    }
}
