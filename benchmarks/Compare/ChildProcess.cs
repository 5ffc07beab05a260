using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Dawn.Benchmarks.Peers;

namespace Dawn.Benchmarks.Compare;

/// <summary>The comparison can't go on: cause and cure in one line.</summary>
internal sealed class ComparisonException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A process that says <c>ready {…}</c> and is ended, by its id, with this object.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    public static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(10);

    private const int KeptLines = 40;

    private readonly Process _process;
    private readonly string _name;
    private readonly Queue<string> _said = [];
    private readonly TaskCompletionSource<JsonElement> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly System.Threading.Channels.Channel<string> _lines = System.Threading.Channels.Channel.CreateBounded<string>(16);
    private readonly long _started;

    private ChildProcess(string name, ProcessStartInfo start)
    {
        _name = name;
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        _process = new() { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => OnLine(e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(e.Data);
        _process.Exited += (_, _) =>
        {
            _ready.TrySetException(Failure("ended before it was ready"));
            _lines.Writer.TryComplete();
        };
        _started = Stopwatch.GetTimestamp();
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>From the start to the line that says so.</summary>
    public TimeSpan ReadyAfter { get; private set; }

    public JsonElement Ready { get; private set; }

    /// <summary>In bytes, as the operating system counts it now.</summary>
    public long ResidentMemory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Another process of this very program.</summary>
    public static Task<ChildProcess> StartSelfAsync(string secret, CancellationToken cancellationToken, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments);
        start.Environment[Worker.SecretVariable] = secret;
        return StartAsync(string.Join(' ', arguments.Take(2)), start, cancellationToken);
    }

    public static async Task<ChildProcess> StartAsync(string name, ProcessStartInfo start, CancellationToken cancellationToken)
    {
        var child = new ChildProcess(name, start);
        try
        {
            child.Ready = await child._ready.Task.WaitAsync(StartTimeout, cancellationToken);
            return child;
        }
        catch (TimeoutException)
        {
            var failure = child.Failure($"was not ready after {StartTimeout.TotalSeconds:0} s");
            await child.DisposeAsync();
            throw failure;
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a request and reads the answer, one line each.</summary>
    public async Task<LoadResult> AskAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(request).AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        string line;
        try
        {
            line = await _lines.Reader.ReadAsync(cancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(request.Seconds + 90), cancellationToken);
        }
        catch (Exception e) when (e is System.Threading.Channels.ChannelClosedException or TimeoutException)
        {
            throw Failure("gave no answer");
        }

        using var answer = JsonDocument.Parse(line);
        return answer.RootElement.TryGetProperty("error", out var error)
            ? throw new ComparisonException($"{_name} failed: {error.GetString()}")
            : answer.RootElement.Deserialize<LoadResult>()!;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!_process.HasExited)
            {
                _process.Kill(entireProcessTree: true);
            }

            await _process.WaitForExitAsync().WaitAsync(EndTimeout);
        }
        catch (Exception e) when (e is InvalidOperationException or TimeoutException)
        {
            // It has ended by itself, or not within bounds after a kill: nothing more can be done about it.
        }

        _process.Dispose();
    }

    private void OnLine(string? line)
    {
        if (line is null)
        {
            return;
        }

        if (!_ready.Task.IsCompleted && line.StartsWith(Worker.Ready, StringComparison.Ordinal))
        {
            ReadyAfter = Stopwatch.GetElapsedTime(_started);
            using var ready = JsonDocument.Parse(line[Worker.Ready.Length..]);
            _ready.TrySetResult(ready.RootElement.Clone());
        }
        else
        {
            _lines.Writer.TryWrite(line);
        }
    }

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_said)
        {
            _said.Enqueue(line);
            while (_said.Count > KeptLines)
            {
                _said.Dequeue();
            }
        }
    }

    private ComparisonException Failure(string what)
    {
        var text = new StringBuilder($"{_name} {what}.");
        lock (_said)
        {
            foreach (var line in _said)
            {
                text.Append('\n').Append(line);
            }
        }

        return new(text.ToString());
    }
}
