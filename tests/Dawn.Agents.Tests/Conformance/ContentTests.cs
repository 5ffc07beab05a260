using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Conformance;

public sealed class ContentTests
{
    [Theory(Timeout = 10_000)]
    [InlineData("test_simple_text", "text")]
    [InlineData("test_image_content", "image")]
    [InlineData("test_audio_content", "audio")]
    [InlineData("test_embedded_resource", "resource")]
    [InlineData("test_multiple_content_types", "text,image,resource")]
    public async Task Each_tool_returns_its_kind_of_content(string tool, string kinds)
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        var result = await conversation.CallAsync(tool);
        Assert.Equal(kinds, string.Join(',', result.Content.Select(block => block.Type)));
        Assert.NotEqual(true, result.IsError);
    }

    [Fact(Timeout = 10_000)]
    public async Task Media_are_real_files()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        var image = Assert.IsType<ImageContentBlock>((await conversation.CallAsync("test_image_content")).Content[0]);
        Assert.Equal("image/png", image.MimeType);
        Assert.True(image.DecodedData.Span[1..].StartsWith("PNG\r\n"u8));
        var sound = Assert.IsType<AudioContentBlock>((await conversation.CallAsync("test_audio_content")).Content[0]);
        Assert.Equal("audio/wav", sound.MimeType);
        Assert.True(sound.DecodedData.Span.StartsWith("RIFF"u8));
        Assert.Equal(sound.DecodedData.Length - 8, BitConverter.ToInt32(sound.DecodedData.Span[4..]));
    }

    [Fact(Timeout = 10_000)]
    public async Task A_failing_tool_fails_in_its_own_words()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        Assert.Equal("This tool intentionally returns an error for testing", (await conversation.CallAsync("test_error_handling")).Error());
    }

    [Theory(Timeout = 10_000)]
    [InlineData(Protocols.Initialize)]
    [InlineData(Protocols.PerRequest)]
    public async Task Lists_hold_what_the_suite_calls(string protocol)
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(protocol));
        var ct = TestContext.Current.CancellationToken;
        var tools = (await conversation.Client.ListToolsAsync(cancellationToken: ct)).Select(tool => tool.Name).ToHashSet();
        Assert.Superset(new HashSet<string>(
        [
            "test_simple_text", "test_image_content", "test_audio_content", "test_embedded_resource", "test_multiple_content_types", "test_tool_with_logging",
            "test_tool_with_progress", "test_error_handling", "test_sampling", "test_elicitation", "test_elicitation_sep1034_defaults",
            "test_elicitation_sep1330_enums", "json_schema_2020_12_tool", "test_reconnection", "test_header_tool", "test_input_required_result_elicitation",
            "test_input_required_result_sampling", "test_input_required_result_list_roots", "test_input_required_result_request_state",
            "test_input_required_result_multiple_inputs", "test_input_required_result_multi_round", "test_input_required_result_tampered_state",
            "test_input_required_result_capabilities", "test_missing_capability", "test_streaming_elicitation", "test_logging_tool",
            "test_trigger_tool_change", "test_trigger_prompt_change",
        ]), tools);
        Assert.Equal(5, (await conversation.Client.ListPromptsAsync(cancellationToken: ct)).Count);
        Assert.Equal(3, (await conversation.Client.ListResourcesAsync(cancellationToken: ct)).Count);
        Assert.Equal("test://template/{id}/data", Assert.Single(await conversation.Client.ListResourceTemplatesAsync(cancellationToken: ct)).UriTemplate);
    }

    [Fact(Timeout = 10_000)]
    public async Task The_2020_12_schema_arrives_whole_and_headers_are_marked()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        var tools = await conversation.Client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        var schema = tools.Single(tool => tool.Name == "json_schema_2020_12_tool").JsonSchema;
        Assert.Equal("addressDef", schema.GetProperty("$defs").GetProperty("address").GetProperty("$anchor").GetString());
        Assert.All(["$schema", "allOf", "if", "then", "else", "additionalProperties"], keyword => Assert.True(schema.TryGetProperty(keyword, out _), keyword));
        var header = tools.Single(tool => tool.Name == "test_header_tool").JsonSchema;
        Assert.Equal("Region", header.GetProperty("properties").GetProperty("region").GetProperty("x-mcp-header").GetString());

        Assert.Equal("Ada by phone: 123", (await conversation.CallAsync("json_schema_2020_12_tool", ("name", "Ada"), ("contactMethod", "phone"), ("phone", "123"))).Text());
        Assert.Contains("email", (await conversation.CallAsync("json_schema_2020_12_tool", ("contactMethod", "email"), ("phone", "123"))).Error(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 10_000)]
    public async Task Resources_are_read_with_cache_hints_and_missing_ones_are_named()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        var ct = TestContext.Current.CancellationToken;
        var text = await conversation.Client.ReadResourceAsync("test://static-text", cancellationToken: ct);
        Assert.Equal("This is the content of the static text resource.", Assert.IsType<TextResourceContents>(text.Contents[0]).Text);
        Assert.Equal((TimeSpan.FromSeconds(10), CacheScope.Public), (text.TimeToLive!.Value, text.CacheScope!.Value));
        var binary = await conversation.Client.ReadResourceAsync("test://static-binary", cancellationToken: ct);
        Assert.Equal("image/png", Assert.IsType<BlobResourceContents>(binary.Contents[0]).MimeType);
        var data = Assert.IsType<TextResourceContents>((await conversation.Client.ReadResourceAsync("test://template/123/data", cancellationToken: ct)).Contents[0]);
        Assert.Equal("test://template/123/data", data.Uri);
        Assert.Contains("\"id\":\"123\"", data.Text, StringComparison.Ordinal);

        var error = await Assert.ThrowsAsync<McpProtocolException>(async () => await conversation.Client.ReadResourceAsync("test://nothing", cancellationToken: ct));
        Assert.Equal(McpErrorCode.InvalidParams, error.ErrorCode);
        Assert.Equal("test://nothing", error.Data["uri"]?.ToString());
    }

    [Fact(Timeout = 10_000)]
    public async Task Prompts_take_arguments_and_complete_them()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        var ct = TestContext.Current.CancellationToken;
        var prompt = await conversation.Client.GetPromptAsync("test_prompt_with_arguments", new Dictionary<string, object?> { ["arg1"] = "hello", ["arg2"] = "world" }, cancellationToken: ct);
        Assert.Equal("Prompt with arguments: arg1='hello', arg2='world'", prompt.Text());
        var embedded = await conversation.Client.GetPromptAsync("test_prompt_with_embedded_resource", new Dictionary<string, object?> { ["resourceUri"] = "test://x" }, cancellationToken: ct);
        Assert.Equal("test://x", Assert.IsType<EmbeddedResourceBlock>(embedded.Messages[0].Content).Resource.Uri);
        Assert.IsType<ImageContentBlock>((await conversation.Client.GetPromptAsync("test_prompt_with_image", cancellationToken: ct)).Messages[0].Content);

        var reference = new PromptReference { Name = "test_prompt_with_arguments" };
        var completed = await conversation.Client.CompleteAsync(reference, "arg1", "par", cancellationToken: ct);
        Assert.Equal(["paris", "park", "party"], completed.Completion.Values);
        await Assert.ThrowsAsync<McpProtocolException>(async () => await conversation.Client.CompleteAsync(reference, "arg3", "", cancellationToken: ct));
    }
}
