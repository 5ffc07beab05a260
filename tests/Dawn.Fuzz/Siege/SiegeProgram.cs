using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Dawn.Fuzz.Siege;

/// <summary>What one attack did.</summary>
/// <param name="Ratio">Calls during, of those before and after.</param>
/// <param name="Corrected">The same, of what the control's calls kept: without what the attacker's own work takes from the machine.</param>
internal sealed record SiegeResult(
    string Attack, double Before, double During, double After, double Ratio, double Corrected, long Failed, long Strikes, double RssBeforeMiB, double RssPeakMiB, double RssAfterMiB,
    double NodeCpuSeconds, double AttackerCpuSeconds, bool Holds);

/// <summary>Two real nodes, honest calls from a client of A over the mesh to B's agent, and attacks on B, one after the other.</summary>
internal static class SiegeProgram
{
    private const double MustKeep = 0.80;

    // 5,000 connections, each for a moment; a full queue for a peer that doesn't read; and what the runtime keeps of it.
    private const double MayGrowMiB = 128;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    public static async Task<int> RunAsync(string[] options)
    {
        var phase = TimeSpan.FromSeconds(Array.IndexOf(options, "--seconds") is >= 0 and var at && at + 1 < options.Length ? int.Parse(options[at + 1], CultureInfo.InvariantCulture) : 15);
        var asJson = options.Contains("--json");
        await using var a = await SiegeNode.StartAsync();
        await using var b = await SiegeNode.StartAsync($"Bootstrap:0={a.Listen.GetLeftPart(UriPartial.Authority)}#{a.Id}");
        await using var calls = await HonestCalls.StartAsync(a, b);
        // Compiled and warm.
        await RateAsync(calls, b, phase);
        var results = new List<SiegeResult>();
        foreach (var attack in Attacks.All)
        {
            results.Add(await RunAsync(attack, calls, b, phase, results.FirstOrDefault()?.Ratio ?? 1));
            if (!asJson)
            {
                Print(results[^1], results.Count == 1);
            }
        }

        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(results, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }));
        }
        else
        {
            Console.WriteLine($"""

                calls/s of {phase.TotalSeconds:0} s each before, during and after; ratio = during / mean of before and after.
                'control' is no attack: connections at the flood's rate to a listener of this process, which costs the machine what attacking costs it.
                corrected = ratio / the control's ratio, at most 1. holds = corrected at least {MustKeep:0.00}, no call failed for good, memory grew by at most {MayGrowMiB:0} MiB, node alive.
                cpu = seconds of processor that the attacked node and this process (attacker and honest clients together) used during the attack.
                """);
        }

        return results.All(r => r.Holds) ? 0 : 1;
    }

    private static async Task<SiegeResult> RunAsync(Attack attack, HonestCalls calls, SiegeNode target, TimeSpan phase, double control)
    {
        var before = await RateAsync(calls, target, phase);
        var (nodeCpu, ownCpu, failed) = (target.Cpu, Process.GetCurrentProcess().TotalProcessorTime, calls.Count.Failed);
        using var stop = new CancellationTokenSource();
        var attacking = attack.RunAsync(target, stop.Token);
        var during = await RateAsync(calls, target, phase);
        (nodeCpu, ownCpu, failed) = (target.Cpu - nodeCpu, Process.GetCurrentProcess().TotalProcessorTime - ownCpu, calls.Count.Failed - failed);
        await stop.CancelAsync();
        var strikes = await attacking;
        // What the attack left behind times out first.
        await RateAsync(calls, target, phase / 3);
        var after = await RateAsync(calls, target, phase);
        var ratio = during.Rate / Math.Max(0.001, (before.Rate + after.Rate) / 2);
        var corrected = attack.Name == "control" ? 1 : Math.Min(1, ratio / Math.Clamp(control, 0.001, 1));
        var holds = corrected >= MustKeep && failed == 0 && during.PeakMiB - before.PeakMiB <= MayGrowMiB && !target.HasExited;
        return new(attack.Name, before.Rate, during.Rate, after.Rate, ratio, corrected, failed, strikes, before.PeakMiB, during.PeakMiB, after.PeakMiB, nodeCpu.TotalSeconds, ownCpu.TotalSeconds, holds);
    }

    private static async Task<(double Rate, double PeakMiB)> RateAsync(HonestCalls calls, SiegeNode node, TimeSpan time)
    {
        var (from, started, peak) = (calls.Count.Done, Stopwatch.GetTimestamp(), 0L);
        while (Stopwatch.GetElapsedTime(started) < time)
        {
            await Task.Delay(Look);
            peak = Math.Max(peak, node.ResidentBytes);
        }

        return ((calls.Count.Done - from) / Stopwatch.GetElapsedTime(started).TotalSeconds, peak / (1024.0 * 1024));
    }

    private static void Print(SiegeResult r, bool withHead)
    {
        if (withHead)
        {
            Console.WriteLine($"{"attack",-16}{"before",8}{"during",8}{"after",8}{"ratio",7}{"corrected",10}{"failed",8}{"strikes",9}{"MiB before",11}{"peak",6}{"after",6}{"cpu node",9}{"cpu here",9}  holds");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{r.Attack,-16}{r.Before,8:0}{r.During,8:0}{r.After,8:0}{r.Ratio,7:0.00}{r.Corrected,10:0.00}{r.Failed,8}{r.Strikes,9}{r.RssBeforeMiB,11:0}{r.RssPeakMiB,6:0}{r.RssAfterMiB,6:0}{r.NodeCpuSeconds,9:0.0}{r.AttackerCpuSeconds,9:0.0}  {(r.Holds ? "yes" : "NO")}"));
    }
}
