using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Dawn.Identity;

namespace Dawn.Agents.External;

/// <summary>A running MCP server that speaks over two streams.</summary>
internal interface IServerProcess : IAsyncDisposable
{
    /// <summary>What the server says.</summary>
    Stream Output { get; }

    /// <summary>What it is told.</summary>
    Stream Input { get; }

    /// <summary>Ends with the process.</summary>
    Task Exited { get; }

    /// <summary>How it ended, for people; null while it runs.</summary>
    string? Ending { get; }
}

/// <summary>A child process, stopped with all that it started: its stdin is closed, then SIGTERM, then SIGKILL, within five seconds.</summary>
/// <remarks>
/// Launchers such as npx put a process between Dawn and the server, and it may die before its child does. On Linux the descendants are found by a
/// mark in their environment, which survives that; elsewhere as the living process's tree. When Dawn itself is killed, the end of stdin is
/// what tells them, as MCP's stdio transport has it.
/// </remarks>
internal sealed partial class ServerProcess : IServerProcess
{
    /// <summary>The mark: a random value for each start, inherited by everything the server starts.</summary>
    public const string MarkVariable = "DAWN_AGENT_PROCESS";

    private const int SigTerm = 15;

    // Lines of stderr that are logged in a while; a server in a loop must not fill the log.
    private const int MaxLines = 200;

    private static readonly TimeSpan LineWindow = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ForEndOfInput = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ForTermination = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan ForKill = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    private readonly Process _process;
    private readonly string _mark;
    private readonly string _agent;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _disposed = new();
    private readonly Task _stderr;

    private ServerProcess(Process process, string mark, string agent, ILogger logger, TimeProvider time)
    {
        (_process, _mark, _agent, _logger, _time) = (process, mark, agent, logger, time);
        Exited = process.WaitForExitAsync(_disposed.Token);
        _stderr = Task.Run(LogStderrAsync);
    }

    public Stream Output => _process.StandardOutput.BaseStream;

    public Stream Input => _process.StandardInput.BaseStream;

    public Task Exited { get; }

    public string? Ending => _process.HasExited ? $"exited with code {_process.ExitCode}" : null;

    public int Id => _process.Id;

    /// <exception cref="ServerFailure">It can't be started; the text names the setting.</exception>
    public static ServerProcess Start(ExternalServerSettings settings, ILogger logger, TimeProvider time, Entropy entropy)
    {
        if (settings.WorkingDirectory is { } directory && !Directory.Exists(directory))
        {
            throw new ServerFailure($"the directory '{directory}' does not exist; check {settings.Key(nameof(settings.WorkingDirectory))}", isLasting: true);
        }

        var mark = Convert.ToHexStringLower(entropy.Bytes(16));
        var start = new ProcessStartInfo
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = settings.WorkingDirectory ?? "",
        };
        if (OperatingSystem.IsWindows() && !settings.Command!.EndsWith(".exe", StringComparison.OrdinalIgnoreCase))
        {
            // npx and its like are batch files there, which only the shell starts.
            start.FileName = "cmd.exe";
            start.ArgumentList.Add("/d");
            start.ArgumentList.Add("/c");
            start.ArgumentList.Add(settings.Command!);
        }
        else
        {
            start.FileName = settings.Command!;
        }

        foreach (var argument in settings.Args)
        {
            start.ArgumentList.Add(argument);
        }

