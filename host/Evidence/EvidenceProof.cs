using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Evidence;

/// <summary>One checkpoint and some of what it covers, as a document that anybody can check without this node.</summary>
/// <param name="Network">The network whose key issued the certificate, as whoever exported it says.</param>
/// <param name="Previous">The hash of the checkpoint before.</param>
/// <param name="Leaves">Of all frames that it covers.</param>
/// <param name="Frames">Those that are shown.</param>
internal sealed record EvidenceProof(
    NodeId Network, byte[] Certificate, SessionDirection Direction, Checkpoint Checkpoint, byte[] Previous, byte[] Signature, byte[] Leaves,
    IReadOnlyList<(byte[] Salt, byte[] Frame)> Frames)
{
    /// <summary>Bytes of a document, at most.</summary>
    public const int MaxSize = 32 * 1024 * 1024;

    private const string Format = "dawn-evidence-1";

    private const string InitiatorSent = "from-initiator";

    private const string ResponderSent = "from-responder";

    private static readonly JsonWriterOptions Form = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static EvidenceProof Of(EvidenceEntry entry, Func<ulong, bool> isShown)
    {
        Checkpoint.TryReadSigned(entry.Signed.Span, out _, out _, out var previous);
        return new(
            entry.Network, entry.Certificate.ToArray(), entry.Direction, entry.Checkpoint, previous.ToArray(), entry.Signature.ToArray(), entry.Leaves.ToArray(),
            [.. from frame in entry.Frames where isShown(SequenceOf(frame.Frame.Span)) select (frame.Salt.ToArray(), frame.Frame.ToArray())]);
    }

    public static ulong SequenceOf(ReadOnlySpan<byte> frame) => frame.Length < 9 ? ulong.MaxValue : System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(frame[1..]);

    /// <summary>The document. There is one form of it, so that no byte can be changed without its being noticed.</summary>
    public byte[] Write()
    {
        var to = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(to, Form))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteString("network", Network.ToString());
            json.WriteString("certificate", Convert.ToBase64String(Certificate));
            json.WriteStartObject("checkpoint");
            json.WriteString("sender", Direction.Sender.ToString());
            json.WriteString("recipient", Direction.Recipient.ToString());
            json.WriteString("direction", Direction.FromInitiator ? InitiatorSent : ResponderSent);
            json.WriteString("session", Direction.Tag.ToString("x16", CultureInfo.InvariantCulture));
            json.WriteNumber("number", Checkpoint.Number);
            json.WriteString("previous", Convert.ToHexStringLower(Previous));
            json.WriteNumber("first", Checkpoint.First);
            json.WriteNumber("count", Checkpoint.Count);
            json.WriteNumber("time", Checkpoint.Time);
            json.WriteEndObject();
            json.WriteString("signature", Convert.ToHexStringLower(Signature));
            json.WriteStartArray("leaves");
            foreach (var leaf in Leaves.Chunk(Checkpoint.HashSize))
            {
                json.WriteStringValue(Convert.ToHexStringLower(leaf));
            }

            json.WriteEndArray();
            json.WriteStartArray("frames");
            foreach (var (salt, frame) in Frames)
            {
                json.WriteStartObject();
                json.WriteString("salt", Convert.ToHexStringLower(salt));
                json.WriteString("frame", Convert.ToBase64String(frame));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        to.Write("\n"u8);
        return to.WrittenSpan.ToArray();
    }

    /// <summary>Reads a document of anybody; null, and why, where it isn't one.</summary>
    public static EvidenceProof? TryRead(ReadOnlyMemory<byte> document, out string problem)
    {
        problem = $"it is longer than {MaxSize >> 20} MiB";
        if (document.Length > MaxSize)
        {
            return null;
        }

        try
        {
            using var json = JsonDocument.Parse(document, new() { MaxDepth = 8 });
            var proof = Read(json.RootElement);
            problem = "it is not exactly as it was exported; something in it was changed, if only a space";
            return proof.Write().AsSpan().SequenceEqual(document.Span) ? proof : null;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException or OverflowException)
        {
            // All that reading another's JSON throws.
            problem = $"it is no evidence of this version: {e.Message}";
            return null;
        }
    }

    private static EvidenceProof Read(JsonElement json)
    {
        if (Text(json, "format") != Format)
        {
            throw new FormatException($"its format is not {Format}.");
        }

        var checkpoint = json.GetProperty("checkpoint");
        var leaves = json.GetProperty("leaves");
        var frames = json.GetProperty("frames");
        var count = checkpoint.GetProperty("count").GetInt32();
        var time = checkpoint.GetProperty("time").GetUInt64();
        if (count is <= 0 or > Checkpoint.MaxCount || leaves.GetArrayLength() != count || frames.GetArrayLength() > count || time > Checkpoint.MaxTime)
        {
            throw new FormatException("its numbers don't fit together.");
        }

        return new(
            Node(json, "network"),
            Convert.FromBase64String(Text(json, "certificate")),
            new(
                Node(checkpoint, "sender"), Node(checkpoint, "recipient"), Text(checkpoint, "direction") == InitiatorSent,
                ulong.Parse(Text(checkpoint, "session"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)),
            new(checkpoint.GetProperty("number").GetUInt64(), checkpoint.GetProperty("first").GetUInt64(), count, time),
            Hex(Text(checkpoint, "previous"), Checkpoint.HashSize),
            Hex(Text(json, "signature"), Signatures.Size),
            [.. leaves.EnumerateArray().SelectMany(leaf => Hex(Text(leaf), Checkpoint.HashSize))],
            [.. frames.EnumerateArray().Select(frame => (Hex(Text(frame, "salt"), Salts.Size), Convert.FromBase64String(Text(frame, "frame"))))]);
    }

    private static string Text(JsonElement of, string name) => Text(of.GetProperty(name));

    private static string Text(JsonElement of) => of.GetString() ?? throw new FormatException("it has a null.");

    private static NodeId Node(JsonElement of, string name) =>
        NodeId.TryParse(Text(of, name), out var node) ? node : throw new FormatException($"its {name} is no NodeId or key.");

    private static byte[] Hex(string text, int size) =>
        text.Length == 2 * size ? Convert.FromHexString(text) : throw new FormatException($"{size} bytes in hexadecimal digits were expected.");
}
