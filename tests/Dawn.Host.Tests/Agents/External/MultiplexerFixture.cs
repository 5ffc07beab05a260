using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Fixtures;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Tests.Agents.External;

/// <summary>A hosted stdio agent whose server, as often as it is started, lives in the test's process.</summary>
public abstract class MultiplexerFixture : IAsyncDisposable
{
    private bool _isStarted;

    private protected MultiplexerFixture()
    {
        Host = new(NullLogger<AgentHost>.Instance, Time);
        Agent = new(Fixtures.Settings(), NullLogger.Instance, Time, new SeededEntropy(), () =>
        {
            var life = new InProcessServer(Options);
            Lives.Add(life);
            return life;
        });
        Host.TryAdd(Agent);
    }

    private protected ObservedTime Time { get; } = new();

    private protected AgentHost Host { get; }

    private protected StdioAgent Agent { get; }

    /// <summary>Every start of the server, in order.</summary>
    private protected List<InProcessServer> Lives { get; } = [];

    private protected string[] Options { get; set; } = [];

    private protected FixtureServer Server => Lives[^1].Server;

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    private protected void Start()
    {
        if (!_isStarted)
        {
            _isStarted = true;
            Agent.Start();
        }
    }

    private protected async Task<RawClient> OpenAsync(Caller? caller = null, params string[] capabilities)
    {
        var client = await OpenOnlyAsync(caller);
        await client.InitializeAsync(capabilities);
        await client.NotifyAsync("notifications/initialized", null);
        return client;
    }

    private protected async Task<RawClient> OpenOnlyAsync(Caller? caller = null)
    {
        Start();
        await Agent.UntilAsync(() => Agent.Card is not null);
        return Host.Open("fixture", caller ?? Callers.Gateway);
    }
}
