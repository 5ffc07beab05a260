using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http.Headers;
using Microsoft.Net.Http.Headers;

namespace Dawn.Gateway;

/// <summary>The browser's files, as <c>frontend/build.mjs</c> left them: compressed beforehand, and named by their content where that may change.</summary>
/// <param name="folder">Where they are; a node built without them has the plain page alone.</param>
internal sealed class Pages(string folder, NodeId node, GatewaySettings settings)
{
    /// <summary>Beside the program.</summary>
    public static string DefaultFolder { get; } = Path.Combine(AppContext.BaseDirectory, "www");

    private const string Index = "index.html";
    private const string Revalidate = "no-cache";
    private const string Immutable = "public, max-age=31536000, immutable";

    private static readonly FrozenDictionary<string, string> Types = new Dictionary<string, string>
    {
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".json"] = "application/json",
        [".svg"] = "image/svg+xml",
        [".txt"] = "text/plain; charset=utf-8",
        [".webmanifest"] = "application/manifest+json",
    }.ToFrozenDictionary();

    // Best first.
    private static readonly (string Name, string Suffix)[] Encodings = [("br", ".br"), ("gzip", ".gz")];

    private readonly string? _index = File.Exists(Path.Combine(folder, Index)) ? File.ReadAllText(Path.Combine(folder, Index)) : null;

    /// <summary>Whether this node was built with its page.</summary>
    public bool ArePresent => _index is not null;

    /// <summary>Serves the page at <c>/</c>, and each file by its name: what is no file of the page has no route, whatever its path says.</summary>
    /// <param name="url">Where the gateway listens, once it does.</param>
    public void Map(IEndpointRouteBuilder routes, Func<Uri> url)
    {
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        routes.MapMethods("/", methods, context => IndexAsync(context, url()));
        if (ArePresent)
        {
            foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            {
                var name = Path.GetRelativePath(folder, path).Replace('\\', '/');
                if (Types.TryGetValue(Path.GetExtension(name), out var type))
                {
                    var file = new PageFile(path, type, IsHashed(name) ? Immutable : Revalidate);
                    routes.MapMethods("/" + name, methods, context => SendAsync(context, file));
                }
            }
        }
    }

    private Task IndexAsync(HttpContext context, Uri url)
    {
        var (request, response) = (context.Request, context.Response);
        if (OneOrigin(request, url) is { } elsewhere)
        {
            // Each name is an origin, with an identity of its own: two names would be two members. The browser keeps the fragment by itself (RFC 9110, 10.2.2).
            response.Headers.CacheControl = "no-store";
            response.Redirect(elsewhere, permanent: false, preserveMethod: true);
            return Task.CompletedTask;
        }

        var html = _index is null
            ? HomePage.Render(node, url)
            : _index.Replace("<!--dawn:head-->", Head(), StringComparison.Ordinal).Replace("<!--dawn:noscript-->", HomePage.Body(node, url), StringComparison.Ordinal);
        var body = Encoding.UTF8.GetBytes(html);
        Secure(response);
        response.Headers.ContentSecurityPolicy = _index is null ? HomePage.ContentSecurityPolicy : Policy(request);
        response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        (response.ContentType, response.Headers.CacheControl) = ("text/html; charset=utf-8", Revalidate);
        return WriteAsync(context, Tag(SHA256.HashData(body), ""), body.Length, () => response.Body.WriteAsync(body).AsTask());
    }

    private static async Task SendAsync(HttpContext context, PageFile file)
    {
        var (request, response) = (context.Request, context.Response);
        Secure(response);
        response.Headers.CacheControl = file.CacheControl;
        response.ContentType = file.Type;
        // A worker's script has a policy of its own (Service Workers, 4.5): it loads the page's files and nothing else.
        response.Headers.ContentSecurityPolicy = "default-src 'none'; connect-src 'self'";
        var (path, encoding) = (file.Path, "");
        if (file.Suffixes.Length > 0)
        {
            response.Headers.Vary = HeaderNames.AcceptEncoding;
            (path, encoding) = Choose(request, file);
        }

        if (encoding.Length > 0)
        {
            response.Headers.ContentEncoding = encoding;
        }

        var info = new FileInfo(path);
        if (!info.Exists)
        {
            // The node is being built anew under its feet.
            response.Headers.ContentEncoding = default;
            response.Headers.CacheControl = "no-store";
            response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        await WriteAsync(context, Tag(await file.HashAsync(context.RequestAborted), encoding), info.Length, () => response.SendFileAsync(path, context.RequestAborted));
    }

    private static Task WriteAsync(HttpContext context, EntityTagHeaderValue tag, long length, Func<Task> write)
    {
        var response = context.Response;
        response.Headers.ETag = tag.ToString();
        // Weak comparison, as RFC 9110, 13.1.2 has it for If-None-Match.
        if (new RequestHeaders(context.Request.Headers).IfNoneMatch.Any(one => one.Equals(EntityTagHeaderValue.Any) || one.Compare(tag, useStrongComparison: false)))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        response.ContentLength = length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : write();
    }

    // RFC 9110, 12.5.3: what is named with q=0 is refused, what is not named is only taken by `*`.
    private static (string Path, string Encoding) Choose(HttpRequest request, PageFile file)
    {
        var accepted = new RequestHeaders(request.Headers).AcceptEncoding;
        foreach (var (name, suffix) in Encodings)
        {
            var said = accepted.FirstOrDefault(one => one.Value.Equals(name, StringComparison.OrdinalIgnoreCase)) ?? accepted.FirstOrDefault(one => one.Value == "*");
            if (said is not null && said.Quality is not 0 && file.Suffixes.Contains(suffix))
            {
                return (file.Path + suffix, name);
            }
        }

        return (file.Path, "");
    }

    private static string? OneOrigin(HttpRequest request, Uri url)
    {
        var host = request.Host.Host;
        var canonical = IPAddress.TryParse(url.DnsSafeHost, out var address) && address.Equals(IPAddress.IPv6Loopback) ? "[::1]" : "127.0.0.1";
        // A certificate is for a name, and need not know the other.
        return url.IsLoopback && url.Scheme == Uri.UriSchemeHttp && host != canonical && (host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host is "127.0.0.1" or "[::1]")
            ? new UriBuilder(url) { Host = canonical, Port = request.Host.Port ?? url.Port, Path = request.Path, Query = request.QueryString.Value }.Uri.AbsoluteUri
            : null;
    }

    private string Head() => $"""<meta name="dawn-file-size" content="{settings.FileSize}">""" + (settings.TestHooks ? """<meta name="dawn-test-hooks" content="true">""" : "");

    // 'self' means the WebSocket too, in browsers that follow CSP level 3; its address is for the others.
    private static string Policy(HttpRequest request) =>
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob: data:; " +
        $"connect-src 'self' {(request.IsHttps ? "wss" : "ws")}://{request.Host.ToUriComponent()}; font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
        "require-trusted-types-for 'script'; trusted-types dawn dompurify; manifest-src 'self'; worker-src 'self'";

    private static void Secure(HttpResponse response)
    {
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private static EntityTagHeaderValue Tag(ReadOnlySpan<byte> hash, string encoding) => new($"\"{Convert.ToHexStringLower(hash[..8])}{(encoding.Length == 0 ? "" : "-" + encoding)}\"");

    // `app-3A2DMITW.js`: eight digits of base32.
    private static bool IsHashed(string name)
    {
        var stem = Path.GetFileNameWithoutExtension(name.AsSpan());
        return stem.Length > 9 && stem[^9] == '-' && !stem[^8..].ContainsAnyExcept("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    }

    private sealed record PageFile(string Path, string Type, string CacheControl)
    {
        private byte[]? _hash;

        /// <summary>Of the compressed twins that are there.</summary>
        public string[] Suffixes { get; } = [.. Encodings.Select(e => e.Suffix).Where(suffix => File.Exists(Path + suffix))];

        // Once, at the first request: a start must not read what nobody asks for.
        public async ValueTask<byte[]> HashAsync(CancellationToken cancellationToken) =>
            _hash ??= SHA256.HashData(await File.ReadAllBytesAsync(Path, cancellationToken));
    }
}
