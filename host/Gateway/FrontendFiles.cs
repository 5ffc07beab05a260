using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;

namespace Dawn.Gateway;

/// <summary>The files of the page, as they lie beside the program: no others can be asked for, whatever the path says.</summary>
internal sealed class FrontendFiles
{
    private const string Index = "/index.html";

    // Scripts and styles are files of this origin, and text never becomes markup; of all servers the page talks to this one alone (CSP level 3).
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

    private static readonly FrozenDictionary<string, string> ContentTypes = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
    {
        [".html"] = "text/html; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".svg"] = "image/svg+xml",
        [".png"] = "image/png",
        [".ico"] = "image/x-icon",
        [".woff2"] = "font/woff2",
        [".json"] = "application/json",
        [".webmanifest"] = "application/manifest+json",
        [".txt"] = "text/plain; charset=utf-8",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private readonly FrozenDictionary<string, (string Path, string ContentType, EntityTagHeaderValue Tag)> _files;

    /// <param name="folder">Where they lie; null, or one that isn't there, has none.</param>
    public FrontendFiles(string? folder)
    {
        var files = folder is not null && Directory.Exists(folder) ? Directory.GetFiles(folder, "*", SearchOption.AllDirectories) : [];
        _files = files.Where(file => ContentTypes.ContainsKey(Path.GetExtension(file))).ToFrozenDictionary(
            file => "/" + Path.GetRelativePath(folder!, file).Replace(Path.DirectorySeparatorChar, '/'),
            file => (file, ContentTypes[Path.GetExtension(file)], new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)).AsSpan(0, 16))}\"")),
            StringComparer.Ordinal);
    }

    /// <summary>Answers a request for one of the files, or for the page itself.</summary>
    /// <returns>False where there is none.</returns>
    public async Task<bool> TryServeAsync(HttpContext context)
    {
        var path = context.Request.Path.Value is "/" or null ? Index : context.Request.Path.Value;
        if (!(HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method)) || !_files.TryGetValue(path, out var file))
        {
            return false;
        }

        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        // Asked for again each time, and sent again only when it changed: another version of the program is another page.
        headers.CacheControl = "no-cache";
        context.Response.GetTypedHeaders().ETag = file.Tag;
        if (context.Request.GetTypedHeaders().IfNoneMatch.Any(tag => tag.Compare(file.Tag, useStrongComparison: false)))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return true;
        }

        context.Response.ContentType = file.ContentType;
        if (HttpMethods.IsGet(context.Request.Method))
        {
            await context.Response.SendFileAsync(file.Path, context.RequestAborted);
        }

        return true;
    }
}
