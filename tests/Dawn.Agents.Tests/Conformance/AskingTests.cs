namespace Dawn.Agents.Tests.Conformance;

public sealed class AskingTests
{
    [Theory(Timeout = 10_000)]
    [InlineData("test_sampling", "LLM response: answer to hi")]
    [InlineData("test_elicitation", """User response: action=accept, content={"username":"my username","email":"my email"}""")]
    [InlineData("test_elicitation_sep1034_defaults", """Elicitation completed: action=accept, content={"name":"my name","age":30,"score":95.5,"status":"my status","verified":true}""")]
    [InlineData("test_elicitation_sep1330_enums", """Elicitation completed: action=accept, content={"untitledSingle":"my untitledSingle","titledSingle":"my titledSingle","legacyEnum":"my legacyEnum","untitledMulti":[],"titledMulti":[]}""")]
    public async Task The_client_is_asked_in_mid_call(string tool, string expected)
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        Assert.Equal(expected, (await conversation.CallAsync(tool, ("prompt", "hi"), ("message", "hi"))).Text());
    }

    [Theory(Timeout = 10_000)]
    [InlineData("test_sampling", "sampling")]
    [InlineData("test_elicitation", "elicitation")]
    public async Task A_client_that_cannot_answer_gets_an_error(string tool, string missing)
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(new() { ProtocolVersion = Protocols.Initialize });
        Assert.Contains(missing, (await conversation.CallAsync(tool, ("prompt", "hi"), ("message", "hi"))).Error(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_user_may_decline()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.Initialize, action: "decline"));
        Assert.Equal("User response: action=decline, content=null", (await conversation.CallAsync("test_elicitation", ("message", "hi"))).Text());
    }

    [Fact(Timeout = 10_000)]
    public async Task A_transport_without_streams_has_nothing_to_reconnect_to()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        Assert.Equal("This transport has no streams to reconnect to.", (await conversation.CallAsync("test_reconnection")).Text());
    }
}
