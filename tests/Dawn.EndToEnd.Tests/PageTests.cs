using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>The second implementation of the wire protocol, the pages' own, against real nodes: it joins by the ticket in the page's address, and calls agents of a node that it has no link to.</summary>
public sealed partial class PageTests
{
    [Fact(Timeout = 240_000)]
    public async Task APageCallsAgentsOfAFarNodeThroughItsHome()
    {
        await using var a = await DawnNode.StartAsync(DawnNode.Secret);
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
        using var page = LivePage.Start("conversation.js", a.Ui, b.Id);
        var seen = await page.EndAsync();
        Assert.Equal(a.Id, seen.GetProperty("home").GetString());
        Assert.Contains($"{b.Id}:first", Texts(seen.GetProperty("agents")));
        Assert.Equal("first", seen.GetProperty("server").GetString());
        Assert.Contains("roll", Texts(seen.GetProperty("tools")));
        Assert.Equal(3, seen.GetProperty("roll").GetProperty("structuredContent").GetProperty("rolls").GetArrayLength());
        Assert.Equal(20, seen.GetProperty("many").GetInt32());
        Assert.Equal(600_000, seen.GetProperty("long").GetProperty("words").GetInt32());
        Assert.Equal("unknown-agent", seen.GetProperty("unknown").GetString());

        // It comes again without a ticket, and nobody comes twice with one.
        Assert.True(seen.GetProperty("sameId").GetBoolean());
        Assert.Equal(1, seen.GetProperty("again").GetInt32());
        Assert.Equal("ticket-spent", seen.GetProperty("spent").GetString());
        Assert.Equal("ticket-needed", seen.GetProperty("none").GetString());

        // The home node passed all of it on, and its record says who came.
        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(new Uri(a.Mcp.Replace("/mcp", "/metrics", StringComparison.Ordinal)), TestContext.Current.CancellationToken);
        var relayed = RelayedBytes().Match(metrics).Groups[1].Value;
        Assert.True(double.Parse(relayed, CultureInfo.InvariantCulture) > 3_000_000, metrics);
        Assert.Contains("is now a Browser of the network", a.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CallsGoOnWhileAllKeysAreReplaced()
    {
        const string Often = "Security:RekeyAfter=00:00:01";
        await using var a = await DawnNode.StartAsync(DawnNode.Secret, Often);
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, Often, $"Bootstrap:0={a.At}");
        using var page = LivePage.Start("conversation.js", a.Ui, b.Id, "1500");
        var seen = await page.EndAsync();
        Assert.All(seen.GetProperty("epochs").EnumerateArray(), epoch => Assert.InRange(epoch.GetInt32(), 2, 20));
        Assert.InRange(seen.GetProperty("calls").GetInt32(), 10, int.MaxValue);
    }

    [Fact]
    public async Task ACallSurvivesTheRestartOfTheHomeNode()
    {
        var data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            var a = await DawnNode.StartOnAsync(data, DawnNode.Secret);
            string[] where = [DawnNode.Secret, $"Listen:0={a.Listen}", $"Gateway:Url={new Uri(a.Mcp).GetLeftPart(UriPartial.Authority)}"];
            await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
            await DawnNode.EventuallyAsync("A sees B's agent", () => a.SeesAsync("first", b));
            using var page = LivePage.Start("restart.js", a.Ui, b.Id);
            await page.SaysAsync("linked");
            await a.KillAsync();
            await a.DisposeAsync();
            await using var restarted = await DawnNode.StartOnAsync(data, where);
            var seen = await page.EndAsync();
            Assert.Equal(2, seen.GetProperty("rolls").GetInt32());
            Assert.Equal(1, seen.GetProperty("sessions").GetInt32());
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    [Fact]
    public async Task APageIsLetInAgainWhileItIsLinked()
    {
        await using var a = await DawnNode.StartAsync(DawnNode.Secret);
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
        await DawnNode.EventuallyAsync("A sees B's agent", () => a.SeesAsync("first", b));
        using var page = LivePage.Start("renewal.js", a.Ui, b.Id);
        await page.SaysAsync("linked");
        var ui = await a.CliAsync("ui");
        Assert.True(ui.Exit == 0, ui.Err);
        await page.TellAsync(ui.Out.Trim());
        var seen = await page.EndAsync();
        Assert.True(seen.GetProperty("isLater").GetBoolean());
        Assert.Equal("online", seen.GetProperty("state").GetString());
        Assert.Equal(1, seen.GetProperty("sessions").GetInt32());
    }

    [Fact]
    public async Task APageReachesNodesThatItsHomeIsNotLinkedTo()
    {
        await using var hub = await DawnNode.StartAsync(DawnNode.Secret, "Mode=centralized");
        string[] spoke = [DawnNode.Secret, "Mode=centralized", $"Hubs:0={hub.At}"];
        await using var a = await DawnNode.StartAsync(spoke);
        await using var b = await DawnNode.StartAsync(spoke);
        await DawnNode.EventuallyAsync("A sees B's agent", () => a.SeesAsync("first", b));
        using var page = LivePage.Start("conversation.js", a.Ui, b.Id);
        var seen = await page.EndAsync();
        Assert.Equal(20, seen.GetProperty("many").GetInt32());
    }

    [Fact(Timeout = 120_000)]
    public async Task TheAddressOfThePageCarriesATicketAndAFreshOneIsToBeHad()
    {
        await using var a = await DawnNode.StartAsync();
        Assert.Matches("^http://127.0.0.1:[0-9]+/#dawn1[a-z2-7]+$", a.Ui);
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(new Uri(a.Ui), TestContext.Current.CancellationToken)).StatusCode);
        var ui = await a.CliAsync("ui");
        Assert.Equal(0, ui.Exit);
        Assert.Matches("^http://127.0.0.1:[0-9]+/#dawn1[a-z2-7]+\n$", ui.Out);
        Assert.NotEqual(a.Ui, ui.Out.Trim());
        var json = await a.CliAsync("ui", "--json");
        Assert.InRange(json.Json.GetProperty("expires").GetDateTimeOffset() - DateTimeOffset.UtcNow, TimeSpan.FromMinutes(8), TimeSpan.FromMinutes(10));
    }

