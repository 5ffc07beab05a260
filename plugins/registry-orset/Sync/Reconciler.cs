using System.Buffers;

namespace Dawn.Registries.OrSet;

/// <summary>One end of range-based reconciliation (Meyer, "Range-based set reconciliation", 2023): where fingerprints of a range differ it is split, small ranges are listed,
/// and what a list shows to be missing is sent or asked for. All that an end must know between two messages stands in the message.</summary>
/// <param name="other">The losing record of a proof, where there is one of the node.</param>
/// <param name="isWorthSending">Not so where a record is over, though still held: the other end would refuse it.</param>
/// <param name="isWanted">Not so where a record of the other end would be refused here, for it is remembered as over or there is no room.</param>
internal sealed class Reconciler(RangeTree tree, Func<NodeId, Held?> other, Func<Held, bool> isWorthSending, Func<ListEntry, bool> isWanted)
{
    // What one message can make this end send. The rest follows as the other end goes on asking.
    private const int MaxRecords = 1_024;
    private const int MaxBytes = 1024 * 1024;

    private readonly ArrayBufferWriter<byte> _out = new(1_024);
    private readonly List<RegistryRecord> _records = [];
    private int _bytes;

    public RegistryReply Answer(ReadOnlySpan<byte> message)
    {
        if (message.IsEmpty)
        {
            SyncMessage.WriteHeader(_out, 1);
            SyncMessage.Write(_out, Describe(Prefix.All));
            return new([], _out.WrittenMemory);
        }

        var (step, items) = SyncMessage.Read(message);
        if (step >= SyncMessage.MaxSteps)
        {
            return new([], default);
        }

        SyncMessage.WriteHeader(_out, step + 1);
        var reserved = items.Sum(item => SizeOfFingerprint(item.Range));
        foreach (var item in items)
        {
            reserved -= SizeOfFingerprint(item.Range);
            var room = SyncMessage.MaxSize - reserved - _out.WrittenCount;
            if (room < SizeOfFingerprint(item.Range))
            {
                // Only rubbish is as dense, or a great many empty ranges at once; the next exchange finds what this one leaves out.
                continue;
            }

            var answers = AnswerTo(item);
            // Where the whole answer has no room, the range's own fingerprint has: the other end comes back to it.
            foreach (var answer in answers.Sum(SyncMessage.SizeOf) <= room ? answers : [Fingerprint(item.Range)])
            {
                SyncMessage.Write(_out, answer);
            }
        }

        return new(_records, _out.WrittenCount > SyncMessage.HeaderSize ? _out.WrittenMemory : default);
    }

    private static int SizeOfFingerprint(Prefix range) => SyncMessage.SizeOf(new RangeItem(range, default));

    private RangeItem Fingerprint(Prefix range) => new(range, tree.Fingerprint(range));

    private SyncItem Describe(Prefix range) =>
        tree.CountIn(range) <= RangeTree.LeafSize
            ? new ListItem(range, [.. tree.In(range).Select(held => new ListEntry(held.Node, held.Sequence, held.Hash.Short))])
            : new SplitItem(range, [.. Enumerable.Range(0, Prefix.Fanout).Select(i => tree.Fingerprint(range.Child(i)).Short)]);

    private List<SyncItem> AnswerTo(SyncItem item) => item switch
    {
        RangeItem range => tree.Fingerprint(range.Range).Short == range.Fingerprint ? [] : [Describe(range.Range)],
        SplitItem split => AnswerToSplit(split),
        ListItem list => AnswerToList(list),
        _ => AnswerToWant((WantItem)item),
    };

    private List<SyncItem> AnswerToSplit(SplitItem split)
    {
        var answers = new List<SyncItem>();
        for (var i = 0; i < Prefix.Fanout; i++)
        {
            var part = split.Range.Child(i);
            if (tree.Fingerprint(part).Short == split.Parts[i])
            {
                continue;
            }

            if (split.Parts[i] != default)
            {
                answers.Add(Describe(part));
            }
            else if (!TrySendAll(part, static _ => false))
            {
                answers.Add(Fingerprint(part));
            }
        }

        return answers;
    }

    private List<SyncItem> AnswerToList(ListItem list)
    {
        var theirs = list.Entries.ToDictionary(entry => entry.Node);
        if (!TrySendAll(list.Range, held => theirs.TryGetValue(held.Node, out var its)
            && (its.Sequence > held.Sequence || (its.Sequence == held.Sequence && its.Hash == held.Hash.Short))))
        {
            return [Fingerprint(list.Range)];
        }

        var mine = list.Entries.Count == 0 ? [] : tree.In(list.Range).Where(held => theirs.ContainsKey(held.Node)).ToDictionary(held => held.Node);
        // Of two records with one sequence each end wants the other's, whichever counts: together they are the proof.
        var wanted = list.Entries.Where(entry => mine.TryGetValue(entry.Node, out var held)
            ? entry.Sequence > held.Sequence || (entry.Sequence == held.Sequence && entry.Hash != held.Hash.Short)
            : isWanted(entry)).Select(entry => entry.Node).ToList();
        return wanted.Count == 0 ? [] : [new WantItem(list.Range, wanted)];
    }

    private List<SyncItem> AnswerToWant(WantItem want)
    {
        var nodes = want.Nodes.ToHashSet();
        var isAll = TrySendAll(want.Range, held => !nodes.Contains(held.Node));
        // Who wants a record of which there are two gets both: its own may just have won here, and it is to know the proof.
        foreach (var node in want.Nodes)
        {
            isAll = isAll && (other(node) is not { } held || !isWorthSending(held) || TrySend(held));
        }

        return isAll ? [] : [Fingerprint(want.Range)];
    }

    /// <returns>False where not all had room.</returns>
    private bool TrySendAll(Prefix range, Func<Held, bool> isKnown)
    {
        foreach (var held in tree.In(range))
        {
            if (!isKnown(held) && isWorthSending(held) && !TrySend(held))
            {
                return false;
            }
        }

        return true;
    }

    private bool TrySend(Held held)
    {
        var size = held.Record.Encoded.Length;
        if (_records.Count == MaxRecords || (_records.Count > 0 && _bytes + size > MaxBytes))
        {
            return false;
        }

        _bytes += size;
        _records.Add(held.Record);
        return true;
    }
}
