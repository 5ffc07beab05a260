using System.Collections.Immutable;

namespace Dawn.Membership;

// Exchange of samples, so that passive views hold nodes of everywhere.
internal sealed partial class Views
{
    private void OnShuffle(NodeId from, Shuffle walk)
    {
        if (_walks.Any(w => w.Walk == walk.Walk))
        {
            return;
        }

        List<NodeId> others = [.. _active.Where(n => n != from)];
        var ttl = Math.Min(walk.Ttl, ActiveWalk);
        if (ttl > 1 && others.Count > 0)
        {
            Keep(walk.Walk, from, []);
            Send(Pick(others), walk with { Ttl = (byte)(ttl - 1) });
            return;
        }

        var sample = Sample(_passive, walk.Nodes.Length);
        Send(from, new ShuffleReply(walk.Walk, sample));
        Integrate(walk.Nodes, sample);
    }

    private void OnShuffleReply(ShuffleReply reply)
    {
        var way = _walks.FirstOrDefault(w => w.Walk == reply.Walk);
        if (way.From == default)
        {
            return;
        }

        if (way.From == self)
        {
            Integrate(reply.Nodes, way.Sent);
        }
        else if (_linked.Contains(way.From))
        {
            Send(way.From, reply);
        }
    }

    private void Shuffle()
    {
        if (_active.Count == 0)
        {
            return;
        }

        var to = Pick(_active);
        var walk = (ulong)random.NextInt64();
        ImmutableArray<NodeId> sent = [.. Sample([.. _active.Where(n => n != to)], ShuffledActive), .. Sample(_passive, ShuffledPassive)];
        Keep(walk, self, sent);
        Send(to, new Shuffle(walk, ActiveWalk, [self, .. sent]));
    }

    private ImmutableArray<NodeId> Sample(List<NodeId> from, int count)
    {
        List<NodeId> rest = [.. from];
        var sample = ImmutableArray.CreateBuilder<NodeId>();
        while (sample.Count < count && rest.Count > 0)
        {
            var at = random.Next(rest.Count);
            sample.Add(rest[at]);
            rest.RemoveAt(at);
        }

        return sample.ToImmutable();
    }

    private void Keep(ulong walk, NodeId from, ImmutableArray<NodeId> sent)
    {
        if (_walks.Count >= MaxWalks)
        {
            _walks.Dequeue();
        }

        _walks.Enqueue((walk, from, sent));
    }

    // What was given away makes room first, then chance decides.
    private void Integrate(ImmutableArray<NodeId> nodes, ImmutableArray<NodeId> given)
    {
        foreach (var node in nodes)
        {
            if (IsNews(node))
            {
                if (_passive.Count >= MaxPassive && given.FirstOrDefault(_passive.Contains) is var gone && gone != default)
                {
                    _passive.Remove(gone);
                }

                Remember(node);
            }
        }
    }
}
