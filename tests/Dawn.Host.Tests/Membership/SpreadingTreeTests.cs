using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>What the rules of <see cref="SpreadingTests"/> make of several nodes: a tree, mended where it breaks.</summary>
public sealed class SpreadingTreeTests
{
    // Of a record nobody is told later than this, where a link that is no part of the tree leads around what broke: tidings are gathered, and then waited for.
    private static readonly TimeSpan Mended = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void In_a_triangle_each_further_record_crosses_two_links(int source)
    {
        var toy = Triangle();
        Assert.Equal(4, toy.Carried(toy.Publish(source)));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(2, toy.Carried(toy.Publish(source)));
            toy.Pass(TimeSpan.FromMilliseconds(600));
        }
    }

    [Fact]
    public void What_comes_from_behind_one_of_a_triangle_crosses_two_of_its_links()
    {
        var toy = Triangle(more: 1);
        toy.Connect(3, 0);
        toy.Publish(3);
        for (var i = 0; i < 5; i++)
        {
            var record = toy.Publish(3);
            toy.Pass(TimeSpan.FromMilliseconds(600));
            Assert.Equal([(3, 0), (0, 1), (0, 2)], toy.Records.Where(r => r.Sequence == record.Sequence).Select(r => (r.From, r.To)));
        }
    }

    [Fact]
    public void Where_a_link_of_the_tree_breaks_the_next_record_comes_another_way_within_a_second()
    {
        var toy = Triangle(more: 1);
        toy.Connect(3, 0);
        toy.Publish(3);
        Assert.False(toy.IsEager(1, 2));
        toy.Cut(0, 2);
        var first = toy.Publish(3);
        Assert.True(toy.Knows(1, first));
        Assert.False(toy.Knows(2, first));
        toy.Pass(Mended);
        Assert.True(toy.Knows(2, first));
        // And the way that led around is a part of the tree from here on.
        Assert.True(toy.IsEager(1, 2));
        var second = toy.Publish(3);
        Assert.True(toy.Knows(2, second));
        Assert.Equal(3, toy.Carried(second));
    }

    [Fact]
    public void What_was_on_the_way_when_the_link_broke_is_not_lost()
    {
        var toy = Triangle(more: 1);
        toy.Connect(3, 0);
        toy.Publish(3);
        // The second of two that a node tells of at once: the tree takes only one of them.
        var lost = toy.Publish(3);
        toy.Cut(0, 2);
        var next = toy.Publish(3);
        Assert.True(toy.Knows(2, lost));
        toy.Pass(Mended);
        Assert.True(toy.Knows(2, next));
    }

    [Theory]
    [InlineData(20, 3, 1)]
    [InlineData(40, 5, 2)]
    public void Among_many_nodes_a_record_is_sent_once_to_each(int count, int degree, int seed)
    {
        var random = new Random(seed);
        var toy = new ToyRegistries(count);
        var links = new HashSet<(int, int)>();
        for (var i = 1; i < count; i++)
        {
            // To one before it, so that all hang together; the rest at random.
            links.Add((random.Next(i), i));
        }

        while (links.Count < count * degree / 2)
        {
            var (a, b) = (random.Next(count), random.Next(count));
            if (a < b)
            {
                links.Add((a, b));
            }
        }

        foreach (var (a, b) in links)
        {
            toy.Connect(a, b);
        }

        Assert.True(toy.Carried(toy.Publish(0)) > count);
        for (var i = 0; i < 5; i++)
        {
            var record = toy.Publish(0);
            Assert.All(Enumerable.Range(0, count), node => Assert.True(toy.Knows(node, record)));
            Assert.Equal(count - 1, toy.Carried(record));
            toy.Pass(TimeSpan.FromMilliseconds(600));
        }

        // Nobody asked for what came over the tree.
        var last = toy.Publish(0);
        toy.Pass(Mended);
        Assert.Equal(count - 1, toy.Carried(last));
    }

    private static ToyRegistries Triangle(int more = 0)
    {
        var toy = new ToyRegistries(3 + more);
        toy.Connect(0, 1);
        toy.Connect(1, 2);
        toy.Connect(2, 0);
        return toy;
    }
}
