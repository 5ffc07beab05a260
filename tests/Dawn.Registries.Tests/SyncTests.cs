using System.Buffers;
using CsCheck;
using Dawn.Registries.OrSet;
using Dawn.Testing.Registries;
using Xunit;

namespace Dawn.Registries.Tests;

public class SyncTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_tree_is_the_same_whatever_order_it_came_about_in() =>
        Gen.Select(Gen.Int[0, 200].Array[0, 400], Gen.Int[0, 1_000_000]).Sample(
            (steps, seed) =>
            {
                var (tree, model) = (new RangeTree(), new Dictionary<int, Held>());
                foreach (var node in steps)
                {
                    if (model.Remove(node, out var held) && node % 3 == 0)
                    {
                        tree.Remove(held);
                        continue;
                    }

                    tree.Put(model[node] = Entry(node, (held?.Sequence ?? 0) + 1));
                    tree.Fingerprint(Prefix.All);
                }

                var (fresh, entries) = (new RangeTree(), model.Values.ToArray());
                new Random(seed).Shuffle(entries);
                Array.ForEach(entries, fresh.Put);
                Assert.Equal(fresh.Fingerprint(Prefix.All), tree.Fingerprint(Prefix.All));
                Assert.Equal(entries.OrderBy(held => held.Node), tree.In(Prefix.All));
            },
            iter: 200);

    [Fact]
    public void A_range_has_what_begins_as_it_does()
    {
        var tree = new RangeTree();
        var all = Enumerable.Range(0, 2_000).Select(node => Entry(node, 1)).ToList();
        all.ForEach(tree.Put);
        foreach (var range in new[] { Prefix.All, Prefix.All.Child(3), Prefix.All.Child(3).Child(15), Prefix.All.Child(3).Child(15).Child(7).Child(1) })
        {
            var inside = all.Where(held => held.Node.ToArray() is var bytes && Enumerable.Range(0, range.Length).All(i => Prefix.At(held.Node, i) == Prefix.At(range.First, i)))
                .OrderBy(held => held.Node).ToList();
            Assert.Equal(inside, tree.In(range));
            Assert.Equal(inside.Count, tree.CountIn(range));
            Assert.All(inside, held => Assert.True(range.Contains(held.Node)));
            var alone = new RangeTree();
            inside.ForEach(alone.Put);
            Assert.Equal(alone.Fingerprint(range), tree.Fingerprint(range));
        }
    }

    [Fact]
    public void A_fingerprint_changes_with_a_sequence_and_with_a_hash()
    {
        var digests = new[] { Entry(1, 1), Entry(1, 2), Entry(2, 1), Entry(1, 1, "other") }.Select(held =>
        {
            var tree = new RangeTree();
            tree.Put(held);
            return tree.Fingerprint(Prefix.All);
        });
        Assert.Equal(4, digests.Distinct().Count());
    }

    [Fact]
    public void Messages_come_out_as_they_went_in()
    {
        var range = Prefix.All.Child(5).Child(1).Child(9);
        var node = NodeIn(range);
        SyncItem[] items =
        [
            new RangeItem(Prefix.All.Child(1), new(1, 2, 0, 0)),
            new SplitItem(Prefix.All.Child(2), [.. Enumerable.Range(0, 16).Select(i => i % 2 == 0 ? default : new Digest(3, (ulong)i, 0, 0))]),
            new ListItem(Prefix.All.Child(3), []),
            new ListItem(range, [new(node, ulong.MaxValue, new(4, 5, 0, 0))]),
            new WantItem(Prefix.All.Child(6), [NodeIn(Prefix.All.Child(6))]),
        ];
        var (step, read) = SyncMessage.Read(Encode(items));
        Assert.Equal(1, step);
        Assert.Equal(items.Length, read.Count);
        Assert.Equal(items[0], read[0]);
        Assert.Equal(((SplitItem)items[1]).Parts, ((SplitItem)read[1]).Parts);
        Assert.Equal(((ListItem)items[3]).Entries, ((ListItem)read[3]).Entries);
        Assert.Equal(((WantItem)items[4]).Nodes, ((WantItem)read[4]).Nodes);
        Assert.Equal(Encode(items).Length, SyncMessage.HeaderSize + items.Sum(SyncMessage.SizeOf));
    }

    [Fact]
    public void Malformed_messages_are_refused_with_a_reason()
    {
        var one = Prefix.All.Child(1);
        var whole = Encode(new RangeItem(one, new(1, 2, 0, 0)), new ListItem(Prefix.All.Child(2), [new(NodeIn(Prefix.All.Child(2)), 1, default)]));
        for (var length = 1; length < whole.Length; length++)
        {
            // All but the two ends of items.
            if (length is not (SyncMessage.HeaderSize or SyncMessage.HeaderSize + 19))
            {
                Refused(whole[..length]);
            }
        }

        Refused([2, .. whole[1..]]);
        Refused([.. whole, 0]);
        Refused(Encode(new RangeItem(one, default), new RangeItem(one, default)));
        Refused(Encode(new RangeItem(one, default), new RangeItem(one.Child(4), default)));
        Refused(Encode(new RangeItem(Prefix.All.Child(2), default), new RangeItem(one, default)));
        Refused(Encode(new SplitItem(one, new Digest[16])));
        Refused(Encode(new WantItem(one, [])));
        Refused(Encode(new ListItem(one, [new(NodeIn(Prefix.All.Child(2)), 1, default)])));
        Refused(Encode(new ListItem(one, [new(NodeIn(one), 1, default), new(NodeIn(one), 1, default)])));
        Refused(Encode(new ListItem(Prefix.All, [.. Enumerable.Range(0, RangeTree.LeafSize + 1).Select(TestRecord.NodeOf).Order().Select(node => new ListEntry(node, 1, default))])));
        // A range of an odd number of half-bytes with one more; one that is a single node.
        Refused([1, 0, 1, 1, 1, 0x11, .. new byte[16]]);
        Refused([1, 0, 1, 1, 64, .. new byte[48]]);
    }

    [Fact]
    public void An_exchange_that_goes_in_circles_ends()
    {
        var tree = new RangeTree();
        tree.Put(Entry(1, 1));
        var message = Encode(new RangeItem(Prefix.All, new(1, 1, 0, 0)));
        Assert.NotEqual(0, Answer(tree, message).Message.Length);
        (message[1], message[2]) = (SyncMessage.MaxSteps >> 8, SyncMessage.MaxSteps & 0xFF);
        Assert.Equal(0, Answer(tree, message).Message.Length);
    }

    [Fact]
    public void One_message_makes_nobody_send_more_than_a_share()
    {
        var tree = new RangeTree();
        for (var node = 0; node < 3_000; node++)
        {
            tree.Put(Entry(node, 1));
        }

        var reply = Answer(tree, Encode(new ListItem(Prefix.All, [])));
        Assert.Equal(1_024, reply.Records.Count);
        Assert.IsType<RangeItem>(Assert.Single(SyncMessage.Read(reply.Message.Span).Items));
    }

    // The records themselves aside.
    [Theory]
    [InlineData(0, 400, 2)]
    [InlineData(1, 1_300, 8)]
    [InlineData(10, 8_200, 8)]
    [InlineData(100, 52_000, 14)]
    public void Ten_thousand_records_are_reconciled_in_few_bytes(int differences, int maxBytes, int maxMessages)
    {
        var (one, two) = (new RangeTree(), new RangeTree());
        for (var node = 0; node < 10_000; node++)
        {
            one.Put(Entry(node, 1));
            two.Put(Entry(node, node < differences ? 2ul : 1));
        }

        var (bytes, messages, records) = (0, 0, 0);
        var (from, to) = (one, two);
        for (var reply = Answer(one, []); ; reply = Answer(from, reply.Message.Span))
        {
            bytes += reply.Message.Length;
            foreach (var record in reply.Records)
            {
                to.Put(new(record));
                records++;
            }

            if (reply.Message.IsEmpty)
            {
                break;
            }

            messages++;
            (from, to) = (to, from);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"10,000 records, {differences} differences: {bytes} bytes in {messages} messages, {records} records sent");
        Assert.Equal(one.Fingerprint(Prefix.All), two.Fingerprint(Prefix.All));
        Assert.Equal(differences, records);
        Assert.InRange(bytes, 0, maxBytes);
        Assert.InRange(messages, 0, maxMessages);
    }

    private static RegistryReply Answer(RangeTree tree, ReadOnlySpan<byte> message) => new Reconciler(tree, _ => null, _ => true, _ => true).Answer(message);

    private static Held Entry(int node, ulong sequence, string content = "") =>
        new(new TestRecord(TestRecord.NodeOf(node), sequence, Now, TimeSpan.FromHours(24), System.Text.Encoding.UTF8.GetBytes(content)));

    private static NodeId NodeIn(Prefix range) => Enumerable.Range(0, 1_000_000).Select(TestRecord.NodeOf).First(range.Contains);

    private static byte[] Encode(params SyncItem[] items)
    {
        var to = new ArrayBufferWriter<byte>();
        SyncMessage.WriteHeader(to, 1);
        foreach (var item in items)
        {
            SyncMessage.Write(to, item);
        }

        return to.WrittenSpan.ToArray();
    }

    private static void Refused(byte[] message) => Assert.NotEmpty(Assert.Throws<FormatException>(() => { SyncMessage.Read(message); }).Message);
}
