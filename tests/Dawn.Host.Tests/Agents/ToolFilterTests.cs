using System.Text;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Agents;

public sealed class ToolFilterTests
{
    private const string Setting = "Dawn:McpServers:files:Tools";

    private static readonly AgentPolicy Policy = AgentPolicy.Members.WithTools(("delete", Audience.OwnNode), ("read", Audience.Everyone));

    private readonly MeshChannel _near;
    private readonly MeshChannel _far;

    public ToolFilterTests()
    {
        (_near, var far) = LocalChannel.CreatePair();
        _far = ToolFilter.Wrap(far, Policy, Callers.Member, Setting);
    }

    [Fact]
    public void A_caller_to_whom_all_tools_are_open_gets_the_channel_itself()
    {
        var (_, far) = LocalChannel.CreatePair();
        Assert.Same(far, ToolFilter.Wrap(far, Policy, Callers.Owner, Setting));
        Assert.Same(far, ToolFilter.Wrap(far, AgentPolicy.Members, Callers.Member, Setting));
    }

    [Fact(Timeout = 30_000)]
    public async Task A_call_of_an_excluded_tool_is_answered_without_the_agent()
    {
        await _near.SendAsync("""{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"delete","arguments":{}}}"""u8.ToArray(), TestContext.Current.CancellationToken);
        var allowed = """{"jsonrpc":"2.0", "id":2,"method":"tools/call","params":{"name":"read", "x":1.50}}"""u8.ToArray();
        await _near.SendAsync(allowed, TestContext.Current.CancellationToken);
        using var passed = (await _far.ReceiveAsync(TestContext.Current.CancellationToken))!.Value;
        Assert.Equal(allowed, passed.Span);
        var refusal = await ReadAsync();
        Assert.Equal("a", (string?)refusal["id"]);
        Assert.Equal(JsonRpcErrors.Refused, (int?)refusal["error"]!["code"]);
        Assert.Contains(Setting, (string?)refusal["error"]!["message"]);
        Assert.Equal("not-executed", (string?)refusal["error"]!["data"]!["dawn"]);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"delete"}}""")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete"}}""")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete"}}""")]
    [InlineData("""[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}]""")]
    [InlineData("not json")]
    public async Task What_parsers_could_read_in_two_ways_ends_the_conversation(string message)
    {
        await _near.SendAsync(Encoding.UTF8.GetBytes(message), TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<MeshException>(async () => await _far.ReceiveAsync(TestContext.Current.CancellationToken));
        Assert.Equal(MeshError.Protocol, error.Error);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"delete"}}""")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"del\u0065te"}}""")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/call","params":{"name":"DELETE"}}""")]
    public async Task A_disguised_name_is_excluded_all_the_same(string message)
    {
        await _near.SendAsync(Encoding.UTF8.GetBytes(message), TestContext.Current.CancellationToken);
        await _near.SendAsync("{}"u8.ToArray(), TestContext.Current.CancellationToken);
        using var passed = (await _far.ReceiveAsync(TestContext.Current.CancellationToken))!.Value;
        Assert.Equal("{}"u8, passed.Span);
        Assert.Equal(JsonRpcErrors.Refused, (int?)(await ReadAsync())["error"]!["code"]);
    }

    [Fact(Timeout = 30_000)]
    public async Task Lists_pass_without_excluded_tools_and_with_everything_else()
    {
        await _far.SendAsync(
            """{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read","x-kept":1.50},{"name":"delete"},{"name":"other"}],"nextCursor":"2","x-unknown":{"a":[]}}}"""u8.ToArray(),
            TestContext.Current.CancellationToken);
        Assert.Equal(
            """{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read","x-kept":1.50},{"name":"other"}],"nextCursor":"2","x-unknown":{"a":[]}}}""",
            (await ReadAsync()).ToJsonString());
    }

    [Theory(Timeout = 30_000)]
    [InlineData("""{"jsonrpc":"2.0","id":1, "result":{"tools":[{"name":"read"}]}}""")]
    [InlineData("""{"jsonrpc":"2.0","id":1, "result":{"content":[{"type":"text","text":"\"tools\""}], "tools":["delete"]}}""")]
    [InlineData("""{"jsonrpc":"2.0", "method":"notifications/tools/list_changed"}""")]
    public async Task Everything_else_passes_byte_by_byte(string message)
    {
        await _far.SendAsync(Encoding.UTF8.GetBytes(message), TestContext.Current.CancellationToken);
        using var received = (await _near.ReceiveAsync(TestContext.Current.CancellationToken))!.Value;
        Assert.Equal(message, Encoding.UTF8.GetString(received.Span));
    }

    private async Task<JsonObject> ReadAsync()
    {
        using var message = (await _near.ReceiveAsync(TestContext.Current.CancellationToken))!.Value;
        return JsonNode.Parse(message.Span)!.AsObject();
    }
}
