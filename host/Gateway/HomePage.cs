using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Dawn.Configuration;

namespace Dawn.Gateway;

/// <summary>Which node this is, and where programs find it: what a browser sees at <c>/</c> without scripts, or of a node that was built without its page.</summary>
internal static class HomePage
{
    private const string Style =
        ":root{font:16px/1.5 system-ui,sans-serif;color-scheme:light dark}main{max-width:44rem;margin:3rem auto;padding:0 1rem}" +
        "code,pre{background:#8882;border-radius:6px;padding:.1em .4em;overflow-wrap:anywhere;white-space:pre-wrap}pre{padding:.6em .8em}";

    /// <summary>The page needs nothing but itself: it may load and run nothing, and its one style is named by its hash (CSP level 3, 2.3.1).</summary>
    public static string ContentSecurityPolicy { get; } =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static string Render(NodeId node, Uri url) =>
        $$$"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Dawn node {{{node.ToShortString()}}}</title>
        <style>{{{Style}}}</style>
        </head>
        <body>
        {{{Body(node, url)}}}
        <main>
        <h2>The chat</h2>
        <p>This node was built without its page. With Node.js 20 or newer and npm installed, <code>dotnet build host -c Release</code> builds it; then start the node again.</p>
        </main>
        </body>
        </html>

        """;

    /// <summary>The part that says it, without a document around it.</summary>
    public static string Body(NodeId node, Uri url)
    {
        var mcp = HtmlEncoder.Default.Encode(new Uri(url, "/mcp").ToString());
        return $$$"""
            <main>
            <h1>A Dawn node</h1>
            <p>Node <code>{{{node}}}</code> is running, version {{{DawnVersion.Text}}}.</p>
            <h2>Connect an MCP client</h2>
            <p>All agents of the network:</p>
            <pre>{{{mcp}}}</pre>
            <p>One agent alone, for example <code>first</code>:</p>
            <pre>{{{mcp}}}/first</pre>
            <p>Clients that start their servers:</p>
            <pre>{ "mcpServers": { "dawn": { "command": "dawn", "args": ["mcp"] } } }</pre>
            <h2>Look around</h2>
            <p><code>dawn agents</code> lists who can be called, <code>dawn status</code> says how this node is. <a href="/readyz">Readiness</a>, <a href="/metrics">metrics</a>.</p>
            </main>
            """;
    }
}
