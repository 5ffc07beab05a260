using Dawn.Membership;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>What views and failure detectors bring about together, in networks larger than whole nodes would make practical.</summary>
public sealed class ToyMeshTests
{
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Fifty_nodes_that_come_in_any_order_have_symmetric_and_connected_views(int seed)
    {
        var mesh = Grow(seed, 50);
        mesh.Run(Calm);
        Settle(mesh);
        Assert.All(mesh.Nodes, n => Assert.InRange(n.Views.Active.Count, Views.MinActive, Views.MaxActive));
        Assert.All(mesh.Nodes, n => Assert.InRange(n.Views.Passive.Count, 5, Views.MaxPassive));
        Assert.All(mesh.Nodes, n => Assert.Empty(n.Views.Passive.Intersect(n.Views.Active).Append(n.Id).Intersect(n.Views.Passive)));
        Assert.InRange(mesh.Nodes.Average(n => n.Views.Active.Count), 4, 7);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(6)]
    [InlineData(9)]
    public void Small_networks_are_fully_meshed(int count)
    {
        var mesh = Grow(count, count);
        mesh.Run(TimeSpan.FromSeconds(30));
        Assert.All(mesh.Nodes, n => Assert.Equal(count - 1, n.Views.Active.Count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Dead_nodes_leave_all_views_within_15_seconds_and_nobody_else_does(int seed)
    {
        var mesh = Grow(seed, 50);
        mesh.Run(Calm);
        var dead = mesh.Nodes.Where(n => n.Number % 7 == 3).ToList();
        dead.ForEach(mesh.Crash);
        mesh.Run(TimeSpan.FromSeconds(15));
        Assert.All(mesh.Alive, n => Assert.Empty(n.Views.Active.Intersect(dead.Select(d => d.Id))));
        mesh.Run(Calm);
        Settle(mesh);
        Assert.All(mesh.Alive, n => Assert.Empty(n.Views.Passive.Intersect(dead.Select(d => d.Id))));
        Assert.All(mesh.Alive, n => Assert.Empty(n.Dead.Except(dead.Select(d => d.Id))));
        Assert.All(mesh.Alive, n => Assert.Equal(dead.Count, n.Dead.Count));
    }

    [Fact]
    public void A_liar_who_accuses_everybody_kills_nobody()
    {
        var mesh = Grow(1, 30);
        mesh.Run(Calm);
        var liar = mesh.Nodes[5];
        for (var second = 0; second < 30; second++)
        {
            foreach (var node in mesh.Nodes.Where(n => n != liar))
            {
                liar.Accuse(node.Id);
            }

            mesh.Run(TimeSpan.FromSeconds(1), () => Assert.All(mesh.Nodes, n => Assert.Empty(n.Dead)));
        }

        mesh.Run(TimeSpan.FromSeconds(20));
        Settle(mesh);
    }

    [Fact]
    public void An_accusation_is_passed_on_by_each_node_once()
    {
        var mesh = Grow(1, 30);
        mesh.Run(Calm);
        var (liar, suspect) = (mesh.Nodes[5], mesh.Nodes[9]);
        // It can't answer, so that nothing ends the rumour early.
        mesh.Crash(suspect);
        mesh.Suspicions = 0;
        for (var i = 0; i < 1_000; i++)
        {
            liar.Accuse(suspect.Id);
        }

        var said = mesh.Suspicions;
        mesh.Run(TimeSpan.FromSeconds(20));
        // Three accusers are heard, and each link carries each of them once in each direction at most.
        Assert.InRange(mesh.Suspicions - said, 1, FailureDetector.MaxAccusers * mesh.Nodes.Sum(n => n.Linked.Count + 2));
        Assert.All(mesh.Alive, n => Assert.Contains(suspect.Id, n.Dead));
    }

    private static ToyMesh Grow(int seed, int count)
    {
        var mesh = new ToyMesh(seed, count);
        var random = new Random(seed);
        var order = mesh.Nodes.OrderBy(_ => random.Next()).ToList();
        for (var i = 0; i < order.Count; i++)
        {
            mesh.Start(order[i], i == 0 ? null : order[random.Next(i)]);
            mesh.Run(TimeSpan.FromMilliseconds(random.Next(800)));
        }

        return mesh;
    }

    // A neighbour may change at any moment; what must not be is that both ends differ for long.
    private static void Settle(ToyMesh mesh)
    {
        var since = mesh.Now;
        var isSettled = false;
        while (!isSettled && mesh.Now - since < TimeSpan.FromSeconds(15))
        {
            mesh.Run(TimeSpan.FromMilliseconds(100));
            isSettled = mesh.AreViewsSymmetric() && mesh.IsConnected();
        }

        Assert.True(isSettled, $"symmetric: {mesh.AreViewsSymmetric()}, connected: {mesh.IsConnected()}");
    }
}
