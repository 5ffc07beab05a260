using System.Text;
using System.Text.Json;
using Dawn.Commands;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Evidence;

/// <summary>What a document proves, in words.</summary>
/// <param name="Holds">All that can be checked holds.</param>
/// <param name="Text">For people: lines, with what others wrote in it.</param>
internal sealed record EvidenceVerdict(bool Holds, string Text)
{
    // A terminal is no place for more of one message.
    private const int MaxShown = 64 * 1024;

    /// <summary>Checks a document, trusting nothing in it; needs no node and no network.</summary>
    /// <param name="network">The key of the network that the sender should be of; null where it isn't known.</param>
    public static EvidenceVerdict Of(ReadOnlyMemory<byte> document, NodeId? network)
    {
        if (EvidenceProof.TryRead(document, out var problem) is not { } proof)
        {
            return Refused(problem);
        }

        if (network is { } key && key != proof.Network)
        {
            return Refused($"it is of the network with the key {proof.Network}, and not of {key}");
        }

        // The time is the sender's own word, as is all that it signed.
        var time = DateTimeOffset.FromUnixTimeMilliseconds((long)proof.Checkpoint.Time);
        var (direction, checkpoint) = (proof.Direction, proof.Checkpoint);
        if (Certificate.TryRead(proof.Certificate, proof.Network, direction.Sender, time, out var certificate) is { } refusal)
        {
            return Refused($"at {time:u} node {direction.Sender} was no member of the network with the key {proof.Network}: {refusal}");
        }

        using var hash = new LeafHash();
        var root = new byte[Checkpoint.HashSize];
        hash.Root(proof.Leaves, root);
        if (!Signatures.Verify(direction.Sender, SigningLabel.Checkpoint, checkpoint.Signed(direction, proof.Previous, root), proof.Signature))
        {
            return Refused($"node {direction.Sender} did not sign this");
        }

        if (proof.Frames.Count == 0)
        {
            return Refused("it shows no frame");
        }

        var text = new StringBuilder()
            .AppendLine($"Node       {direction.Sender} ({certificate!.Role.ToString().ToLowerInvariant()})")
            .AppendLine($"said to    {direction.Recipient}")
            .AppendLine($"at         {time:yyyy-MM-dd HH:mm:ss.fff}Z, by the sender's clock")
            .AppendLine($"in session {direction.Tag:x16}, begun by the {(direction.FromInitiator ? "sender" : "recipient")}; checkpoint {checkpoint.Number}, {proof.Frames.Count} of its {checkpoint.Count} frames shown:")
            .AppendLine();
        if (Show(proof, hash, text) is { } wrong)
        {
            return Refused(wrong);
        }

        text.AppendLine()
            .AppendLine("signature    holds: the sender signed exactly this, and can't deny it")
            .AppendLine($"certificate  holds: valid then, until {certificate.NotAfter:u}, under the network key {proof.Network}")
            .Append(network is null
                ? "membership   was not checked: name the network's key with --network, or its data directory with --data"
                : "membership   holds: this is the network that was asked for");
        return new(true, text.ToString());
    }

    // What is wrong with a document may quote it.
    private static EvidenceVerdict Refused(string problem) => new(false, Terminal.OneLine($"The evidence does not hold: {problem}."));

    // Each frame against its leaf; data that follow without a gap are joined to messages.
    private static string? Show(EvidenceProof proof, LeafHash hash, StringBuilder text)
    {
        var leaf = new byte[Checkpoint.HashSize];
        var parts = new Dictionary<uint, MemoryStream>();
        var at = -1;
        foreach (var (salt, bytes) in proof.Frames)
        {
            hash.Leaf(salt, bytes, leaf);
            var index = at + 1;
            while (index < proof.Checkpoint.Count && !proof.Leaves.AsSpan(index * leaf.Length, leaf.Length).SequenceEqual(leaf))
            {
                index++;
            }

            ReadOnlySpan<byte> rest = bytes;
            if (index == proof.Checkpoint.Count)
            {
                return "a frame in it is not among those that were signed, or not in their order";
            }

            if (!Frame.TryRead(ref rest, out var frame) || !rest.IsEmpty || !frame.IsSequenced)
            {
                return "a frame that was signed is none of this protocol";
            }

            if (index > at + 1)
            {
                // What is not shown in between may belong to any channel: joining over it would make messages that nobody sent.
                Flush(parts, text);
            }

            at = index;
            Describe(frame, parts, text);
        }

        Flush(parts, text);
        return null;
    }

    private static void Describe(in Frame frame, Dictionary<uint, MemoryStream> parts, StringBuilder text)
    {
        var what = $"  {frame.Sequence,8}  channel {frame.Channel}: ";
        switch (frame.Type)
        {
            case FrameType.Data:
                if (!parts.TryGetValue(frame.Channel, out var part))
                {
                    parts.Add(frame.Channel, part = new());
                }

                part.Write(frame.Body);
                if (frame.EndsMessage)
                {
                    Message(text.Append(what), part, ends: true);
                    parts.Remove(frame.Channel);
                }

                break;
            case FrameType.Open:
                text.AppendLine($"{what}opened to agent '{Terminal.OneLine(frame.Text)}' for '{Terminal.OneLine(frame.Caller)}'");
                break;
            case FrameType.Close:
                text.AppendLine($"{what}closed, code {frame.Code} {Terminal.OneLine(frame.Text)}");
                break;
            default:
                text.AppendLine($"{what}{frame.Type.ToString().ToLowerInvariant()}");
                break;
        }
    }

    private static void Flush(Dictionary<uint, MemoryStream> parts, StringBuilder text)
    {
        foreach (var (channel, part) in parts)
        {
            Message(text.Append($"            channel {channel}: "), part, ends: false);
        }

        parts.Clear();
    }

    // No end of a JSON object is an object itself, so what parses is a whole message, although no frame says that a message begins with it.
    private static void Message(StringBuilder text, MemoryStream part, bool ends)
    {
        var bytes = part.GetBuffer().AsMemory(0, (int)part.Length);
        if (!ends || !IsJson(bytes))
        {
            text.AppendLine($"{bytes.Length} bytes that are part of a message, or none in JSON");
            return;
        }

        // On one line: what the sender wrote must not look like what is said about it.
        text.AppendLine(Terminal.OneLine(Encoding.UTF8.GetString(bytes.Span[..Math.Min(bytes.Length, MaxShown)])) + (bytes.Length > MaxShown ? $" … ({bytes.Length} bytes in all)" : ""));
    }

    private static bool IsJson(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            return json.RootElement.ValueKind is JsonValueKind.Object or JsonValueKind.Array;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
