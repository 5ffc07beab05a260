using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Dawn.Fuzz;
using Dawn.Fuzz.Siege;
using SharpFuzz;

// Instrumented code writes here from its first branch on; afl-fuzz puts its own memory in this place later.
unsafe
{
    SharpFuzz.Common.Trace.SharedMem = (byte*)NativeMemory.AllocZeroed(1 << 16);
}

return args switch
{
    ["list"] => List(),
    ["seeds", var name, var directory] when FuzzTargets.Create(name) is { } target => WriteSeeds(target, directory),
    ["run", var name, "--input", var hex] when FuzzTargets.Create(name) is { } target => RunOne(target, Convert.FromHexString(hex)),
    ["run", var name, .. var options] when FuzzTargets.Create(name) is not null => Run(name, options),
    ["afl", var name] when FuzzTargets.Create(name) is { } target => Afl(target),
    ["siege", .. var options] => await SiegeProgram.RunAsync(options),
    _ => Usage(),
};

static int List()
{
    Console.WriteLine(string.Join('\n', FuzzTargets.Names));
    return 0;
}

static int WriteSeeds(IFuzzTarget target, string directory)
{
    Directory.CreateDirectory(directory);
    var inputs = target.Seeds().Select((seed, i) => ($"seed-{i}", seed)).Concat(FuzzTargets.Regressions(target.Name));
    foreach (var (name, input) in inputs)
    {
        File.WriteAllBytes(Path.Combine(directory, name), input);
    }

    return 0;
}

static int RunOne(IFuzzTarget target, byte[] input)
{
    Campaign.WarmUp(target);
    Campaign.Check(target, input);
    Console.WriteLine("nothing found");
    return 0;
}

static int Run(string name, string[] options)
{
    var seconds = Option(options, "--seconds", 10);
    var seed = Option(options, "--seed", 1);
    var clock = Stopwatch.StartNew();
    var campaign = new Campaign(name, seed);
    var finding = campaign.Run(long.MaxValue, TimeSpan.FromSeconds(seconds));
    Console.WriteLine(finding?.ToString() ?? string.Create(CultureInfo.InvariantCulture, $"{name}: {campaign.Executions} inputs of seed {seed} in {clock.Elapsed.TotalSeconds:0.0} s, {campaign.Executions / clock.Elapsed.TotalSeconds:0} a second, nothing found"));
    return finding is null ? 0 : 1;
}

static int Afl(IFuzzTarget target)
{
    // Before the fork server speaks: what is compiled here is not compiled in every input's time.
    Campaign.WarmUp(target);
    Fuzzer.OutOfProcess.Run(stream =>
    {
        using var input = new MemoryStream();
        stream.CopyTo(input);
        Campaign.Check(target, input.ToArray());
    });
    return 0;
}

static int Option(string[] options, string name, int absent) =>
    Array.IndexOf(options, name) is >= 0 and var at && at + 1 < options.Length && int.TryParse(options[at + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : absent;

static int Usage()
{
    Console.Error.WriteLine($"""
        list                                        the targets: {string.Join(", ", FuzzTargets.Names)}
        run <target> [--seconds N] [--seed N]       mutated inputs, by this program's own mutator
        run <target> --input HEX                    one input
        seeds <target> <directory>                  writes the target's valid inputs and regressions, for other fuzzers
        afl <target>                                under afl-fuzz; see README.md
        siege [--json] [--seconds N]                attacks two running nodes and measures what honest calls keep
        """);
    return 2;
}
