using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dawn.Agents.Tests.Assistant;

/// <summary>An OpenAI-compatible endpoint on loopback that says what a test has written down for it, streamed, and keeps what it was asked.</summary>
internal sealed class FakeEndpoint : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Func<HttpContext, Task>> _answers = new();

    private FakeEndpoint(WebApplication app) => _app = app;

    public string Url => $"{_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()}/v1";

    public ConcurrentQueue<JsonNode> Requests { get; } = new();

    public ConcurrentQueue<string> Keys { get; } = new();

    public JsonNode Last => Requests.Last();

    public static async Task<FakeEndpoint> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var endpoint = new FakeEndpoint(builder.Build());
        endpoint._app.MapPost("/v1/chat/completions", endpoint.AnswerAsync);
        await endpoint._app.StartAsync(TestContext.Current.CancellationToken);
        return endpoint;
    }

    /// <summary>Words, piece by piece.</summary>
    public FakeEndpoint Says(params string[] pieces) => Then(context => StreamAsync(context, [.. pieces.Select(p => (JsonNode)new JsonObject { ["content"] = p })], "stop"));

    /// <summary>A call of the first offered function whose name contains the word.</summary>
    public FakeEndpoint Calls(string word, object arguments) => Then(context =>
    {
        var name = Offered(Last).First(n => n.Contains(word, StringComparison.Ordinal));
        return StreamAsync(
            context,
            [new JsonObject
            {
                ["tool_calls"] = new JsonArray(new JsonObject
                {
                    ["index"] = 0,
                    ["id"] = $"call{Requests.Count}",
                    ["type"] = "function",
                    ["function"] = new JsonObject { ["name"] = name, ["arguments"] = JsonSerializer.Serialize(arguments) },
                }),
            }],
            "tool_calls");
    });

    public FakeEndpoint Fails(int status) => Then(async context =>
    {
        context.Response.StatusCode = status;
        await context.Response.WriteAsync("""{"error":{"message":"no"}}""");
    });

    public FakeEndpoint Then(Func<HttpContext, Task> answer)
    {
        _answers.Enqueue(answer);
        return this;
    }

    public static IEnumerable<string> Offered(JsonNode request) => request["tools"]!.AsArray().Select(t => t!["function"]!["name"]!.GetValue<string>());

    public static Task StreamAsync(HttpContext context, JsonNode[] deltas, string finish) => StreamAsync(context, deltas, finish, whole: true);

    public static async Task StreamAsync(HttpContext context, JsonNode[] deltas, string finish, bool whole)
    {
        context.Response.ContentType = "text/event-stream";
        foreach (var delta in deltas)
        {
            await SendAsync(context, delta, null);
        }

        if (whole)
        {
            await SendAsync(context, new JsonObject(), finish);
            await context.Response.WriteAsync("data: [DONE]\n\n");
        }
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private static async Task SendAsync(HttpContext context, JsonNode delta, string? finish)
    {
        var chunk = new JsonObject
        {
            ["id"] = "1",
            ["object"] = "chat.completion.chunk",
            ["created"] = 1,
            ["model"] = "fake",
            ["choices"] = new JsonArray(new JsonObject { ["index"] = 0, ["delta"] = delta.DeepClone(), ["finish_reason"] = finish }),
        };
        await context.Response.WriteAsync($"data: {chunk.ToJsonString()}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        Requests.Enqueue((await JsonNode.ParseAsync(context.Request.Body))!);
        Keys.Enqueue(context.Request.Headers.Authorization.ToString());
        Assert.True(_answers.TryDequeue(out var answer), "the endpoint was asked more often than the test expects");
        await answer!(context);
    }
}
