using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Conformance;

internal static class Protocols
{
    public const string Initialize = "2025-11-25";
    public const string PerRequest = "2026-07-28";

    /// <summary>A client that speaks one protocol and answers as a willing user would.</summary>
    public static McpClientOptions Client(string protocol, string action = "accept") => new()
    {
        ProtocolVersion = protocol,
        Handlers = new()
        {
            ElicitationHandler = (request, _) => ValueTask.FromResult(new ElicitResult
            {
                Action = action,
                Content = action == "accept" ? request!.RequestedSchema!.Properties.ToDictionary(p => p.Key, p => Answers.For(p.Key)) : null,
            }),
            SamplingHandler = (request, _, _) => ValueTask.FromResult(new CreateMessageResult
            {
                Model = "test",
                Role = Role.Assistant,
                Content = [new TextContentBlock { Text = $"answer to {Assert.IsType<TextContentBlock>(request!.Messages[0].Content[0]).Text}" }],
            }),
            RootsHandler = (_, _) => ValueTask.FromResult(new ListRootsResult { Roots = [new() { Uri = "file:///test/root", Name = "Test Root" }] }),
        },
    };
}

internal static class Answers
{
    public static JsonElement For(string property) => JsonElement.Parse(property switch
    {
        "ok" or "verified" => "true",
        "age" => "30",
        "score" => "95.5",
        "untitledMulti" or "titledMulti" => "[]",
        _ => $"\"my {property}\"",
    });
}
