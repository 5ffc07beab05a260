using System.Text;
using Dawn.Identity;

namespace Dawn.Links;

/// <summary>The body of <see cref="LinkFrame.Close"/>: code and reason.</summary>
internal static class CloseFrame
{
    // Bytes of a reason: what fits text8, and a line of a log.
    private const int MaxReason = 200;

    public static byte[] Encode(LinkEnd code, string? reason)
    {
        reason ??= "";
        var utf8 = Encoding.UTF8.GetBytes(reason);
        return utf8.Length <= MaxReason ? [(byte)code, (byte)utf8.Length, .. utf8] : Encode(code, reason[..(reason.Length / 2)]);
    }

    /// <summary>Reads a close; what isn't one counts as <see cref="LinkEnd.Protocol"/>.</summary>
    /// <returns>The code, and the reason as one line without control characters, fit for a log.</returns>
    public static (LinkEnd Code, string Reason) Read(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        var code = (LinkEnd)reader.UInt8();
        var reason = reader.Text8();
        return reader.Complete && code < LinkEnd.Broken
            ? (code, string.Concat(reason.Select(c => char.IsControl(c) ? ' ' : c)))
            : (LinkEnd.Protocol, "a close frame that can't be read");
    }
}
