using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Agents.External;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Agents.External;

public sealed class ExternalServersTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new();
    private readonly AgentHost _host;
    private readonly SettingsSource _settings = new();
    private readonly List<ExternalServerSettings> _created = [];
    private readonly ExternalServers _servers;

    public ExternalServersTests()
    {
        _host = new(NullLogger<AgentHost>.Instance, _time);
        var configuration = new ConfigurationBuilder().Add(_settings).Build();
        _servers = new(configuration, _host, new NullLoggerFactory(), _time, new SeededEntropy(), settings =>
        {
            _created.Add(settings);
            return new StdioAgent(settings, NullLogger.Instance, _time, new SeededEntropy(), () => new InProcessServer());
        });
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _servers.StopAsync(CancellationToken.None);
        await _host.DisposeAsync();
    }

    [Fact(Timeout = 30_000)]
    public async Task Entries_become_agents_with_all_their_settings()
    {
        await StartAsync("""
            { "files": { "Command": "npx", "Args": ["-y", "server", "."], "Env": { "A": "1" }, "WorkingDirectory": "/tmp", "Share": "members", "Tools": { "delete_file": "owner" }, "Title": "Files" },
              "web": { "Url": "https://example.org/mcp?key=secret", "Headers": { "Authorization": "Bearer x" } } }
            """);
        var files = _created.Single(one => one.Id == "files");
        Assert.Equal(["-y", "server", "."], files.Args);
        Assert.Equal("1", files.Env["A"]);
        Assert.True(files.Policy.Allows(Callers.Member));
        Assert.False(files.Policy.AllowsTool(Callers.Member, "delete_file"));
        Assert.True(files.Policy.AllowsTool(Callers.Owner, "delete_file"));
        var web = _created.Single(one => one.Id == "web");
        Assert.False(web.Policy.Allows(Callers.Member));
        Assert.Equal("https://example.org/mcp", web.Origin);
        Assert.Equal("Bearer x", web.Headers["Authorization"]);
        var agent = Agent("files");
        await agent.UntilAsync(() => agent.Card?.Title == "Files");
        Assert.Empty(_servers.Problems);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Theory]
    [InlineData("""{ "x": { } }""", "Dawn:McpServers:x: set either Command or Url")]
    [InlineData("""{ "x": { "Command": "a", "Url": "http://b" } }""", "Dawn:McpServers:x: set either Command or Url, not both")]
    [InlineData("""{ "x": { "Url": "ftp://b" } }""", "Dawn:McpServers:x:Url: 'ftp://b'")]
    [InlineData("""{ "x": { "Url": "http://b", "Args": ["1"] } }""", "Dawn:McpServers:x:Args goes only with Command")]
    [InlineData("""{ "x": { "Command": "a", "Headers": { "b": "c" } } }""", "Dawn:McpServers:x:Headers goes only with Url")]
    [InlineData("""{ "x": { "Command": "a", "Args": "one two" } }""", "Dawn:McpServers:x:Args is a list")]
    [InlineData("""{ "x": { "Command": "a", "Comand": "b" } }""", "Dawn:McpServers:x:Comand is no setting")]
    [InlineData("""{ "x": { "Command": "a", "Share": "everyone" } }""", "Dawn:McpServers:x:Share: 'everyone'")]
    [InlineData("""{ "x": { "Command": "a", "Tools": { "t": "nobody" } } }""", "Dawn:McpServers:x:Tools:t: 'nobody'")]
    [InlineData("""{ "Bad Name": { "Command": "a" } }""", "Dawn:McpServers:Bad Name: 'Bad Name'")]
    [InlineData("""{ "node": { "Command": "a" } }""", "Dawn:McpServers:node: the name 'node' is reserved")]
    [InlineData("""{ "ws": { "Command": "a" } }""", "Dawn:McpServers:ws: the name 'ws' is reserved (/mcp/ws is the gateway's address for WebSocket clients); choose another")]
    public async Task A_wrong_entry_is_a_problem_that_names_its_key_and_harms_no_other(string json, string expected)
    {
        var both = JsonNode.Parse(json)!.AsObject();
        both["good"] = new JsonObject { ["Command"] = "good" };
        await StartAsync(both.ToJsonString());
        var problem = Assert.Single(_servers.Problems);
        Assert.Contains(expected, problem.Value);
        Assert.Contains(_host.Agents, agent => agent.Id == "good");
        if (both.ContainsKey("x"))
        {
            Assert.Null(Agent("x").Card);
            Assert.Contains(expected, Agent("x").Problem);
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task A_reload_touches_exactly_what_changed()
    {
        await StartAsync("""{ "kept": { "Command": "a", "Env": { "A": "1", "B": "2" } }, "changed": { "Command": "b" }, "removed": { "Command": "c" }, "broken": { } }""");
        var (kept, changed) = (Agent("kept"), Agent("changed"));
        await kept.UntilAsync(() => kept.Card is not null);
        await using var client = _host.Open("kept", Callers.Gateway);
        await using var cut = _host.Open("changed", Callers.Gateway);
        await client.InitializeAsync();
        await client.CallAsync("bump");
        await ReloadAsync("""{ "changed": { "Command": "b", "Share": "members" }, "broken": { "Command": "mended" }, "kept": { "Env": { "B": "2", "A": "1" }, "Command": "a" }, "added": { "Command": "d" } }""",
            () => _host.Agents.Select(agent => agent.Id).SequenceEqual(["added", "broken", "changed", "kept"]));
        Assert.Same(kept, Agent("kept"));
        Assert.NotSame(changed, Agent("changed"));
        Assert.True(Agent("changed").Policy.Allows(Callers.Member));
        Assert.Equal(["added", "broken", "changed", "kept"], _host.Agents.Select(agent => agent.Id));
        Assert.Empty(_servers.Problems);
        Assert.Equal("1", await client.CallAsync("value"));
        Assert.NotNull(await cut.Ended);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 30_000)]
    public async Task A_taken_name_is_a_problem_until_it_is_free()
    {
        var taken = new StdioAgent(Fixtures.Settings("taken"), NullLogger.Instance, _time, new SeededEntropy());
        _host.TryAdd(taken);
        await StartAsync("""{ "taken": { "Command": "a" } }""");
        Assert.Contains("another agent has the name 'taken'", _servers.Problems["Dawn:McpServers:taken"]);
        await _host.RemoveAsync(taken);
        await UntilAsync(() => _host.Agents.Count == 1 && _servers.Problems.IsEmpty);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 30_000)]
    public async Task Stopping_removes_all()
    {
        await StartAsync("""{ "a": { "Command": "a" }, "b": { "Url": "x" } }""");
        Assert.Equal(2, _host.Agents.Count);
        await _servers.StopAsync(TestContext.Current.CancellationToken);
        Assert.Empty(_host.Agents);
    }

    private IHostedAgent Agent(string id) => _host.Agents.Single(agent => agent.Id == id);

    private async Task StartAsync(string json)
    {
        _settings.Set(json);
        await _servers.StartAsync(TestContext.Current.CancellationToken);
    }

    private async Task ReloadAsync(string json, Func<bool> isDone)
    {
        _settings.Set(json);
        await UntilAsync(isDone);
    }

    private async Task UntilAsync(Func<bool> holds)
    {
        while (!holds())
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }
    }

    /// <summary>Settings as a JSON file would bring them, changed by the test.</summary>
    private sealed class SettingsSource : ConfigurationProvider, IConfigurationSource
    {
        public void Set(string json)
        {
            Data = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
            Add(ExternalServerSettings.Section, JsonNode.Parse(json));
            OnReload();
        }

        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

        private void Add(string path, JsonNode? node)
        {
            switch (node)
            {
                case JsonObject { Count: > 0 } members:
                    foreach (var (name, value) in members)
                    {
                        Add($"{path}:{name}", value);
                    }

                    break;
                case JsonArray items:
                    for (var i = 0; i < items.Count; i++)
                    {
                        Add($"{path}:{i}", items[i]);
                    }

                    break;
                default:
                    Data[path] = node is JsonValue ? node.ToString() : "";
                    break;
            }
        }
    }
}
