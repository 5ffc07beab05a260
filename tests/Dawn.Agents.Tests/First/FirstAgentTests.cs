using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.First;

public sealed class FirstAgentTests
{
    private static readonly DateTimeOffset Winter = new(2026, 1, 15, 11, 30, 0, TimeSpan.Zero);

    [Fact(Timeout = 10_000)]
    public async Task Offers_four_tools_two_resources_and_two_prompts_all_described()
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        var tools = await conversation.Client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["echo", "ping", "roll", "time"], tools.Select(tool => tool.Name).Order());
        Assert.All(tools, tool =>
        {
            Assert.NotEmpty(tool.Description);
            Assert.NotNull(tool.Title);
            Assert.True(tool.ProtocolTool.Annotations?.ReadOnlyHint);
            Assert.False(tool.ProtocolTool.Annotations?.OpenWorldHint);
        });
        Assert.Equal(["ping", "roll", "time"], tools.Where(tool => tool.ProtocolTool.OutputSchema is not null).Select(tool => tool.Name).Order());

        var resources = await conversation.Client.ListResourcesAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["first://about", "first://now"], resources.Select(resource => resource.Uri).Order());
        var prompts = await conversation.Client.ListPromptsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["decide", "tour"], prompts.Select(prompt => prompt.Name).Order());
        Assert.NotNull(conversation.Client.ServerInstructions);
    }

    [Fact(Timeout = 10_000)]
    public async Task Ping_says_who_called_and_when()
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync(caller: "abcdef:owner");
        var result = await conversation.CallAsync("ping");
        Assert.Equal("pong", result.Text());
        var pong = result.StructuredContent!.Value;
        Assert.Equal("abcdef:owner", pong.GetProperty("caller").GetString());
        Assert.Equal(Winter, pong.GetProperty("at").GetDateTimeOffset());
    }

    [Fact(Timeout = 10_000)]
    public async Task Ping_without_a_caller_says_so()
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        var result = await conversation.CallAsync("ping");
        Assert.Equal("pong", result.Text());
        Assert.Equal(JsonValueKind.Null, result.StructuredContent!.Value.GetProperty("caller").ValueKind);
    }

    [Theory(Timeout = 10_000)]
    [InlineData("")]
    [InlineData("hi")]
    [InlineData("Grüezi \u0000 \"\\\n 日本 🌄")]
    public async Task Echo_returns_the_message_as_it_came(string message)
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        Assert.Equal(message, (await conversation.CallAsync("echo", ("message", message))).Text());
    }

    [Fact(Timeout = 10_000)]
    public async Task A_missing_argument_and_an_unknown_tool_are_errors_and_the_conversation_goes_on()
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        Assert.True((await conversation.CallAsync("echo")).IsError);
        await Assert.ThrowsAsync<McpProtocolException>(() => conversation.CallAsync("shout", ("message", "hi")));
        Assert.Equal("hi", (await conversation.CallAsync("echo", ("message", "hi"))).Text());
    }

    [Theory(Timeout = 10_000)]
    [InlineData(null, "2026-01-15T11:30:00+00:00", "UTC", false)]
    [InlineData("UTC", "2026-01-15T11:30:00+00:00", "UTC", false)]
    [InlineData("Europe/Zurich", "2026-01-15T12:30:00+01:00", "Europe/Zurich", false)]
    [InlineData("Australia/Sydney", "2026-01-15T22:30:00+11:00", "Australia/Sydney", true)]
    public async Task Time_is_told_in_any_zone(string? zone, string expected, string id, bool daylightSaving)
    {
        Assert.SkipUnless(zone is null or "UTC" || TimeZoneInfo.TryFindSystemTimeZoneById(zone, out _), "This machine has no time zone data.");
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        var result = await (zone is null ? conversation.CallAsync("time") : conversation.CallAsync("time", ("timeZone", zone)));
        var clock = result.StructuredContent!.Value;
        Assert.Equal(expected, clock.GetProperty("time").GetString());
        Assert.Equal(id, clock.GetProperty("zone").GetString());
        Assert.Equal(daylightSaving, clock.GetProperty("daylightSaving").GetBoolean());
    }

    [Theory(Timeout = 10_000)]
    [InlineData("Europe/Atlantis")]
    [InlineData("../../../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("Europe/../UTC")]
    [InlineData("zone.tab")]
    [InlineData("UTC\n")]
    [InlineData("Europe")]
    public async Task A_zone_that_is_none_is_refused_with_advice(string zone)
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        Assert.Contains("IANA", (await conversation.CallAsync("time", ("timeZone", zone))).Error(), StringComparison.Ordinal);
    }

    [Theory(Timeout = 10_000)]
    [InlineData("2d6", "2d6", 2, 6, 0)]
    [InlineData("d20", "1d20", 1, 20, 0)]
    [InlineData("3D8+2", "3d8+2", 3, 8, 2)]
    [InlineData("1d2-10", "1d2-10", 1, 2, -10)]
    [InlineData("100d1000", "100d1000", 100, 1000, 0)]
    public async Task Dice_show_what_they_can_and_add_up(string dice, string spelled, int count, int sides, int modifier)
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        var thrown = (await conversation.CallAsync("roll", ("dice", dice))).StructuredContent!.Value;
        int[] rolls = [.. thrown.GetProperty("rolls").EnumerateArray().Select(roll => roll.GetInt32())];
        Assert.Equal(spelled, thrown.GetProperty("dice").GetString());
        Assert.Equal(count, rolls.Length);
        Assert.All(rolls, roll => Assert.InRange(roll, 1, sides));
        Assert.Equal(rolls.Sum() + modifier, thrown.GetProperty("total").GetInt32());
    }

    [Fact(Timeout = 10_000)]
    public async Task The_same_seed_throws_the_same_dice()
    {
        var totals = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            await using var agent = Load(seed: 7);
            await using var conversation = await agent.OpenAsync();
            totals.Add((await conversation.CallAsync("roll", ("dice", "20d100"))).StructuredContent!.Value.GetRawText());
        }

        Assert.Equal(totals[0], totals[1]);
    }

    [Theory(Timeout = 10_000)]
    [InlineData("")]
    [InlineData("six")]
    [InlineData("2d")]
    [InlineData("2d6 ")]
    [InlineData("2d6+")]
    [InlineData("-2d6")]
    [InlineData("٢d٦")]
    [InlineData("0d6")]
    [InlineData("101d6")]
    [InlineData("2d1")]
    [InlineData("2d1001")]
    [InlineData("2d6+10001")]
    [InlineData("999999999999999999999999999999d6")]
    public async Task Dice_that_cannot_be_thrown_are_refused(string dice)
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        Assert.Matches("dice expression|must be between", (await conversation.CallAsync("roll", ("dice", dice))).Error());
    }

    [Fact(Timeout = 10_000)]
    public async Task Resources_and_prompts_answer()
    {
        await using var agent = Load();
        await using var conversation = await agent.OpenAsync();
        var ct = TestContext.Current.CancellationToken;
        var about = await conversation.Client.ReadResourceAsync("first://about", cancellationToken: ct);
        Assert.Contains("`roll`", Assert.IsType<TextResourceContents>(about.Contents[0]).Text, StringComparison.Ordinal);
        var now = await conversation.Client.ReadResourceAsync("first://now", cancellationToken: ct);
        Assert.Equal("2026-01-15 11:30:00 UTC", Assert.IsType<TextResourceContents>(now.Contents[0]).Text);
        Assert.Contains("ping", (await conversation.Client.GetPromptAsync("tour", cancellationToken: ct)).Text(), StringComparison.Ordinal);
        var decide = await conversation.Client.GetPromptAsync("decide", new Dictionary<string, object?> { ["options"] = "tea, coffee" }, cancellationToken: ct);
        Assert.Contains("tea, coffee", decide.Text(), StringComparison.Ordinal);
        await Assert.ThrowsAsync<McpProtocolException>(async () => await conversation.Client.GetPromptAsync("decide", new Dictionary<string, object?> { ["options"] = new string('x', 1001) }, cancellationToken: ct));
        await Assert.ThrowsAsync<McpProtocolException>(async () => await conversation.Client.ReadResourceAsync("first://nothing", cancellationToken: ct));
    }

    private static LoadedAgent Load(int seed = 1)
    {
        var random = new Random(seed);
        return LoadedAgent.First(services => services
            .AddSingleton<TimeProvider>(new FakeTimeProvider(Winter))
            .AddSingleton<Agents.First.Die>(sides => random.Next(1, sides + 1)));
    }
}
