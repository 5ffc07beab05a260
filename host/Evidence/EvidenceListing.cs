using System.Globalization;
using System.Text.Json;
using Dawn.Sessions;

namespace Dawn.Evidence;

/// <summary>One checkpoint as <c>dawn evidence list</c> shows it.</summary>
/// <param name="From">The node that signed.</param>
/// <param name="Session">The session's tag.</param>
/// <param name="Agents">Those of this node that its frames are for, as far as evidence says: answers to this node's own calls name none.</param>
/// <param name="Messages">Each in short, with the sequence of its last frame.</param>
internal sealed record EvidenceLine(
    string Id, string From, string Session, DateTimeOffset Time, ulong Number, ulong First, int Frames, IReadOnlyList<string> Agents, IReadOnlyList<EvidenceMessage> Messages);

internal sealed record EvidenceMessage(ulong Sequence, string Text);

/// <summary>Looks through the evidence of a data directory.</summary>
internal sealed class EvidenceListing
{
    // Channels whose agent is remembered from their opening on; beyond it they have none.
    private const int MaxChannels = 65_536;

    private readonly Dictionary<(SessionDirection, uint), string> _agents = [];

    /// <param name="from">The beginning of a NodeId; null for all.</param>
    /// <param name="limit">The newest so many.</param>
    /// <returns>Newest first.</returns>
    public static IReadOnlyList<EvidenceLine> Read(string folder, string? from, string? agent, DateTimeOffset? since, int limit)
    {
        var listing = new EvidenceListing();
        var newest = new Queue<EvidenceLine>();
        foreach (var (id, entry) in EvidenceFile.ReadAll(folder))
        {
            // Each is looked at, since any may open a channel that later ones are about.
            var line = listing.Describe(id, entry);
            if ((from is null || line.From.StartsWith(from, StringComparison.OrdinalIgnoreCase)) && (agent is null || line.Agents.Contains(agent)) && (since is null || line.Time >= since))
            {
                newest.Enqueue(line);
                if (newest.Count > limit)
                {
                    newest.Dequeue();
                }
            }
        }

        return [.. newest.Reverse()];
    }

    /// <summary>The sequences of the frames that a message is made of, as far as they are in this checkpoint; none where the frame isn't.</summary>
    public static IReadOnlySet<ulong> MessageOf(EvidenceEntry entry, ulong sequence)
    {
        var ofChannel = new Dictionary<uint, HashSet<ulong>>();
        foreach (var (_, bytes) in entry.Frames)
        {
            var rest = bytes.Span;
            if (!Frame.TryRead(ref rest, out var frame))
            {
                continue;
            }

            if (frame.Type != FrameType.Data)
            {
                if (frame.Sequence == sequence)
                {
                    return new HashSet<ulong> { sequence };
                }

                continue;
            }

            if (!ofChannel.TryGetValue(frame.Channel, out var message))
            {
                ofChannel.Add(frame.Channel, message = []);
            }

            message.Add(frame.Sequence);
            if (frame.EndsMessage)
            {
                if (message.Contains(sequence))
                {
                    return message;
                }

                ofChannel.Remove(frame.Channel);
            }
        }

        return ofChannel.Values.FirstOrDefault(message => message.Contains(sequence)) ?? [];
    }

    private EvidenceLine Describe(EvidenceId id, EvidenceEntry entry)
    {
        var (agents, messages, parts) = (new List<string>(), new List<EvidenceMessage>(), new Dictionary<uint, MemoryStream>());
        foreach (var (_, bytes) in entry.Frames)
        {
            var rest = bytes.Span;
            if (!Frame.TryRead(ref rest, out var frame))
            {
                continue;
            }

            if (frame.Type == FrameType.Open && _agents.Count < MaxChannels)
            {
                _agents[(entry.Direction, frame.Channel)] = frame.Text;
            }

            if (_agents.TryGetValue((entry.Direction, frame.Channel), out var agent) && !agents.Contains(agent))
            {
                agents.Add(agent);
            }

            if (frame.Type == FrameType.Data)
            {
                if (!parts.TryGetValue(frame.Channel, out var part))
                {
                    parts.Add(frame.Channel, part = new());
                }

                part.Write(frame.Body);
                if (frame.EndsMessage)
                {
                    messages.Add(new(frame.Sequence, Shortly(part.GetBuffer().AsMemory(0, (int)part.Length))));
                    parts.Remove(frame.Channel);
                }
            }
        }

        return new(
            id.ToString(), entry.Direction.Sender.ToString(), entry.Direction.Tag.ToString("x16", CultureInfo.InvariantCulture),
            DateTimeOffset.FromUnixTimeMilliseconds((long)entry.Checkpoint.Time), entry.Checkpoint.Number, entry.Checkpoint.First, entry.Checkpoint.Count, agents, messages);
    }

    private static string Shortly(ReadOnlyMemory<byte> message)
    {
        try
        {
            using var json = JsonDocument.Parse(message);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                return $"{message.Length} bytes";
            }

            var root = json.RootElement;
            var id = root.TryGetProperty("id", out var number) ? $" #{number.GetRawText()}" : "";
            if (!root.TryGetProperty("method", out var method) || method.ValueKind != JsonValueKind.String)
            {
                return (root.TryGetProperty("error", out _) ? "error" : "result") + id;
            }

            var name = root.TryGetProperty("params", out var parameters) && parameters.ValueKind == JsonValueKind.Object
                && parameters.TryGetProperty("name", out var named) && named.ValueKind == JsonValueKind.String ? $" {named.GetString()}" : "";
            return method.GetString() + name + id;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // A part of a message, or text that isn't any.
            return $"{message.Length} bytes";
        }
    }
}
