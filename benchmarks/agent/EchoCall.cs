using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Dawn.Benchmarks;

/// <summary>The measured call: a tool that gives its argument back. The same for every MCP client, in the agent and in the comparators.</summary>
public sealed class EchoCall(McpClient client, int size)
{
    private readonly string _text = new('x', size);
    private readonly Dictionary<string, object?> _arguments = new() { ["text"] = new string('x', size) };

    /// <exception cref="InvalidOperationException">What came back is not what was sent.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var result = await client.CallToolAsync("echo", _arguments, cancellationToken: cancellationToken);
        if (result.IsError is true || result.Content is not [TextContentBlock { Text: var text }] || text != _text)
        {
            throw new InvalidOperationException($"The echo differs: {(result.Content is [TextContentBlock said, ..] ? said.Text : "no text")}");
        }
    }

    /// <summary>Bytes that the called process has allocated so far.</summary>
    public static async Task<long> AllocatedAsync(McpClient client, CancellationToken cancellationToken)
    {
        var result = await client.CallToolAsync("allocated", cancellationToken: cancellationToken);
        return long.Parse(((TextContentBlock)result.Content[0]).Text, System.Globalization.CultureInfo.InvariantCulture);
    }
}
