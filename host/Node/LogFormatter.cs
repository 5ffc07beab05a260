using Dawn.Commands;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Dawn.Node;

/// <summary>Log lines for people: time, level where it matters, the part that speaks, what it says; causes of exceptions below.</summary>
internal sealed class LogFormatter(TimeProvider time) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "dawn";

    public override void Write<TState>(in LogEntry<TState> entry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var level = entry.LogLevel switch
        {
            LogLevel.Trace => "trace ",
            LogLevel.Debug => "debug ",
            LogLevel.Warning => "WARN  ",
            LogLevel.Error => "ERROR ",
            LogLevel.Critical => "FATAL ",
            _ => "      ",
        };
        var part = entry.Category[(entry.Category.LastIndexOf('.') + 1)..];
        textWriter.Write($"{time.GetLocalNow():HH:mm:ss.fff} {level}{part}: {Terminal.OneLine(entry.Formatter(entry.State, entry.Exception))}");
        for (var e = entry.Exception; e is not null; e = e.InnerException)
        {
            textWriter.Write($" ({e.GetType().Name}: {Terminal.OneLine(e.Message)})");
        }

        textWriter.WriteLine();

        // A stack is for whoever mends the program: an error's, and all of them when asked for detail.
        if (entry is { Exception: { StackTrace: { } stack }, LogLevel: LogLevel.Error or LogLevel.Critical or LogLevel.Debug or LogLevel.Trace })
        {
            textWriter.WriteLine(stack);
        }
    }
}
