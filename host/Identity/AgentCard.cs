using System.Collections.Immutable;

namespace Dawn.Identity;

/// <summary>What a node tells others about an agent: part of its record, so bounded.</summary>
/// <param name="Title">For people; at most 128 bytes of UTF-8.</param>
/// <param name="Digest">SHA-256 over the lists of tools, prompts, resources and templates: whoever caches those lists asks again when it changes.</param>
/// <param name="Tools">Names, in order; at most <see cref="MaxTools"/>, the rest is found by asking the agent.</param>
internal sealed record AgentCard(string Id, string Title, ImmutableArray<byte> Digest, ImmutableArray<string> Tools)
{
    public const int MaxTools = 256;

    /// <summary>By content: an array equals itself alone, and each record that is read has arrays of its own.</summary>
    public bool Equals(AgentCard? other) => ReferenceEquals(this, other)
        || (other is not null && Id == other.Id && Title == other.Title && Digest.AsSpan().SequenceEqual(other.Digest.AsSpan()) && Tools.AsSpan().SequenceEqual(other.Tools.AsSpan()));

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Id);
        hash.Add(Title);
        hash.AddBytes(Digest.AsSpan());
        hash.Add(Tools.Length);
        return hash.ToHashCode();
    }
}
