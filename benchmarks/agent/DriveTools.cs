using System.ComponentModel;
using ModelContextProtocol.Client;
using ModelContextProtocol.Server;

namespace Dawn.Benchmarks;

[McpServerToolType]
public sealed class DriveTools(Func<string, CancellationToken, Task<McpClient>> connect)
{
    [McpServerTool(Name = "drive", UseStructuredContent = true)]
    [Description("Calls the tool echo of another agent for some seconds, from within this node, and tells how long the calls took.")]
    public async Task<LoadResult> DriveAsync(
        [Description("Address of an agent with the tools echo and allocated.")] string target,
        [Description("Calls under way at once, 1 to 1024.")] int inFlight,
        [Description("At most 120.")] double seconds,
        [Description("Characters in the argument, at most 1048576.")] int size,
        CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 1_048_576);
        await using var client = await connect(target, cancellationToken);
        var call = new EchoCall(client, size);
        var before = await EchoCall.AllocatedAsync(client, cancellationToken);
        var calls = 0L;
        var result = await Load.RunAsync(
            () =>
            {
                Interlocked.Increment(ref calls);
                return call.RunAsync(cancellationToken);
            },
            inFlight, seconds, cancellationToken);
        var after = await EchoCall.AllocatedAsync(client, cancellationToken);
        return result with { RemoteAllocatedPerCall = (double)(after - before) / calls };
    }
}
