using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents.External;

/// <summary>An MCP server from outside as an agent: kept running, and described by what it answers.</summary>
internal abstract partial class ExternalAgent(ExternalServerSettings settings, ILogger logger, TimeProvider time, Entropy entropy) : IHostedAgent
{
    /// <summary>How long a server may take for each answer that Dawn itself needs.</summary>
    public static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    // Longer than a child takes to be stopped.
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(8);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Backoff _backoff = new(entropy);
    private Task _running = Task.CompletedTask;
    private long? _healthySince;
    private string? _lastProblem;

    public string Id => Settings.Id;

    public string Origin => Settings.Origin;

    public AgentPolicy Policy => Settings.Policy;

    public string PolicySetting => Settings.Key("Share");

    public AgentCard? Card { get; private set; }

    public string? Problem { get; private set; }

    public event Action? Changed;

    protected ExternalServerSettings Settings { get; } = settings;

    protected ILogger Logger { get; } = logger;

    protected TimeProvider Time { get; } = time;

    /// <summary>Begins to run the server, and goes on until the agent is disposed. Called once.</summary>
    public void Start() => _running = Task.Run(SuperviseAsync);

    public abstract Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _running.WaitAsync(StopTimeout, Time);
        Stopped();
    }

    /// <summary>Frees what outlives each life.</summary>
    protected virtual void Stopped()
    {
    }

    /// <summary>One life of the server, or of the connection to it. Reports the card once it is ready, and throws <see cref="ServerFailure"/> at its end.</summary>
    protected abstract Task RunAsync(CancellationToken cancellationToken);

    protected void Report(AgentCard card)
    {
        (_healthySince, _lastProblem) = (_healthySince ?? Time.GetTimestamp(), null);
        Set(card, null);
    }

    private async Task SuperviseAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            _healthySince = null;
            ServerFailure failure;
            try
            {
                await RunAsync(_stopping.Token);
                failure = new("it ended");
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                break;
            }
            catch (ServerFailure e)
            {
                failure = e;
            }
            catch (Exception e)
            {
                failure = new(e.Message, inner: e);
            }

            if (_healthySince is { } since && Time.GetElapsedTime(since) >= Backoff.Max)
            {
                _backoff.Reset();
            }

            var delay = failure.IsLasting ? Backoff.Max : _backoff.Next();
            // A warning once for each cause: it is tried again and again, for days perhaps.
            var isKnown = failure.Message == _lastProblem;
            LogFailed(Logger, isKnown ? LogLevel.Debug : LogLevel.Warning, Id, failure.Message, delay.TotalSeconds, isKnown ? failure.InnerException : null);
            _lastProblem = failure.Message;
            Set(null, failure.Message);
            try
            {
                await Task.Delay(delay, Time, _stopping.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }

        Set(null, "it was stopped");
    }

    private void Set(AgentCard? card, string? problem)
    {
        if (Problem == problem && (Card is null ? card is null : card is not null && Card.Title == card.Title && Card.Digest.AsSpan().SequenceEqual(card.Digest.AsSpan())))
        {
            return;
        }

        (Card, Problem) = (card, problem);
        Changed?.Invoke();
    }

    [LoggerMessage("Agent {Agent} is not running: {Problem} (next try in {Seconds:0.#} s)")]
    private static partial void LogFailed(ILogger logger, LogLevel level, string agent, string problem, double seconds, Exception? exception);
}
