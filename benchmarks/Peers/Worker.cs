using System.Text.Json;

namespace Dawn.Benchmarks.Peers;

/// <summary>
/// The hidden verbs <c>serve</c> and <c>client</c>: one end of a comparator, as a child of the comparison. It says <c>ready {…}</c> and ends with its input,
/// so that it outlives no parent. A client answers each line of its input, a <see cref="LoadRequest"/>, with one line.
/// </summary>
internal static class Worker
{
    /// <summary>The secret of the network, in hexadecimal; not an argument, which every user of the machine can see.</summary>
    public const string SecretVariable = "DAWN_BENCHMARK_SECRET";

    public const string Ready = "ready ";

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(30);

    public static async Task<int> ServeAsync(string kind)
    {
        var (at, server) = kind.Split(':', 2) switch
        {
            ["mesh", var scheme] => await MeshBulkClient.ServeAsync(scheme, Root()),
            ["proxy", var target] => await ProxyServer.StartAsync(ServedAt.Parse(target)),
            _ => await WebServer.StartAsync(kind),
        };
        await using (server)
        {
            Console.WriteLine(Ready + JsonSerializer.Serialize(at));
            await Console.In.ReadToEndAsync();
        }

        return 0;
    }

    public static async Task<int> CallAsync(string kind, ServedAt at)
    {
        using var connecting = new CancellationTokenSource(ConnectTimeout);
        await using var client = await ConnectAsync(kind, at, connecting.Token);
        Console.WriteLine(Ready + "{}");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var request = JsonSerializer.Deserialize<LoadRequest>(line)!;
            using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(request.Seconds + 60));
            try
            {
                Console.WriteLine(JsonSerializer.Serialize(await client.RunAsync(request, timeout.Token)));
            }
            catch (Exception e)
            {
                // Whatever it was, the comparison says it and ends.
                Console.WriteLine(JsonSerializer.Serialize(new { error = e.ToString() }));
            }
        }

        return 0;
    }

    private static async Task<ILoadClient> ConnectAsync(string kind, ServedAt at, CancellationToken cancellationToken) => kind switch
    {
        "mcp" => await McpLoadClient.ConnectAsync(new Uri(at.Address), at.Thumbprint, cancellationToken),
        "memory" => await McpMemory.ConnectAsync(CancellationToken.None),
        "grpc" => new GrpcLoadClient(at),
        "websocket" => await WebSocketLoadClient.ConnectAsync(at, isBulk: false, cancellationToken),
        "websocket-bulk" => await WebSocketLoadClient.ConnectAsync(at, isBulk: true, cancellationToken),
        "mesh-bulk" => await MeshBulkClient.ConnectAsync(at, Root(), cancellationToken),
        "links" => new LinkClient(at, Root()),
        _ => throw new ArgumentException($"There is no client '{kind}'."),
    };

    private static byte[] Root() => Convert.FromHexString(Environment.GetEnvironmentVariable(SecretVariable) ?? throw new InvalidOperationException($"{SecretVariable} is not set."));
}