        SetEnvironment(start.Environment, settings, mark);
        try
        {
            return new(Process.Start(start)!, mark, settings.Id, logger, time);
        }
        catch (Win32Exception e)
        {
            // ERROR_FILE_NOT_FOUND and ENOENT are both 2.
            throw new ServerFailure(
                $"command '{settings.Command}' {(e.NativeErrorCode == 2 ? "was not found" : $"could not be started ({e.Message})")}; check {settings.Key(nameof(settings.Command))}", isLasting: true, e);
        }
    }

    /// <summary>Makes a server's environment of the node's own.</summary>
    public static void SetEnvironment(IDictionary<string, string?> environment, ExternalServerSettings settings, string mark)
    {
        // The node's own settings, its network's secret among them, are none of the server's business.
        foreach (var name in environment.Keys.Where(name => name.StartsWith("Dawn__", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            environment.Remove(name);
        }

        foreach (var (name, value) in settings.Env)
        {
            environment[name] = value;
        }

        environment[MarkVariable] = mark;
    }

    public async ValueTask DisposeAsync()
    {
        await CloseInputAsync();
        if (!await EndedWithinAsync(ForEndOfInput))
        {
            Terminate();
            if (!await EndedWithinAsync(ForTermination))
            {
                Kill();
                if (!await EndedWithinAsync(ForKill))
                {
                    LogSurvived(_agent, _process.Id);
                }
            }
        }

        await _disposed.CancelAsync();
        _process.StandardOutput.Dispose();
        _process.StandardError.Dispose();
        _process.Dispose();
    }

    private async Task CloseInputAsync()
    {
        try
        {
            // Not the writer above it: its flush could wait for a server that doesn't read.
            await _process.StandardInput.BaseStream.DisposeAsync();
        }
        catch (IOException)
        {
            // The server closed its end before; that is what closing was to bring about.
        }
    }

    private async Task<bool> EndedWithinAsync(TimeSpan limit)
    {
        var started = _time.GetTimestamp();
        while (!_process.HasExited || Descendants().Count > 0)
        {
            if (_time.GetElapsedTime(started) >= limit)
            {
                return false;
            }

            await Task.Delay(Poll, _time);
        }

        return true;
    }

    private void Terminate()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        foreach (var id in Descendants().Append(_process.HasExited ? 0 : _process.Id).Where(id => id > 0).Distinct())
        {
            _ = Signal(id, SigTerm);
        }
    }

    private void Kill()
    {
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It, or one of its tree, ended meanwhile.
        }

        foreach (var id in Descendants())
        {
            try
            {
                using var descendant = Process.GetProcessById(id);
                descendant.Kill();
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
            {
                // Ended meanwhile.
            }
        }
    }

    /// <summary>The living processes that bear the mark, this one's child too.</summary>
    private List<int> Descendants()
    {
        List<int> found = [];
        if (!OperatingSystem.IsLinux())
        {
            return found;
        }

        var mark = Encoding.UTF8.GetBytes($"{MarkVariable}={_mark}");
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), out var id))
            {
                try
                {
                    // A zombie's is empty, another user's can't be read: neither is ours to end.
                    if (File.ReadAllBytes($"{directory}/environ").AsSpan().IndexOf(mark) >= 0)
                    {
                        found.Add(id);
                    }
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // Gone while we looked, or not ours.
                }
            }
        }

        return found;
    }

    private async Task LogStderrAsync()
    {
        var buffer = new char[1024];
        var line = new StringBuilder();
        var (windowStart, lines) = (_time.GetTimestamp(), 0);
        try
        {
            while (await _process.StandardError.ReadAsync(buffer, _disposed.Token) is > 0 and var count)
            {
                foreach (var c in buffer.AsSpan(0, count))
                {
                    // Longer lines are logged in pieces.
                    if (c != '\n' && line.Length < buffer.Length)
                    {
                        line.Append(c);
                        continue;
                    }

                    if (_time.GetElapsedTime(windowStart) >= LineWindow)
                    {
                        (windowStart, lines) = (_time.GetTimestamp(), 0);
                    }

                    if (++lines <= MaxLines)
                    {
                        LogLine(_agent, line.ToString().TrimEnd('\r'));
                    }
                    else if (lines == MaxLines + 1)
                    {
                        LogLine(_agent, $"(more than {MaxLines} lines in a minute; the rest of them is left out)");
                    }

                    line.Clear();
                    if (c != '\n')
                    {
                        line.Append(c);
                    }
                }
            }

            if (line.Length > 0 && lines < MaxLines)
            {
                LogLine(_agent, line.ToString());
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The process was stopped: nobody writes any more.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Signal(int process, int signal);

    [LoggerMessage(LogLevel.Debug, "{Agent}: {Line}")]
    private partial void LogLine(string agent, string line);

    [LoggerMessage(LogLevel.Warning, "Process {Process} of agent {Agent} outlived SIGKILL; end it by hand")]
    private partial void LogSurvived(string agent, int process);
}
