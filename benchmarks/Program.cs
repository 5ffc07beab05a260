using System.CommandLine;
using System.Runtime.InteropServices;
using Dawn.Benchmarks;
using Dawn.Benchmarks.Compare;
using Dawn.Benchmarks.Micro;
using Dawn.Benchmarks.Peers;

switch (args)
{
    // Children of the comparison.
    case ["serve", var kind]:
        return await Worker.ServeAsync(kind);
    case ["client", var kind, var address, .. var pin]:
        return await Worker.CallAsync(kind, new(address, pin is [var thumbprint] ? thumbprint : ""));
    // BenchmarkDotNet has a command line of its own.
    case ["micro", .. var rest]:
        return InProcess.Run(rest);
}

var dawn = new Option<string>("--dawn") { Description = "The program to measure.", DefaultValueFactory = _ => CompareOptions.DefaultDawn };
var transport = new Option<string>("--transport") { Description = "The scheme of the nodes' links.", DefaultValueFactory = _ => "ws" };
transport.AcceptOnlyFromAmong("ws", "tcp");
var rounds = new Option<int>("--rounds") { Description = "Interleaved rounds; medians are over these.", DefaultValueFactory = _ => 5 };
var warmup = new Option<double>("--warmup") { Description = "Seconds that each leg warms up.", DefaultValueFactory = _ => 10 };
var seconds = new Option<double>("--seconds") { Description = "Seconds of each leg in a round.", DefaultValueFactory = _ => 3 };
var quick = new Option<bool>("--quick") { Description = "One round of half a second after one second: shows that all of it runs, and measures nothing." };
var json = new Option<bool>("--json") { Description = "Print the figures as one JSON array." };
var figures = new Option<string[]>("--figure") { Description = "Only this figure, or those that begin so; may be repeated.", AllowMultipleArgumentsPerToken = false };

var compare = new Command("compare", "Measures Dawn against others, side by side in the same run.") { dawn, transport, rounds, warmup, seconds, quick, json, figures };
compare.SetAction((parsed, token) => GuardedAsync(t => Comparison.RunAsync(OptionsOf(parsed), parsed.GetValue(figures) ?? [], parsed.GetValue(json), t), token));
var alloc = new Command("alloc", "Bytes that a remote call allocates at both ends.") { dawn, transport, warmup, seconds, quick };
alloc.SetAction((parsed, token) => GuardedAsync(t => Allocations.RunAsync(OptionsOf(parsed), t), token));
var root = new RootCommand("Benchmarks of Dawn; see docs/performance.md.") { compare, alloc, new Command("micro", "BenchmarkDotNet: primitives and hot paths. All that follows is its own: --filter '*', --list flat, …") };
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

CompareOptions OptionsOf(ParseResult parsed)
{
    var isQuick = parsed.GetValue(quick);
    var options = isQuick
        ? new CompareOptions(parsed.GetValue(dawn)!, parsed.GetValue(transport)!, 1, 1, 0.5, true)
        : new CompareOptions(parsed.GetValue(dawn)!, parsed.GetValue(transport)!, parsed.CommandResult.Command.Name == "alloc" ? 1 : parsed.GetValue(rounds), parsed.GetValue(warmup), parsed.GetValue(seconds), false);
    return options is { Rounds: >= 1 and <= 100, Seconds: > 0 and <= Load.MaxSeconds, WarmupSeconds: > 0 and <= Load.MaxSeconds }
        ? options
        : throw new ComparisonException($"--rounds takes 1 to 100, --seconds and --warmup more than 0 and at most {Load.MaxSeconds}.");
}

// However it ends, the children are ended first: by Ctrl-C and by a kill that lets go, too.
async Task<int> GuardedAsync(Func<CancellationToken, Task<int>> run, CancellationToken cancellationToken)
{
    using var interrupted = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    try
    {
        return await run(interrupted.Token);
    }
    catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
    {
        return 130;
    }
    catch (ComparisonException e)
    {
        Console.Error.WriteLine("error: " + e.Message);
        return 2;
    }

    void Stop(PosixSignalContext signal)
    {
        signal.Cancel = true;
        interrupted.Cancel();
    }
}
