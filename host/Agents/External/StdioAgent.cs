using System.Threading.Channels;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents.External;

/// <summary>An MCP server that runs as a child process: one for all callers, which expect to find the same state.</summary>
/// <param name="start">Starts the process; by default what the settings say.</param>
internal sealed partial class StdioAgent(ExternalServerSettings settings, ILogger logger, TimeProvider time, Entropy entropy, Func<IServerProcess>? start = null)
    : ExternalAgent(settings, logger, time, entropy)
{
    // A server that adds its tools one by one is asked for them once.
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(250);

    // What is left in its output when the process is gone; and the other way round, how long the news of its end may take.
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly Func<IServerProcess> _start = start ?? (() => ServerProcess.Start(settings, logger, time, entropy));
    private readonly Multiplexer _multiplexer = new();

    public override Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken) => _multiplexer.ServeAsync(channel, caller, cancellationToken);

    protected override async Task RunAsync(CancellationToken cancellationToken)
    {
        var process = _start();
        var isFirst = true;
        var lines = new JsonLines(process.Output, process.Input, garbage =>
        {
            if (isFirst)
            {
                isFirst = false;
                LogGarbage(Logger, Id, garbage);
            }
        });
        var upstream = new Upstream(lines, _multiplexer, Time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var problem = "the node is stopping it";
        try
        {
            upstream.Start();
            var living = LiveAsync(upstream, ended.Token);
            await Task.WhenAny(living, upstream.Completion, process.Exited);
            var wasReady = Card is not null;
            var hasEnded = upstream.Completion.IsCompleted || process.Exited.IsCompleted;
            if (hasEnded)
            {
                await WithinAsync(Task.WhenAll(upstream.Completion, process.Exited), cancellationToken);
            }

            await ended.CancelAsync();
            try
            {
                await living;
            }
            catch (Exception) when (hasEnded && !cancellationToken.IsCancellationRequested)
            {
                problem = Describe(process, wasReady);
            }
            catch (Exception e) when (e is TimeoutException or ServerFailure)
            {
                problem = $"'{Settings.Command}': {e.Message}{Garbage(upstream)}; check {Settings.Key("Command")} and {Settings.Key("Args")}";
            }

            throw new ServerFailure(problem);
        }
        finally
        {
            await ended.CancelAsync();
            _multiplexer.Detach(upstream, problem);
            await process.DisposeAsync();
            await upstream.DisposeAsync();
        }
    }

    private async Task LiveAsync(Upstream upstream, CancellationToken cancellationToken)
    {
        var changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        void Note() => changes.Writer.TryWrite(true);
        _multiplexer.ListChanged += Note;
        try
        {
            var hello = await ServerHello.GreetAsync(upstream, relaysRequests: true, cancellationToken);
            var card = await CardReader.ReadAsync(Settings, hello, upstream, cancellationToken);
            _multiplexer.Attach(upstream, hello);
            Report(card);
            await foreach (var _ in changes.Reader.ReadAllAsync(cancellationToken))
            {
                await Task.Delay(Settle, Time, cancellationToken);
                try
                {
                    Report(await CardReader.ReadAsync(Settings, hello, upstream, cancellationToken));
                }
                catch (TimeoutException e)
                {
                    // Busy, perhaps; what we know of it still holds as far as anyone can tell.
                    LogNotRefreshed(Logger, Id, e.Message);
                }
            }
        }
        finally
        {
            _multiplexer.ListChanged -= Note;
        }
    }

    private async Task WithinAsync(Task task, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(LastWords, Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // One of its children holds its output open, or it closed that and lives on. Either way it is stopped now.
        }
    }

    private string Describe(IServerProcess process, bool wasReady) =>
        $"'{Settings.Command}' {process.Ending ?? "closed its output"}" + (wasReady
            ? ""
            : $" before it answered; check {Settings.Key("Command")} and {Settings.Key("Args")}, and what it wrote to stderr in the log (level Debug)");

    private static string Garbage(Upstream upstream) => upstream.Garbage switch
    {
        0 => "",
        1 => ", but wrote a line that is not JSON-RPC to stdout",
        var count => $", but wrote {count} lines that are not JSON-RPC to stdout",
    };

    [LoggerMessage(LogLevel.Warning, "Agent {Agent} writes to stdout what is not JSON-RPC; such lines are left out. The first: {Line}")]
    private static partial void LogGarbage(ILogger logger, string agent, string line);

    [LoggerMessage(LogLevel.Warning, "The lists of agent {Agent} changed, but could not be read: {Problem}")]
    private static partial void LogNotRefreshed(ILogger logger, string agent, string problem);
}