    [Theory(Timeout = 120_000)]
    [InlineData(null, false)]
    [InlineData("Gateway:TestHooks=false", false)]
    [InlineData("Gateway:TestHooks=true", true)]
    public async Task ThePageHasTestHooksOnlyBySetting(string? setting, bool areThere)
    {
        await using var a = await DawnNode.StartAsync(setting is null ? [] : [setting]);
        using var http = new HttpClient();
        var html = await http.GetStringAsync(new Uri(a.Ui), TestContext.Current.CancellationToken);
        Assert.Equal(areThere, html.Contains("""<meta name="dawn-test-hooks" content="true">""", StringComparison.Ordinal));
        await a.StopAsync();
        Assert.DoesNotContain("TestHooks", a.Log, StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task TheLinkEndpointIsForWebSocketsOfItsOwnPages()
    {
        await using var a = await DawnNode.StartAsync();
        var gateway = new Uri(new Uri(a.Ui).GetLeftPart(UriPartial.Authority));
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.UpgradeRequired, (await http.GetAsync(new Uri(gateway, "/link"), TestContext.Current.CancellationToken)).StatusCode);
        foreach (var (header, value) in new[] { ("Origin", "https://elsewhere.example"), ("Origin", "null"), ("Host", "elsewhere.example") })
        {
            using var foreign = new ClientWebSocket();
            foreign.Options.SetRequestHeader(header, value);
            foreign.Options.CollectHttpResponseDetails = true;
            await Assert.ThrowsAsync<WebSocketException>(() => foreign.ConnectAsync(Link(gateway), TestContext.Current.CancellationToken));
            Assert.Equal(HttpStatusCode.Forbidden, foreign.HttpStatusCode);
        }

        // A page of this gateway gets in, and one that then says nothing that is understood gets no word.
        using var own = new ClientWebSocket();
        own.Options.SetRequestHeader("Origin", gateway.GetLeftPart(UriPartial.Authority));
        await own.ConnectAsync(Link(gateway), TestContext.Current.CancellationToken);
        await own.SendAsync("GET / HTTP/1.1\r\n"u8.ToArray(), WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        Assert.Equal(WebSocketMessageType.Close, (await own.ReceiveAsync(new byte[16], TestContext.Current.CancellationToken)).MessageType);
    }

    private static Uri Link(Uri gateway) => new UriBuilder(gateway) { Scheme = "ws", Path = "/link" }.Uri;

    private static IReadOnlyList<string> Texts(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];

    [GeneratedRegex(@"^dawn_relay_bytes_total(?:\{[^}]*\})? ([0-9.e+]+)", RegexOptions.Multiline)]
    private static partial Regex RelayedBytes();
}
