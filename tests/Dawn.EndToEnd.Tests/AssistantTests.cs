using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>The assistant of a running node, a model that is none, and people at gateways.</summary>
public sealed class AssistantTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("2025-11-25")]
    [InlineData("2026-07-28")]
    public async Task AToolOfAnotherAgentIsCalledOnceThePersonAllowsIt(string protocol)
    {
        await using var model = new FakeModel("text_count", """{"text":"one two"}""");
        await using var node = await DawnNode.StartAsync($"Plugins:assistant:Endpoint={model.Url}", "Plugins:assistant:Model=fake");
        // What the model's libraries take is loaded with the first word said to it.
        Assert.DoesNotContain("OpenAI.dll", await File.ReadAllTextAsync($"/proc/{node.ProcessId}/maps", Stop), StringComparison.Ordinal);

        var questions = new List<string>();
        await using var person = await node.ConnectAsync("/assistant", Person(protocol, questions));
        var reply = await SayAsync(person, "Count the words of: one two");
        Assert.Null(reply.IsError);
        Assert.Contains("'count'", Assert.Single(questions), StringComparison.Ordinal);
        Assert.Contains("\"words\":2", await model.Result.WaitAsync(Dawn.Patience, Stop), StringComparison.Ordinal);
        Assert.EndsWith("Done.", TextOf(reply), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhoCallsFromElsewhereGetsNoToolThatItMayNotCallItself()
    {
        await using var model = new FakeModel("first_roll", """{"dice":"1d6"}""");
        await using var a = await DawnNode.StartAsync(
            DawnNode.Secret, $"Plugins:assistant:Endpoint={model.Url}", "Plugins:assistant:Model=fake", "Plugins:assistant:Share=members", "Plugins:first:Tools:roll=owner");
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
        await DawnNode.EventuallyAsync("linked", () => b.SeesAsync("assistant", a));

        // The tool itself is kept from the other node.
        await using var direct = await b.ConnectAsync($"/{a.Id}:first");
        Assert.DoesNotContain(await direct.ListToolsAsync(cancellationToken: Stop), tool => tool.Name == "roll");

        var questions = new List<string>();
        await using var person = await b.ConnectAsync($"/{a.Id}:assistant", Person("2025-11-25", questions));
        await SayAsync(person, "Throw dice");
        Assert.Contains("no tool", await model.Result.WaitAsync(Dawn.Patience, Stop), StringComparison.Ordinal);
        Assert.Empty(questions);
        Assert.DoesNotContain("roll", TextOf(await SayAsync(person, "/tools dice")), StringComparison.Ordinal);
    }

    private static McpClientOptions Person(string protocol, List<string> questions) => new()
    {
        ProtocolVersion = protocol,
        Handlers = new()
        {
            ElicitationHandler = (question, _) =>
            {
                questions.Add(question!.Message);
                return ValueTask.FromResult(new ElicitResult { Action = "accept", Content = new Dictionary<string, JsonElement> { ["answer"] = JsonSerializer.SerializeToElement("once") } });
            },
        },
    };

    private static async Task<CallToolResult> SayAsync(McpClient person, string message) =>
        await person.CallToolAsync("chat", new Dictionary<string, object?> { ["message"] = message, ["conversation"] = "c" }, cancellationToken: Stop);

    private static string TextOf(CallToolResult result) => string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));

    /// <summary>An OpenAI-compatible endpoint on loopback, whose model calls one tool, and then says that it is done.</summary>
    private sealed class FakeModel : IAsyncDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly TaskCompletionSource<string> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly string _tool;
        private readonly string _arguments;
        private readonly Task _serving;

        public FakeModel(string tool, string arguments)
        {
            (_tool, _arguments) = (tool, arguments);
            using (var free = new TcpListener(IPAddress.Loopback, 0))
            {
                free.Start();
                Url = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/v1";
            }

            _listener.Prefixes.Add(Url + "/");
            _listener.Start();
            _serving = ServeAsync();
        }

        public string Url { get; }

        /// <summary>What the model was told of its call.</summary>
        public Task<string> Result => _result.Task;

        public async ValueTask DisposeAsync()
        {
            _listener.Close();
            await _serving;
        }

        private async Task ServeAsync()
        {
            while (true)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                var last = (await JsonNode.ParseAsync(context.Request.InputStream))!["messages"]!.AsArray()[^1]!;
                context.Response.ContentType = "text/event-stream";
                await using var output = context.Response.OutputStream;
                if ((string?)last["role"] == "tool")
                {
                    _result.TrySetResult((string)last["content"]!);
                    await WriteAsync(output, new() { ["content"] = "Done." }, null);
                    await WriteAsync(output, [], "stop");
                }
                else
                {
                    var call = new JsonObject { ["index"] = 0, ["id"] = "call-1", ["type"] = "function", ["function"] = new JsonObject { ["name"] = _tool, ["arguments"] = _arguments } };
                    await WriteAsync(output, new() { ["tool_calls"] = new JsonArray(call) }, null);
                    await WriteAsync(output, [], "tool_calls");
                }

                await output.WriteAsync("data: [DONE]\n\n"u8.ToArray());
            }
        }

        private static async Task WriteAsync(Stream output, JsonObject delta, string? reason)
        {
            var chunk = new JsonObject
            {
                ["id"] = "reply",
                ["object"] = "chat.completion.chunk",
                ["created"] = 1_700_000_000,
                ["model"] = "fake",
                ["choices"] = new JsonArray(new JsonObject { ["index"] = 0, ["delta"] = delta, ["finish_reason"] = reason }),
            };
            await output.WriteAsync(Encoding.UTF8.GetBytes($"data: {chunk.ToJsonString()}\n\n"));
        }
    }
}
