using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Identity;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

public class GatewayAccessTests
{
    private const int Limit = 60_000;
    private const string Token = "the-gateways-token";
    private const string Owner = "the-owners-token";

    [Theory(Timeout = Limit)]
    [InlineData("localhost", null, HttpStatusCode.OK)]
    [InlineData("127.0.0.1", null, HttpStatusCode.OK)]
    [InlineData("[::1]", null, HttpStatusCode.OK)]
    [InlineData("evil.example.com", null, HttpStatusCode.Forbidden)]
    [InlineData("192.168.1.2", null, HttpStatusCode.Forbidden)]
    [InlineData("localhost", "http://localhost:{port}", HttpStatusCode.OK)]
    [InlineData("localhost", "http://127.0.0.1:{port}", HttpStatusCode.OK)]
    [InlineData("localhost", "http://localhost:1", HttpStatusCode.Forbidden)]
    [InlineData("localhost", "https://localhost:{port}", HttpStatusCode.Forbidden)]
    [InlineData("localhost", "http://evil.example.com", HttpStatusCode.Forbidden)]
    [InlineData("localhost", "null", HttpStatusCode.Forbidden)]
    public async Task HostsAndOriginsAreChecked(string host, string? origin, HttpStatusCode expected)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        foreach (var path in new[] { "/mcp", "/healthz", "/readyz" })
        {
            using var request = path == "/mcp" ? gateway.Request(path, "server/discover") : new(HttpMethod.Get, new Uri(gateway.Server.Url!, path));
            var port = gateway.Server.Url!.Port;
            request.Headers.Host = $"{host}:{port}";
            if (origin is not null)
            {
                request.Headers.Add("Origin", origin.Replace("{port}", $"{port}", StringComparison.Ordinal));
            }

            using var response = await gateway.Http.SendAsync(request, Stop);
            Assert.Equal(expected, response.StatusCode);
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(null, null, AgentId.Gateway)]
    [InlineData(null, Owner, AgentId.Owner)]
    [InlineData(null, "wrong", null)]
    [InlineData(Token, null, null)]
    [InlineData(Token, Token, AgentId.Gateway)]
    [InlineData(Token, Owner, AgentId.Owner)]
    [InlineData(Token, "the-gateways-tokeN", null)]
    [InlineData(Token, "", null)]
    public async Task TokensSayWhoCalls(string? configured, string? given, string? caller)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, new("http://127.0.0.1:0", configured), Owner);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        foreach (var path in new[] { "/mcp/first", "/mcp" })
        {
            gateway.Network.Callers.Clear();
            using var request = gateway.Request(path, "tools/call", new()
            {
                ["name"] = path == "/mcp" ? "first__echo" : "echo",
                ["arguments"] = new JsonObject { ["text"] = "x" },
            });
            if (given is not null)
            {
                request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {given}");
            }

            using var response = await gateway.Http.SendAsync(request, Stop);
            Assert.Equal(caller is null ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, response.StatusCode);

            // The aggregate takes the leg that the single agent's request left, and only the same caller's.
            Assert.Equal(caller is null || path == "/mcp" ? [] : [caller], gateway.Network.Callers);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task ASessionBelongsToWhoeverBeganIt()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, ownerToken: Owner);
        gateway.Add("first", FakeNetwork.Here);
        var owner = await gateway.ConnectAsync("/mcp/first", Initialize, token: Owner);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Server.Url!, "/mcp/first"))
        {
            Content = new StringContent("""{"jsonrpc":"2.0","id":9,"method":"tools/list"}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Mcp-Session-Id", owner.SessionId);
        request.Headers.Add("Accept", "application/json, text/event-stream");
        using var response = await gateway.Http.SendAsync(request, Stop);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact(Timeout = Limit)]
    public async Task HealthReadinessMetricsAndPage()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        Assert.Equal("ok\n", await GetAsync("/healthz"));

        gateway.Readiness.Set("links", "no listener yet");
        using (var waiting = await gateway.Http.GetAsync(new Uri(gateway.Server.Url!, "/readyz"), Stop))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, waiting.StatusCode);
            Assert.Equal("""{"ready":false,"waiting":{"links":"no listener yet"}}""", await waiting.Content.ReadAsStringAsync(Stop));
        }

        gateway.Readiness.Set("links", null);
        Assert.Equal("""{"ready":true,"waiting":{}}""", await GetAsync("/readyz"));

        await gateway.SendAsync("/mcp/first", "tools/list");
        var metrics = await GetAsync("/metrics");
        Assert.Contains("dawn_gateway_requests", metrics);
        Assert.Contains("method=\"tools/list\"", metrics);
        Assert.Contains("dawn_gateway_request_duration_seconds_bucket", metrics);

        using var page = await gateway.Http.GetAsync(gateway.Server.Url!, Stop);
        Assert.Contains("default-src 'none'", Assert.Single(page.Headers.GetValues("Content-Security-Policy")));
        var html = await page.Content.ReadAsStringAsync(Stop);
        Assert.Contains(FakeNetwork.Here.ToString(), html);
        Assert.Contains($"{gateway.Server.Url}mcp", html);

        async Task<string> GetAsync(string path) => await gateway.Http.GetStringAsync(new Uri(gateway.Server.Url!, path), Stop);
    }

    [Fact(Timeout = Limit)]
    public async Task StoppingAnswersWhatIsInFlight()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        var call = gateway.SendAsync("/mcp/first", "tools/call", new() { ["name"] = "slow" });
        var client = await gateway.ConnectAsync("/mcp/first", Initialize);
        await agent.SlowStarted.Task.WaitAsync(Patience, Stop);
        await gateway.Server.StopAsync(Stop).WaitAsync(Patience, Stop);
        Assert.Equal("outcome-unknown", (string?)(await call)["error"]!["data"]!["dawn"]);
        await agent.SlowCancelled.Task.WaitAsync(Patience, Stop);
        await Eventually.HoldsAsync(() => gateway.Relays.Clients == 0, "no clients");
        await gateway.Pool.DisposeAsync();
        Assert.Equal(0, gateway.Dialer.Open);
        Assert.NotNull(client);
    }
}
