using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Dawn.Commands;

/// <summary>One use of a verb: its options read, its terminal at hand.</summary>
internal sealed record Verb(ParseResult Parsed, CommandActions Actions, Terminal Terminal)
{
    private const double MaxTimeoutSeconds = 24 * 3600;

    public string DataDirectory => Parsed.GetValue<string?>(Options.Data) is not { } given
        ? Path.GetFullPath(Actions.DefaultDataDirectory())
        : given.Length > 0 ? Path.GetFullPath(given) : throw new CommandException($"{Options.Data} is empty; name a directory.", ExitCode.Usage);

    public bool IsJson => Parsed.GetValue<bool>(Options.Json);

    /// <summary>Runs something within <c>--timeout</c>.</summary>
    /// <param name="consequence">What else is to be said where time ran out.</param>
    /// <exception cref="CommandException">Time ran out.</exception>
    public async Task<T> WithinTimeoutAsync<T>(Func<CancellationToken, Task<T>> act, CancellationToken cancellationToken, Func<string>? consequence = null)
    {
        var patience = TimeSpan.FromSeconds(Parsed.GetValue<double>(Options.Timeout));
        using var timer = new CancellationTokenSource(patience, Terminal.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            return await act(both.Token);
        }
        catch (OperationCanceledException) when (timer.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(string.Create(CultureInfo.InvariantCulture, $"{consequence?.Invoke()}No answer within {patience.TotalSeconds:0.###} s. Give it longer with --timeout, or see 'dawn status'."));
        }
    }

    /// <summary>Names of options that several verbs share.</summary>
    public static class Options
    {
        public const string Data = "--data";
        public const string Json = "--json";
        public const string Timeout = "--timeout";

        public static Option NewJson() => new Option<bool>(Json) { Description = "Print JSON, on one line." };

        public static Option NewTimeout() => NewNumber(Timeout, "Give up after so many seconds.", "seconds", 60.0, 0.001, MaxTimeoutSeconds);

        public static Option<T> NewNumber<T>(string name, string description, string unit, T usual, T least, T most) where T : struct, INumber<T> => new(name)
        {
            Description = description,
            HelpName = unit,
            DefaultValueFactory = _ => usual,
            CustomParser = result =>
            {
                if (result.Tokens is [var token] && T.TryParse(token.Value, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
                {
                    return value;
                }

                result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} is a number from {least} to {most}."));
                return usual;
            },
        };
    }
}
