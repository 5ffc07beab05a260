using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Conformance;

/// <summary>Suggestions for the arguments of prompts and resource templates.</summary>
internal static class Completions
{
    private static readonly string[] Words = ["paris", "park", "party", "test", "testing"];

    public static CompleteResult For(CompleteRequestParams request)
    {
        var candidates = (request.Ref, request.Argument.Name) switch
        {
            (PromptReference { Name: ConformancePrompts.WithArguments }, "arg1" or "arg2") => Words,
            (ResourceTemplateReference { Uri: ConformanceResources.Template }, "id") => ["1", "12", "123"],
            _ => throw new McpProtocolException($"Nothing here has an argument '{request.Argument.Name}' to complete.", McpErrorCode.InvalidParams),
        };
        string[] values = [.. candidates.Where(word => word.StartsWith(request.Argument.Value, StringComparison.OrdinalIgnoreCase))];
        return new() { Completion = new() { Values = values, Total = values.Length, HasMore = false } };
    }
}
