using System.ComponentModel;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>Tools that say something before they answer: log messages and progress.</summary>
[McpServerToolType]
public sealed class NotifyingTools(TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    [McpServerTool(Name = "test_tool_with_logging", ReadOnly = true)]
    [Description("Logs three messages at level info while it runs.")]
    public async Task<string> LogAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        await LogAsync(request, "Tool execution started", cancellationToken);
        await Task.Delay(Pause, time, cancellationToken);
        await LogAsync(request, "Tool processing data", cancellationToken);
        await Task.Delay(Pause, time, cancellationToken);
        await LogAsync(request, "Tool execution completed", cancellationToken);
        return "Logged three messages.";
    }

    [McpServerTool(Name = "test_logging_tool", ReadOnly = true)]
    [Description("Logs one message at level info, for clients that asked for log messages.")]
    public static async Task<string> LogOnceAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        await LogAsync(request, "Tool called", cancellationToken);
        return "Logged one message.";
    }

    [McpServerTool(Name = "test_tool_with_progress", ReadOnly = true)]
    [Description("Reports progress 0, 50 and 100 of 100 to callers that sent a progress token.")]
    public async Task<string> ProgressAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        await ReportAsync(0);
        await Task.Delay(Pause, time, cancellationToken);
        await ReportAsync(50);
        await Task.Delay(Pause, time, cancellationToken);
        await ReportAsync(100);
        return "Reached 100 of 100.";

        async Task ReportAsync(int progress)
        {
            if (request.Params.ProgressToken is { } token)
            {
                await request.Server.NotifyProgressAsync(token, new ProgressNotificationValue { Progress = progress, Total = 100 }, cancellationToken: cancellationToken);
            }
        }
    }

    /// <remarks>Over HTTP the server may close the stream in mid-call and have the client poll; on a mesh channel there is nothing to close.</remarks>
    [McpServerTool(Name = "test_reconnection", ReadOnly = true)]
    [Description("Ends the response stream before it answers, where the transport has a way to reconnect.")]
    public async Task<string> ReconnectAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        try
        {
            await request.EnablePollingAsync(2 * Pause, cancellationToken);
        }
        catch (InvalidOperationException)
        {
            return "This transport has no streams to reconnect to.";
        }

        await Task.Delay(2 * Pause, time, cancellationToken);
        return "Answered after the stream was closed.";
    }

    /// <summary>
    /// Sends a message at level info to a client that wants such: from 2026-07-28 on each request says so, before that the client said it once for all.
    /// The SDK's logger knows of the latter alone, and does not wait: its messages may come after the answer.
    /// </summary>
    private static async Task LogAsync(RequestContext<CallToolRequestParams> request, string message, CancellationToken cancellationToken)
    {
        var wanted = request.Params.Meta is { } meta && meta.ContainsKey("io.modelcontextprotocol/protocolVersion")
            ? meta["io.modelcontextprotocol/logLevel"]?.Deserialize<LoggingLevel>(McpJsonUtilities.DefaultOptions)
            : request.Server.LoggingLevel;
        if (wanted <= LoggingLevel.Info)
        {
            await request.Server.SendNotificationAsync(
                NotificationMethods.LoggingMessageNotification,
                new LoggingMessageNotificationParams { Level = LoggingLevel.Info, Logger = "conformance", Data = JsonSerializer.SerializeToElement(message, McpJsonUtilities.DefaultOptions) },
                cancellationToken: cancellationToken);
        }
    }
}
