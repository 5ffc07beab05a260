using System.Buffers.Binary;

namespace Dawn.Registries.OrSet;

/// <summary>What is held, in the order of the nodes, with a fingerprint for every range.</summary>
/// <remarks>
/// <para>A trie over the half-bytes of NodeIds. Its shape, and so each fingerprint, follows from what is held alone: up to <see cref="LeafSize"/> entries
/// are a leaf, more are 16 children. A fingerprint is SHA-256 over the entries or over the children's fingerprints, computed when somebody asks;
/// so it is as hard to find two sets with one as it is to find a collision of SHA-256, which sums and XORs of hashes don't give.</para>
/// <para>NodeIds are public keys, hence evenly spread; whoever grinds keys with a long common beginning pays more for each level than it costs here.</para>
/// </remarks>
internal sealed class RangeTree
{
    /// <summary>From one more on a range is split; so a range is listed where that takes about as many bytes as its parts' fingerprints would, and a step less.</summary>
    public const int LeafSize = 16;

    private const int EntrySize = NodeId.Size + sizeof(ulong) + Digest.Size;
    private const byte LeafMark = 0;
    private const byte BranchMark = 1;

    private static readonly Comparer<Held> ByNode = Comparer<Held>.Create((a, b) => a.Node.CompareTo(b.Node));

    private readonly Branch _root = new();

    public int Count => _root.Count;

    public void Put(Held held) => _root.Put(held, 0);

    public void Remove(Held held) => _root.Remove(held, 0);

    /// <summary>Zeros where the range is empty.</summary>
    public Digest Fingerprint(Prefix range) =>
        Find(range, out var rest) is not { } branch ? default : rest ? FingerprintOf([.. In(range)]) : branch.Fingerprint();

    public int CountIn(Prefix range) => Find(range, out var rest) is not { } branch ? 0 : rest ? In(range).Count() : branch.Count;

    /// <summary>Ascending.</summary>
    public IEnumerable<Held> In(Prefix range) => Find(range, out var rest) is not { } branch ? [] : rest ? branch.All().Where(held => range.Contains(held.Node)) : branch.All();

    /// <param name="isPart">True where the range is a part of the leaf that was found.</param>
    private Branch? Find(Prefix range, out bool isPart)
    {
        var branch = _root;
        for (var depth = 0; depth < range.Length; depth++)
        {
            if (branch.Children is not { } children)
            {
                isPart = true;
                return branch;
            }

            if (children[Prefix.At(range.First, depth)] is not { } child)
            {
                isPart = false;
                return null;
            }

            branch = child;
        }

        isPart = false;
        return branch;
    }

    private static Digest FingerprintOf(List<Held> entries)
    {
        if (entries.Count == 0)
        {
            return default;
        }

        Span<byte> bytes = stackalloc byte[1 + LeafSize * EntrySize];
        bytes[0] = LeafMark;
        var at = 1;
        foreach (var held in entries)
        {
            held.Node.CopyTo(bytes[at..]);
            BinaryPrimitives.WriteUInt64BigEndian(bytes[(at + NodeId.Size)..], held.Sequence);
            held.Hash.CopyTo(bytes[(at + NodeId.Size + sizeof(ulong))..]);
            at += EntrySize;
        }

        return Digest.Of(bytes[..at]);
    }

    private sealed class Branch
    {
        private List<Held>? _entries = [];
        private Digest? _fingerprint;

        public int Count { get; private set; }

        public Branch?[]? Children { get; private set; }

        public bool Put(Held held, int depth)
        {
            _fingerprint = null;
            var isNew = Children is null ? PutHere(held) : (Children[Prefix.At(held.Node, depth)] ??= new()).Put(held, depth + 1);
            Count += isNew ? 1 : 0;
            if (_entries?.Count > LeafSize)
            {
                Split(depth);
            }

            return isNew;
        }

        public bool Remove(Held held, int depth)
        {
            _fingerprint = null;
            bool isGone;
            if (Children is null)
            {
                var at = _entries!.BinarySearch(held, ByNode);
                isGone = at >= 0;
                if (isGone)
                {
                    _entries.RemoveAt(at);
                }
            }
            else
            {
                ref var child = ref Children[Prefix.At(held.Node, depth)];
                isGone = child?.Remove(held, depth + 1) ?? false;
                child = child is { Count: > 0 } ? child : null;
            }

            Count -= isGone ? 1 : 0;
            if (Children is not null && Count <= LeafSize)
            {
                (_entries, Children) = ([.. All()], null);
            }

            return isGone;
        }

        public Digest Fingerprint() => _fingerprint ??= Children is null ? FingerprintOf(_entries!) : FingerprintOfChildren();

        public IEnumerable<Held> All() => Children is null ? _entries! : Children.OfType<Branch>().SelectMany(child => child.All());

        private bool PutHere(Held held)
        {
            var at = _entries!.BinarySearch(held, ByNode);
            if (at >= 0)
            {
                _entries[at] = held;
                return false;
            }

            _entries.Insert(~at, held);
            return true;
        }

        private void Split(int depth)
        {
            Children = new Branch?[Prefix.Fanout];
            foreach (var held in _entries!)
            {
                (Children[Prefix.At(held.Node, depth)] ??= new()).Put(held, depth + 1);
            }

            _entries = null;
        }

        private Digest FingerprintOfChildren()
        {
            Span<byte> bytes = stackalloc byte[1 + Prefix.Fanout * Digest.Size];
            bytes.Clear();
            bytes[0] = BranchMark;
            for (var i = 0; i < Prefix.Fanout; i++)
            {
                Children![i]?.Fingerprint().CopyTo(bytes[(1 + i * Digest.Size)..]);
            }

            return Digest.Of(bytes);
        }
    }
}
