#pragma warning disable MCP9005 // Deprecated by 2026-07-28, and carried all the same.
using System.Collections.Concurrent;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Tests.Gateway;

/// <summary>An agent that does a bit of everything, and remembers what was done with it.</summary>
internal sealed class TestAgent(string name)
{
    private readonly McpServerPrimitiveCollection<McpServerTool> _tools = [];
    private readonly ConcurrentDictionary<string, McpServer> _subscribers = new();

    public TaskCompletionSource SlowStarted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource SlowCancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Calls;

    public McpServerOptions Options()
    {
        var options = new McpServerOptions
        {
            ServerInfo = new() { Name = name, Version = "1.0" },
            ToolCollection =
            [
                McpServerTool.Create((string text) => $"{name}: {text}", new() { Name = "echo" }),
                McpServerTool.Create(Linked, new() { Name = "linked" }),
                McpServerTool.Create(ReportAsync, new() { Name = "report" }),
                McpServerTool.Create(SlowAsync, new() { Name = "slow" }),
                McpServerTool.Create(AskAsync, new() { Name = "ask" }),
                McpServerTool.Create(SampleAsync, new() { Name = "sample" }),
                McpServerTool.Create(Count, new() { Name = "count" }),
            ],
            PromptCollection = [McpServerPrompt.Create((string who) => $"Greet {who} from {name}", new() { Name = "greet" })],
            ResourceCollection =
            [
                McpServerResource.Create(() => $"text of {name}", new() { UriTemplate = "test://static", Name = "static" }),
                McpServerResource.Create((string id) => $"{name} has {id}", new() { UriTemplate = "test://item/{id}", Name = "item" }),
            ],
            Capabilities = new() { Resources = new() { Subscribe = true, ListChanged = true }, Logging = new(), Completions = new() },
        };
        options.Handlers.CompleteHandler = (context, _) => new(new CompleteResult { Completion = new() { Values = [$"{name}/{context.Params?.Argument.Value}"] } });
        options.Handlers.SetLoggingLevelHandler = (_, _) => new(new EmptyResult());
        options.Handlers.SubscribeToResourcesHandler = (context, _) =>
        {
            _subscribers[context.Params!.Uri] = context.Server;
            return new(new EmptyResult());
        };
        options.Handlers.UnsubscribeFromResourcesHandler = (context, _) =>
        {
            _subscribers.TryRemove(context.Params!.Uri, out var _);
            return new(new EmptyResult());
        };
        foreach (var tool in _tools)
        {
            options.ToolCollection.Add(tool);
        }

        return options;
    }

    public void AddTool(string tool) => _tools.Add(McpServerTool.Create(() => tool, new() { Name = tool }));

    public bool Subscribed(string uri) => _subscribers.ContainsKey(uri);

    public Task UpdateAsync(string uri) => _subscribers[uri].SendNotificationAsync(NotificationMethods.ResourceUpdatedNotification, new ResourceUpdatedNotificationParams { Uri = uri });

    private static CallToolResult Linked() => new()
    {
        Content =
        [
            new ResourceLinkBlock { Uri = "test://item/7", Name = "seven" },
            new EmbeddedResourceBlock { Resource = new TextResourceContents { Uri = "test://static", Text = "inline" } },
        ],
    };

    private static async Task<string> ReportAsync(McpServer server, IProgress<ProgressNotificationValue> progress, CancellationToken cancellationToken)
    {
        for (var step = 1; step <= 3; step++)
        {
            progress.Report(new() { Progress = step, Total = 3 });
            await server.SendNotificationAsync(
                NotificationMethods.LoggingMessageNotification,
                new LoggingMessageNotificationParams { Level = LoggingLevel.Info, Data = JsonSerializer.SerializeToElement($"step {step}") },
                cancellationToken: cancellationToken);
        }

        return "reported";
    }

    private static async Task<string> AskAsync(McpServer server, CancellationToken cancellationToken)
    {
        var answer = await server.ElicitAsync(new ElicitRequestParams { Message = "Who are you?", RequestedSchema = new() { Properties = { ["name"] = new ElicitRequestParams.StringSchema() } } }, cancellationToken);
        return $"{answer.Action}: {answer.Content?["name"]}";
    }

    private static async Task<string> SampleAsync(McpServer server, CancellationToken cancellationToken)
    {
        var answer = await server.SampleAsync(
            new CreateMessageRequestParams { MaxTokens = 10, Messages = [new() { Role = Role.User, Content = [new TextContentBlock { Text = "hello" }] }] },
            cancellationToken);
        return answer.Content.OfType<TextContentBlock>().First().Text;
    }

    private int Count() => Interlocked.Increment(ref Calls);

    private async Task<string> SlowAsync(CancellationToken cancellationToken)
    {
        SlowStarted.TrySetResult();
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            SlowCancelled.TrySetResult();
            throw;
        }

        return "never";
    }
}
