using System.Globalization;
using Dawn.Benchmarks.Peers;
using Spectre.Console;

namespace Dawn.Benchmarks.Compare;

/// <summary><c>alloc</c>: bytes that a remote call allocates at both ends. They depend on no clock, so one round will do on any machine.</summary>
internal static class Allocations
{
    public static async Task<int> RunAsync(CompareOptions options, CancellationToken cancellationToken)
    {
        Comparison.CheckProgram(options.Dawn);
        await using var stage = new Stage(options);
        var (a, b) = await stage.StartPairAsync(cancellationToken);
        var table = new Table().RoundedBorder().AddColumns("call", "in flight", "calling end, B", "called end, B");
        foreach (var size in new[] { 200, 1024 })
        {
            foreach (var inFlight in new[] { 1, 64 })
            {
                var shape = new LoadRequest(inFlight, 0, size);
                await AddAsync(await stage.DriveAsync($"Dawn, {size} B", a, b, shape, cancellationToken), inFlight);
                await AddAsync(await stage.CallAsync($"MCP over HTTP, TLS, {size} B", "mcp", "mcp", shape, cancellationToken, "/mcp"), inFlight);
            }
        }

        await AddAsync(await stage.CallAsync("MCP in memory, both ends in one, 200 B", "memory", new ServedAt("here"), new LoadRequest(1, 0, 200), cancellationToken), 1);
        AnsiConsole.Write(table);
        return 0;

        async Task AddAsync(Leg leg, int inFlight)
        {
            Comparison.Say($"alloc: {leg.Name}, {inFlight} in flight");
            await leg.RunAsync(options.WarmupSeconds, cancellationToken);
            var result = await leg.RunAsync(options.Seconds, cancellationToken);
            table.AddRow(
                Markup.Escape(leg.Name), inFlight.ToString(CultureInfo.InvariantCulture), result.AllocatedPerCall.ToString("N0", CultureInfo.InvariantCulture),
                result.RemoteAllocatedPerCall?.ToString("N0", CultureInfo.InvariantCulture) ?? "");
        }
    }
}
