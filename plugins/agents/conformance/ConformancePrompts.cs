using System.ComponentModel;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

[McpServerPromptType]
public static class ConformancePrompts
{
    public const string WithArguments = "test_prompt_with_arguments";

    [McpServerPrompt(Name = "test_simple_prompt")]
    [Description("One text.")]
    public static PromptMessage Simple() => Say("This is a simple prompt for testing.");

    [McpServerPrompt(Name = WithArguments)]
    [Description("A text with two arguments in it.")]
    public static PromptMessage Arguments([Description("First test argument")] string arg1, [Description("Second test argument")] string arg2) =>
        Say($"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");

    [McpServerPrompt(Name = "test_prompt_with_embedded_resource")]
    [Description("An embedded resource and a text.")]
    public static IEnumerable<PromptMessage> Resource([Description("URI of the resource to embed")] string resourceUri) =>
    [
        new() { Role = Role.User, Content = ContentTools.Embed(resourceUri, "text/plain", "Embedded resource content for testing.") },
        Say("Please process the embedded resource above."),
    ];

    [McpServerPrompt(Name = "test_prompt_with_image")]
    [Description("An image and a text.")]
    public static IEnumerable<PromptMessage> Image() =>
    [
        new() { Role = Role.User, Content = ImageContentBlock.FromBytes(Samples.Png, "image/png") },
        Say("Please analyze the image above."),
    ];

    [McpServerPrompt(Name = "test_input_required_result_prompt")]
    [Description("Asks the user for a context first.")]
    public static PromptMessage Ask(RequestContext<GetPromptRequestParams> request)
    {
        if (!Inputs.TryGetText(request.Params, "user_context", "context", out var context))
        {
            Inputs.Require(request.Server, new Dictionary<string, InputRequest> { ["user_context"] = Inputs.Text("What context should the prompt use?", "context") });
        }

        return Say($"Use this context: {context}");
    }

    private static PromptMessage Say(string text) => new() { Role = Role.User, Content = new TextContentBlock { Text = text } };
}
