using System.ComponentModel;
using ModelContextProtocol.Server;

namespace Dawn.Agents.First;

[McpServerResourceType]
public sealed class FirstResources(TimeProvider time)
{
    private const string Text = """
        # First steps

        An agent is an MCP server in a folder of its own. This one has four tools:

        - `ping` answers pong and says who called
        - `echo` returns a message
        - `time` tells the time, in any time zone
        - `roll` throws dice

        Whoever can see it can call it, from this machine or from any other in the network; the call is encrypted all the way.
        """;

    [McpServerResource(UriTemplate = "first://about", Name = "about", Title = "About this agent", MimeType = "text/markdown")]
    [Description("What this agent does.")]
    public static string About() => Text;

    [McpServerResource(UriTemplate = "first://now", Name = "now", Title = "The time now", MimeType = "text/plain")]
    [Description("The time now in UTC; another one at each reading.")]
    public string Now() => ClockTools.Format(time.GetUtcNow());
}
