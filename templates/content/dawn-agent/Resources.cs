using System.ComponentModel;
using ModelContextProtocol.Server;

namespace MyAgent;

[McpServerResourceType]
public static class Resources
{
    [McpServerResource(UriTemplate = "myagent://manners", Name = "manners", Title = "Manners", MimeType = "text/plain")]
    [Description("How to greet.")]
    public static string Manners() => "A greeting is short, names the person, and asks for nothing.";
}
