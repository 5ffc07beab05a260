using Dawn.Links;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>What may happen to a frame between the links and the layers above, which must bear it: probabilities.</summary>
internal sealed record FrameFaultRates
{
    public double EnvelopeLost { get; init; }

    public double EnvelopeDoubled { get; init; }

    public double EnvelopeLate { get; init; }

    /// <summary>Of gossip: records, registries and the mesh. A link loses nothing, so none of it is sent again; summaries, probes and tidings must mend it.</summary>
    public double RecordLost { get; init; }

    public double RecordDoubled { get; init; }

    public double RecordLate { get; init; }

    /// <summary>How late a late one is, at most: others of its link pass it meanwhile.</summary>
    public TimeSpan Latest { get; init; } = TimeSpan.FromMilliseconds(400);
}

/// <summary>Stands between one process's links and their handler: tells of what passes, and loses, doubles and delays some of it.</summary>
internal sealed class FrameFaults(ILinkHandler inner, World world, SimulatedNode node, SimulatedProcess process, SeededRandom random) : ILinkHandler
{
    public void OnUp(ILink link)
    {
        world.OnLink(node, link, isUp: true);
        inner.OnUp(link);
    }

    public void OnDown(ILink link, LinkEnd reason)
    {
        world.OnLink(node, link, isUp: false);
        inner.OnDown(link, reason);
    }

    public void OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
    {
        var from = world.NumberOf(link.Remote);
        world.Simulation.Trace(node.Number, TraceKind.Frame, from, body.Length);
        var rates = world.FrameRates;
        if (rates is null)
        {
            Deliver(link, type, body, from);
            return;
        }

        var (lost, doubled, late) = type == LinkFrame.Envelope
            ? (rates.EnvelopeLost, rates.EnvelopeDoubled, rates.EnvelopeLate)
            : (rates.RecordLost, rates.RecordDoubled, rates.RecordLate);
        if (random.Chance(lost))
        {
            world.Simulation.Trace(node.Number, TraceKind.FrameLost, from, body.Length);
            return;
        }

        if (random.Chance(doubled))
        {
            world.Simulation.Trace(node.Number, TraceKind.FrameDoubled, from, body.Length);
            Later(link, type, body, from, rates.Latest * random.Unit());
        }

        if (random.Chance(late))
        {
            world.Simulation.Trace(node.Number, TraceKind.FrameLate, from, body.Length);
            Later(link, type, body, from, rates.Latest * random.Unit());
            return;
        }

        Deliver(link, type, body, from);
    }

    private void Later(ILink link, LinkFrame type, ReadOnlySpan<byte> body, int from, TimeSpan after)
    {
        var copy = body.ToArray();
        world.Simulation.At(world.Simulation.Elapsed + after, () =>
        {
            if (!process.IsDead)
            {
                process.Run(() => Deliver(link, type, copy, from));
            }
        });
    }

    private void Deliver(ILink link, LinkFrame type, ReadOnlySpan<byte> body, int from)
    {
        world.Convergence.From = from;
        inner.OnFrame(link, type, body);
        world.Convergence.From = -1;
    }
}
