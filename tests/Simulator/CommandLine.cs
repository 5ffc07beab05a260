using System.Globalization;
using System.Text.Json;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>The program: one run or many, and what came of them. Ends with 0 where all held, 1 where something didn't, 2 where it was asked wrongly.</summary>
internal static class CommandLine
{
    private const string Usage = """
        Runs whole networks of the production's nodes in virtual time, on one thread, from one seed.

          --scenario NAME   calm, lossy, partition, crashes, byzantine, relays, everything (the default), or broken, which fails
          --nodes N         2 to 5,000 (default: 100)
          --seconds N       of virtual time, 75 to 3,600 (default: 90)
          --seed N          (default: 1)
          --fifo            what is ready runs in the order in which it came, instead of the seed's
          --sweep COUNT     that many seeds, from --seed on; prints those that fail
          --json            the summary as one line of JSON for each run
          --profile         counts of events by kind
        """;

    public static int Run(string[] args)
    {
        var (nodes, seconds, seed, sweep) = (100, 90, 1UL, 1);
        var (isFifo, isJson, isProfile) = (false, false, false);
        var scenario = Scenario.All.Single(one => one.Name == "everything");
        for (var i = 0; i < args.Length; i++)
        {
            var value = i + 1 < args.Length ? args[i + 1] : "";
            bool isGood;
            switch (args[i])
            {
                case "--fifo":
                    isFifo = true;
                    continue;
                case "--json":
                    isJson = true;
                    continue;
                case "--profile":
                    isProfile = true;
                    continue;
                case "--nodes":
                    isGood = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out nodes) && nodes is >= 2 and <= 5_000;
                    break;
                case "--seconds":
                    isGood = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out seconds) && seconds is >= 75 and <= 3_600;
                    break;
                case "--seed":
                    isGood = ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out seed);
                    break;
                case "--sweep":
                    isGood = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out sweep) && sweep > 0;
                    break;
                case "--scenario":
                    isGood = Scenario.All.Any(one => one.Name == value);
                    scenario = Array.Find(Scenario.All, one => one.Name == value) ?? scenario;
                    break;
                default:
                    Console.Error.WriteLine(args[i] is "--help" or "-h" ? Usage : $"error: unknown option {args[i]}\n{Usage}");
                    return args[i] is "--help" or "-h" ? 0 : 2;
            }

            if (!isGood)
            {
                Console.Error.WriteLine($"error: {args[i]} can't be '{value}'\n{Usage}");
                return 2;
            }

            i++;
        }

        var failed = 0;
        for (var i = 0; i < sweep; i++)
        {
            var report = Report.Of(new(scenario, nodes, seconds, seed + (ulong)i) { IsFifo = isFifo });
            failed += report.Violation is null ? 0 : 1;
            Console.WriteLine(isJson ? JsonSerializer.Serialize(report) : sweep == 1 || report.Violation is not null ? report.ToText(isProfile) : report.ToLine());
        }

        if (sweep > 1 && !isJson)
        {
            Console.WriteLine($"{sweep - failed} of {sweep} seeds held.");
        }

        return failed == 0 ? 0 : 1;
    }
}
