using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Dawn.Registries.Tests;

/// <summary>What a registry logs, as text.</summary>
internal sealed class LogLines : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();
    private readonly ConcurrentQueue<(string Text, TaskCompletionSource Comes)> _awaited = new();

    public IReadOnlyList<string> From(LogLevel level) => [.. _lines.Where(line => line.Level >= level).Select(line => line.Text)];

    /// <summary>Completed by the next line that contains this.</summary>
    public Task ComesAsync(string text)
    {
        var comes = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _awaited.Enqueue((text, comes));
        return comes.Task;
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var line = formatter(state, exception);
        _lines.Enqueue((logLevel, line));
        foreach (var (text, comes) in _awaited)
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                comes.TrySetResult();
            }
        }
    }

    public void Dispose()
    {
    }
}
