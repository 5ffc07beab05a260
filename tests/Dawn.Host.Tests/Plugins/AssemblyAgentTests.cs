using Dawn.Agents;
using Dawn.Identity;
using Dawn.Plugins;
using Dawn.Sessions;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Plugins;

public sealed class AssemblyAgentTests : IAsyncDisposable
{
    private const int Limit = 60_000;

    private readonly PluginSandbox _sandbox = new();

    public ValueTask DisposeAsync() => _sandbox.DisposeAsync();

    [Fact(Timeout = Limit)]
    public async Task Marked_classes_and_the_setup_class_are_offered()
    {
        var agent = await StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(("first", "plugins/agents/first", null), (agent.Id, agent.Origin, agent.Problem));
        Assert.Equal(["ask", "greet", "grow", "pass_on", "who"], agent.Card!.Tools);
        Assert.Equal((32, "first"), (agent.Card.Digest.Length, agent.Card.Title));
        await using var client = await ConnectAsync("2025-11-25");
        Assert.Equal("first", client.ServerInfo!.Name);
        Assert.Equal("Good day", client.ServerInstructions);
        Assert.Equal("introduce", Assert.Single(await client.ListPromptsAsync(cancellationToken: TestContext.Current.CancellationToken)).Name);
        var text = await client.ReadResourceAsync("fixture://text", cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("some text", Assert.IsType<TextResourceContents>(Assert.Single(text.Contents)).Text);
        var completed = await client.CompleteAsync(new PromptReference { Name = "introduce" }, "name", "", cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["completed"], completed.Completion.Values);
    }

    [Fact(Timeout = Limit)]
    public async Task A_tool_learns_who_calls()
    {
        await StartAsync(TestContext.Current.CancellationToken);
        await using var client = await ConnectAsync();
        Assert.Equal($"{FakeAgentHost.Node}:tester {FakeAgentHost.Node} tester guest", await CallAsync(client, "who"));
    }

    [Fact(Timeout = Limit)]
    public async Task An_agent_calls_another_by_its_address()
    {
        _sandbox.Install("Agent", "agents/second");
        _sandbox["second:Greeting"] = "Welcome";
        await StartAsync(TestContext.Current.CancellationToken);
        await using var client = await ConnectAsync();
        Assert.Contains("Welcome, friend", await CallAsync(client, "ask", ("address", "second"), ("name", "friend")), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Conversations_of_both_eras_run_side_by_side()
    {
        await StartAsync(TestContext.Current.CancellationToken);
        await using var older = await ConnectAsync("2025-11-25");
        await using var newer = await ConnectAsync();
        Assert.Equal("2025-11-25", older.NegotiatedProtocolVersion);
        Assert.NotEqual(older.NegotiatedProtocolVersion, newer.NegotiatedProtocolVersion);
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => CallAsync(i % 2 == 0 ? older : newer, "greet", ("name", $"number {i}"))));
        Assert.All(answers.Index(), a => Assert.Contains($"Good day, number {a.Index}\"", a.Item, StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task A_tool_that_comes_later_is_told_and_changes_the_card()
    {
        var agent = await StartAsync(TestContext.Current.CancellationToken);
        var before = agent.Card!;
        var changed = new TaskCompletionSource();
        agent.Changed += () => changed.TrySetResult();
        await using var client = await ConnectAsync("2025-11-25");
        var told = new TaskCompletionSource();
        await using var registration = client.RegisterNotificationHandler(NotificationMethods.ToolListChangedNotification, (_, _) =>
        {
            told.TrySetResult();
            return default;
        });
        Assert.Equal("grown", await CallAsync(client, "grow"));
        await Task.WhenAll(told.Task, changed.Task).WaitAsync(TestContext.Current.CancellationToken);
        Assert.Contains("grown", agent.Card!.Tools);
        Assert.NotEqual(before.Digest.AsSpan().ToArray(), agent.Card.Digest.AsSpan().ToArray());
    }

    [Fact(Timeout = Limit)]
    public async Task The_same_assembly_has_the_same_digest()
    {
        _sandbox.Install("Agent", "agents/second");
        var first = await StartAsync(TestContext.Current.CancellationToken);
        var second = _sandbox.Agents.Agents.Single(a => a.Id == "second");
        Assert.Equal(first.Card!.Digest.AsSpan().ToArray(), second.Card!.Digest.AsSpan().ToArray());
    }

    [Fact(Timeout = Limit)]
    public async Task The_manifest_names_the_agent_and_gives_defaults_that_settings_override()
    {
        Manifest("""{ "id": "greeter", "title": "The greeter", "description": "Greets.", "settings": { "Greeting": "Hello", "Mood": "Calm" }, /* yes */ }""");
        _sandbox["first:Mood"] = "Cheerful";
        var agent = await StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(("greeter", "The greeter"), (agent.Id, agent.Card!.Title));
        await using var client = await ConnectAsync(agent: "greeter");
        var said = await CallAsync(client, "greet", ("name", "you"));
        Assert.Contains("Hello, you", said, StringComparison.Ordinal);
        Assert.Equal("Greets.", client.ServerInfo!.Description);
    }

    [Fact(Timeout = Limit)]
    public async Task Callers_are_those_of_the_settings_over_those_of_the_manifest_over_members()
    {
        var far = new Caller(FakeAgentHost.Node, "x", CertificateRole.Guest, IsLocal: false);
        Assert.True((await StartAsync(TestContext.Current.CancellationToken)).Policy.Allows(far));
        Manifest("""{ "share": "owner", "tools": { "grow": "owner", "ask": "guest" } }""");
        await Eventually.HoldsAsync(() => Policy?.Allows(far) == false);
        _sandbox["first:Share"] = "guest";
        _sandbox["first:Tools:ask"] = "owner";
        await Eventually.HoldsAsync(() => Policy?.Allows(far) == true);
        Assert.Equal((false, false, true), (Policy!.AllowsTool(far, "grow"), Policy.AllowsTool(far, "ask"), Policy.AllowsTool(far, "greet")));
    }

    [Fact(Timeout = Limit)]
    public async Task An_agent_may_be_off_unless_it_is_turned_on()
    {
        Manifest("""{ "enabled": false }""");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(PluginState.Disabled, _sandbox.Status("agents/first").State);
        _sandbox["first:Enabled"] = "true";
        await Eventually.HoldsAsync(() => _sandbox.Agents.Agents.Count == 1);
    }

    [Theory(Timeout = Limit)]
    [InlineData("""{ "titel": "x" }""", "titel")]
    [InlineData("""{ "title": 1 }""", "title")]
    [InlineData("""{ "id": "Not Valid" }""", "Not Valid")]
    [InlineData("""{ "id": "node" }""", "reserved")]
    [InlineData("""{ "id": "ws" }""", "'ws' is reserved: /mcp/ws is the gateway's address for WebSocket clients")]
    [InlineData("""{ "id": "a", "id": "b" }""", "id")]
    [InlineData("""{ "enabled": "yes" }""", "enabled")]
    [InlineData("""{ "share": "everybody" }""", "everybody")]
    [InlineData("""{ "tools": { "graet": "owner" } }""", "graet")]
    [InlineData("""[]""", "object")]
    [InlineData("""{ """, "JSON")]
    public async Task A_wrong_manifest_is_refused_by_its_key(string json, string named)
    {
        Manifest(json);
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var status = _sandbox.Status("agents/first");
        Assert.Equal((PluginKind.Agent, PluginState.Failed), (status.Kind, status.State));
        Assert.Contains(named, status.Cause, StringComparison.Ordinal);
        Assert.Empty(_sandbox.Agents.Agents);
    }

    [Fact(Timeout = Limit)]
    public async Task A_manifest_beyond_all_measure_is_not_read()
    {
        Manifest($$"""{ "title": "{{new string('x', 70_000)}}" }""");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Contains("64 KiB", _sandbox.Status("agents/first").Cause, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task An_assembly_without_MCP_types_is_no_agent()
    {
        _sandbox.Install("Misbehaving", "agents/none");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal("No MCP types found.", _sandbox.Status("agents/none").Cause);
    }

    [Fact(Timeout = Limit)]
    public async Task Of_two_agents_of_a_name_the_second_is_refused()
    {
        _sandbox.Install("Agent", "agents/second");
        await File.WriteAllTextAsync(Path.Combine(_sandbox.Directory, "agents/second/agent.json"), """{ "id": "first" }""", TestContext.Current.CancellationToken);
        await StartAsync(TestContext.Current.CancellationToken);
        var failed = Assert.Single(_sandbox.Host.Snapshot, s => s.State == PluginState.Failed);
        Assert.Contains("'first'", failed.Cause, StringComparison.Ordinal);
        Assert.Single(_sandbox.Agents.Agents);
    }

    [Fact(Timeout = Limit)]
    public async Task An_agent_built_against_a_newer_SDK_that_it_carries_along_gets_the_hosts()
    {
        var folder = _sandbox.Install("Agent", "agents/first");
        PluginSandbox.Rereference(Path.Combine(folder, "Dawn.Fixtures.Agent.dll"), "ModelContextProtocol.Core", 9);
        foreach (var copy in new[] { "ModelContextProtocol.Core.dll", "Microsoft.Extensions.AI.Abstractions.dll" })
        {
            File.Copy(Path.Combine(PluginSandbox.Built, copy), Path.Combine(folder, copy));
        }

        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal((PluginState.Active, null), (_sandbox.Status("agents/first").State, _sandbox.Status("agents/first").Problem));
        await using var client = await ConnectAsync();
        Assert.Contains("Good day, you", await CallAsync(client, "greet", ("name", "you")), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_deleted_agent_leaves_the_host_of_agents()
    {
        await StartAsync(TestContext.Current.CancellationToken);
        Directory.Delete(Path.Combine(_sandbox.Directory, "agents/first"), recursive: true);
        await Eventually.HoldsAsync(() => _sandbox.Agents.Agents.Count == 0 && _sandbox.Host.Snapshot.Count == 0);
    }

    private AgentPolicy? Policy => _sandbox.Agents.Agents.SingleOrDefault()?.Policy;

    private void Manifest(string json)
    {
        _sandbox.Install("Agent", "agents/first");
        File.WriteAllText(Path.Combine(_sandbox.Directory, "agents/first/agent.json"), json);
    }

    private async Task<IHostedAgent> StartAsync(CancellationToken cancellationToken)
    {
        if (!Directory.Exists(Path.Combine(_sandbox.Directory, "agents/first")))
        {
            _sandbox.Install("Agent", "agents/first");
        }

        await _sandbox.Host.StartAsync(cancellationToken);
        return _sandbox.Agents.Agents.First(a => a.Origin == "plugins/agents/first" || a.Id == "first");
    }

    private async Task<McpClient> ConnectAsync(string? protocol = null, string agent = "first")
    {
        var channel = await _sandbox.Agents.DialAsync(new(FakeAgentHost.Node, agent), "tester", TestContext.Current.CancellationToken);
        return await McpClient.CreateAsync(new ChannelClientTransport(agent, channel), new() { ProtocolVersion = protocol }, null, TestContext.Current.CancellationToken);
    }

    private static async Task<string> CallAsync(McpClient client, string tool, params (string Key, object? Value)[] arguments)
    {
        var result = await client.CallToolAsync(tool, arguments.ToDictionary(a => a.Key, a => a.Value), cancellationToken: TestContext.Current.CancellationToken);
        return Assert.IsType<TextContentBlock>(result.Content[0]).Text;
    }
}
