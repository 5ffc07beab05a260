using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace Dawn.Benchmarks.Compare;

/// <summary><c>compare</c>: runs the contests and prints what came of them.</summary>
internal static class Comparison
{
    /// <summary>In the order in which they run. A new figure is a contest more.</summary>
    public static IReadOnlyList<IContest> Contests { get; } =
    [
        new CallLatency(), new CallRate(), new GatewayLatency(), new EncryptionCost(200, "200 B"), new EncryptionCost(1024, "1 KB"),
        new RelayLatency(), new RelayMemory(), new FailOver(), new BulkRate(), new LinkSetUp(), new IdleMemory(), new StartTime(),
    ];

    private static readonly JsonSerializerOptions Json = new(JsonSerializerOptions.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <returns>The exit code: 0 where all that was measured holds.</returns>
    public static async Task<int> RunAsync(CompareOptions options, IReadOnlyList<string> only, bool asJson, CancellationToken cancellationToken)
    {
        CheckProgram(options.Dawn);
        var unknown = only.Where(name => !Contests.Any(contest => contest.Figures.Any(figure => IsMeant(figure, name)))).ToArray();
        if (unknown.Length > 0)
        {
            throw new ComparisonException($"There is no figure '{unknown[0]}'; there are: {string.Join(", ", Contests.SelectMany(contest => contest.Figures))}.");
        }

        var figures = new List<Figure>();
        foreach (var contest in Contests.Where(contest => contest.Figures.Any(Asked)))
        {
            figures.AddRange((await contest.RunAsync(options, Say, cancellationToken)).Where(figure => Asked(figure.Name)));
        }

        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(figures.Select(figure => new
            {
                figure = figure.Name,
                figure.Unit,
                figure.Dawn,
                figure.Comparator,
                figure.Against,
                figure.Ratio,
                figure.Reach,
                figure.Holds,
                figure.Spread,
                figure.ComparatorSpread,
            }), Json));
        }
        else
        {
            Print(options, figures);
        }

        return figures.All(figure => figure.Holds) ? 0 : 1;

        bool Asked(string figure) => only.Count == 0 || only.Any(name => IsMeant(figure, name));
    }

    public static void CheckProgram(string dawn)
    {
        if (!File.Exists(dawn))
        {
            throw new ComparisonException($"{dawn} is not there. Build it: dotnet build {Path.Combine(CompareOptions.RepoRoot, "host")} -c Release, or name another with --dawn.");
        }
    }

    public static void Say(string line) => Console.Error.WriteLine(line);

    public static string Machine() =>
        $"{Environment.ProcessorCount} cores, {Processor()}, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";

    // "encryption" means all figures that begin so.
    private static bool IsMeant(string figure, string name) => figure == name || figure.StartsWith(name + " ", StringComparison.Ordinal);

    private static void Print(CompareOptions options, IReadOnlyList<Figure> figures)
    {
        var table = new Table().RoundedBorder().AddColumns("figure", "Dawn", "comparator", "ratio", "reach", "holds", "spread", "against");
        foreach (var figure in figures)
        {
            table.AddRow(
                Markup.Escape(figure.Name), $"{Number(figure.Dawn)} {figure.Unit}", figure.Comparator is { } other ? $"{Number(other)} {figure.Unit}" : "",
                figure.Ratio is { } ratio ? ratio.ToString("0.00", CultureInfo.InvariantCulture) + "x" : "", figure.Reach == "none" ? "" : figure.Reach,
                figure.Reach == "none" ? "" : figure.Holds ? "yes" : "[bold]no[/]",
                string.Join(" / ", new[] { figure.Spread, figure.ComparatorSpread }.OfType<double>().Select(spread => $"{spread * 100:0}%")), Markup.Escape(figure.Against ?? ""));
        }

        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = 200;
        }

        AnsiConsole.Write(table);
        AnsiConsole.WriteLine(Machine());
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"links over {options.Transport}, loopback; medians of {options.Rounds} interleaved rounds of {options.Seconds} s after {options.WarmupSeconds} s of warm-up; spread is the largest round over the smallest, Dawn / comparator"));
    }

    private static string Number(double value) => value.ToString(value >= 1000 ? "N0" : value >= 100 ? "0" : value >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture);

    private static string Processor()
    {
        const string Linux = "/proc/cpuinfo";
        return File.Exists(Linux) && File.ReadLines(Linux).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) is { } line
            ? line[(line.IndexOf(':') + 1)..].Trim()
            : RuntimeInformation.ProcessArchitecture.ToString();
    }
}
