using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Dawn.Agents.Node;

/// <param name="Number">Counts up from 1 since the node started.</param>
/// <param name="Level"><c>debug</c>, <c>information</c>, <c>warning</c>, <c>error</c> or <c>critical</c>.</param>
internal sealed record LogEntry(long Number, DateTimeOffset Time, string Level, string Source, string Message);

/// <summary>The newest log entries, in memory, for <c>dawn logs</c>. Never secrets: what looks like one is blotted out.</summary>
internal sealed partial class LogRing(TimeProvider time) : ILoggerProvider
{
    // About an hour of a busy node at the usual level, and at most 4 MiB.
    public const int Capacity = 2000;

    private const int MaxMessage = 2000;
    private const string Own = "Dawn.";

    private readonly Lock _lock = new();
    private readonly LogEntry[] _ring = new LogEntry[Capacity];
    private readonly ConcurrentDictionary<string, ILogger> _loggers = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _last;

    /// <summary>The levels that the owner set for a while.</summary>
    public LogLevels Levels { get; } = new(time);

    /// <summary>The parts of this program that log, such as <c>Dawn.Links</c>.</summary>
    public IReadOnlyList<string> Parts =>
        [.. _loggers.Keys.Where(c => c.StartsWith(Own, StringComparison.Ordinal)).Select(c => string.Join('.', c.Split('.').Take(2))).Distinct().Order(StringComparer.Ordinal)];

    public ILogger CreateLogger(string categoryName) => _loggers.GetOrAdd(categoryName, name => new RingLogger(this, name));

    /// <summary>The full name of a part that people write: <c>Links</c> is <c>Dawn.Links</c>.</summary>
    /// <exception cref="ArgumentException">Nothing logs under that name.</exception>
    public string Resolve(string category)
    {
        foreach (var part in new[] { category, Own + category })
        {
            if (category.Length > 0 && _loggers.Keys.FirstOrDefault(c => LogLevels.Covers(part, c)) is { } known)
            {
                return known[..part.Length];
            }
        }

        throw new ArgumentException($"Nothing logs as '{category}'; parts are {string.Join(", ", Parts.Select(p => p[Own.Length..]))}, and longer names as 'dawn logs' shows them.");
    }

    /// <summary>The newest entries of at least that level and numbered above <paramref name="after"/>, oldest first.</summary>
    /// <param name="category">Null for all.</param>
    public LogPage Read(LogLevel level, long after, int limit, string? category = null)
    {
        lock (_lock)
        {
            var entries = new List<LogEntry>();
            for (var number = _last; number > after && number > _last - Capacity && number > 0 && entries.Count < limit; number--)
            {
                var entry = _ring[number % Capacity];
                if (Enum.Parse<LogLevel>(entry.Level, true) >= level && (category is null || LogLevels.Covers(category, entry.Source)))
                {
                    entries.Add(entry);
                }
            }

            entries.Reverse();
            return new(entries, _last);
        }
    }

    /// <summary>As <see cref="Read"/>, but where there is nothing it waits for something, up to <paramref name="patience"/>.</summary>
    public async Task<LogPage> ReadAsync(LogLevel level, long after, int limit, TimeSpan patience, CancellationToken cancellationToken, string? category = null)
    {
        using var timer = new CancellationTokenSource(patience, time);
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        while (true)
        {
            Task news;
            lock (_lock)
            {
                news = _news.Task;
            }

            var page = Read(level, after, limit, category);
            if (page.Entries.Count > 0 || timer.IsCancellationRequested)
            {
                return page;
            }

            try
            {
                await news.WaitAsync(waiting.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return Read(level, after, limit, category);
            }
        }
    }

    public void Dispose()
    {
        Levels.Dispose();
        _loggers.Clear();
    }

    private void Add(LogLevel level, string source, string message)
    {
        message = Secrets().Replace(message, "…");
        if (message.Length > MaxMessage)
        {
            message = string.Concat(message.AsSpan(0, MaxMessage), "…");
        }

        TaskCompletionSource news;
        lock (_lock)
        {
            _last++;
            _ring[_last % Capacity] = new(_last, time.GetUtcNow(), level.ToString().ToLowerInvariant(), source, message);
            (news, _news) = (_news, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        news.TrySetResult();
    }

    // Tickets, bearer tokens, root secrets in hexadecimal: the code logs none of them, an agent's error text may.
    [GeneratedRegex(@"\bdawn1[a-z2-7]{20,}|(?<=\bbearer\s)\S+|\b[0-9a-f]{64}\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Secrets();

    private sealed class RingLogger(LogRing ring, string source) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var message = formatter(state, exception);
                ring.Add(logLevel, source, (exception is null ? message : $"{message}: {exception.GetType().Name}: {exception.Message}").ReplaceLineEndings(" "));
            }
        }
    }
}
