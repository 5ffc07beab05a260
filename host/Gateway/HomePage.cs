using System.Text.Encodings.Web;
using Dawn.Identity;

namespace Dawn.Gateway;

/// <summary>What a browser sees at <c>/</c>: which node this is, and where programs find it.</summary>
internal static class HomePage
{
    /// <summary>The page needs nothing but itself, so it may load and run nothing.</summary>
    public const string ContentSecurityPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static string Render(NodeId node, Uri url)
    {
        var mcp = HtmlEncoder.Default.Encode(new Uri(url, "/mcp").ToString());
        return $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <meta name="color-scheme" content="light dark">
            <title>Dawn node {node.ToShortString()}</title>
            </head>
            <body>
            <main>
            <h1>Dawn node</h1>
            <p><code>{node}</code></p>
            <p>MCP clients connect to <code>{mcp}</code> for all agents of the network, or to <code>{mcp}/agent</code> for one.</p>
            <p><a href="/readyz">Readiness</a></p>
            </main>
            </body>
            </html>

            """;
    }
}
