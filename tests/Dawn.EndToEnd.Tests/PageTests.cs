using System.Net;
using System.Net.WebSockets;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>What a node has for pages. The pages themselves, and the second implementation of the wire protocol that they are, are tried by <c>frontend/tests/e2e</c>.</summary>
public sealed class PageTests
{
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
}
