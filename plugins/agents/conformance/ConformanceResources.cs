using System.ComponentModel;
using System.Text.Json;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

[McpServerResourceType]
public static class ConformanceResources
{
    public const string Watched = "test://watched-resource";

    public const string Template = "test://template/{id}/data";

    [McpServerResource(UriTemplate = "test://static-text", Name = "static-text", MimeType = "text/plain")]
    [Description("A text.")]
    public static string Text() => "This is the content of the static text resource.";

    [McpServerResource(UriTemplate = "test://static-binary", Name = "static-binary", MimeType = "image/png")]
    [Description("An image.")]
    public static ResourceContents Binary() => BlobResourceContents.FromBytes(Samples.Png, "test://static-binary", "image/png");

    [McpServerResource(UriTemplate = Template, Name = "template", MimeType = "application/json")]
    [Description("One document for each id.")]
    public static ResourceContents Data(string id) => new TextResourceContents
    {
        Uri = Template.Replace("{id}", Uri.EscapeDataString(id), StringComparison.Ordinal),
        MimeType = "application/json",
        Text = JsonSerializer.Serialize(new { id, templateTest = true, data = $"Data for ID: {id}" }),
    };

    [McpServerResource(UriTemplate = Watched, Name = "watched-resource", MimeType = "text/plain")]
    [Description("A text that clients may subscribe to.")]
    public static string WatchedText() => "This resource can be watched.";
}
