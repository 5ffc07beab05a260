using System.Globalization;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Dawn.Agents.Node;

/// <param name="Category">A part such as <c>Dawn.Links</c>, with all that is below it; <c>Default</c> for whatever nothing else names.</param>
/// <param name="Until">When the settings count again; absent where the level is of the settings.</param>
internal sealed record LogLevelInfo(string Category, string Level, DateTimeOffset? Until = null);

/// <param name="Parts">What <c>category</c> may be, besides longer names.</param>
internal sealed record LogLevelList(IReadOnlyList<LogLevelInfo> Levels, IReadOnlyList<string> Parts);

/// <summary>Log levels that the owner set for a while, over those of the settings: to look closely at a node without restarting it. Thread-safe.</summary>
internal sealed class LogLevels(TimeProvider time) : IPostConfigureOptions<LoggerFilterOptions>, IOptionsChangeTokenSource<LoggerFilterOptions>, IDisposable
{
    public const string Default = "Default";

    /// <summary>A level that nobody takes back ends by itself: a log left at debug fills disks and hides what matters.</summary>
    public static readonly TimeSpan MaxDuration = TimeSpan.FromHours(24);

    // There are about twenty parts; more than this is a program that goes wrong.
    private const int MaxSet = 64;

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, (LogLevel Level, DateTimeOffset Until)> _set = new(StringComparer.OrdinalIgnoreCase);
    private List<LogLevelInfo> _configured = [];
    private CancellationTokenSource _change = new();
    private ITimer? _timer;

    string? IOptionsChangeTokenSource<LoggerFilterOptions>.Name => Options.DefaultName;

    /// <summary>What is in force: what was set for a while, and the settings that it leaves.</summary>
    public IReadOnlyList<LogLevelInfo> Current
    {
        get
        {
            lock (_lock)
            {
                return
                [
                    .. _set.Select(s => new LogLevelInfo(s.Key, Text(s.Value.Level), s.Value.Until)),
                    .. _configured.Where(c => !_set.Keys.Any(s => Covers(s, c.Category))),
                ];
            }
        }
    }

    /// <param name="category">A full category or the beginning of one, or <see cref="Default"/>.</param>
    /// <param name="level">Null goes back to the settings.</param>
    /// <exception cref="InvalidOperationException">Too many are set.</exception>
    public void Set(string category, LogLevel? level, TimeSpan duration)
    {
        lock (_lock)
        {
            if (level is not { } wanted)
            {
                _set.Remove(category);
            }
            else if (_set.ContainsKey(category) || _set.Count < MaxSet)
            {
                _set[category] = (wanted, time.GetUtcNow() + (duration < MaxDuration ? duration : MaxDuration));
            }
            else
            {
                throw new InvalidOperationException($"{MaxSet} log levels are set already; take some back with the level 'default'.");
            }
        }

        Apply();
    }

    public IChangeToken GetChangeToken()
    {
        lock (_lock)
        {
            return new CancellationChangeToken(_change.Token);
        }
    }

    public void PostConfigure(string? name, LoggerFilterOptions options)
    {
        lock (_lock)
        {
            _configured = [.. from rule in options.Rules
                              where rule is { ProviderName: null, LogLevel: not null }
                              group rule.LogLevel!.Value by rule.CategoryName ?? Default into byCategory
                              select new LogLevelInfo(byCategory.Key, Text(byCategory.Last()))];
            foreach (var (category, (level, _)) in _set)
            {
                // The longest category wins, so a rule of the settings for a part of what was asked for has to go.
                foreach (var hidden in options.Rules.Where(r => r.CategoryName is not null && r.Filter is null && Covers(category, r.CategoryName) && !_set.ContainsKey(r.CategoryName)).ToList())
                {
                    options.Rules.Remove(hidden);
                }

                options.Rules.Add(new(null, category == Default ? null : category, level, null));
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _timer?.Dispose();
            _change.Dispose();
        }
    }

    /// <summary>True for a category and what is below it, by whole segments.</summary>
    public static bool Covers(string part, string category) =>
        category.StartsWith(part, StringComparison.OrdinalIgnoreCase) && (category.Length == part.Length || category[part.Length] == '.');

    private static string Text(LogLevel level) => level.ToString().ToLower(CultureInfo.InvariantCulture);

    /// <summary>Forgets what has had its time, and tells the loggers.</summary>
    private void Apply()
    {
        CancellationTokenSource change;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            foreach (var ended in _set.Where(s => s.Value.Until <= now).Select(s => s.Key).ToList())
            {
                _set.Remove(ended);
            }

            _timer?.Dispose();
            _timer = _set.Count == 0 ? null : time.CreateTimer(_ => Apply(), null, _set.Values.Min(s => s.Until) - now, Timeout.InfiniteTimeSpan);
            (change, _change) = (_change, new());
        }

        change.Cancel();
        change.Dispose();
    }
}
