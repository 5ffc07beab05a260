using System.Runtime.InteropServices;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

// What nodes say about others: signed, and believed within limits alone.
internal sealed partial class Mesh
{
    // For each accuser: five neighbours may die at once, and then it has nobody to accuse for a while.
    private static readonly TimeSpan AccusationInterval = TimeSpan.FromSeconds(5);
    private const int AccusationBurst = 10;

    // A clock may be so far ahead, as with records.
    private static readonly TimeSpan MaxAhead = NodeRecord.MaxAhead;

    private readonly Dictionary<NodeId, TimeSpan> _accusers = [];
    private TimeSpan _accusersSweptAt;

    // What is cheap to refuse is refused before its signature is looked at.
    private void OnSuspicion(ILink link, Suspicion suspicion)
    {
        lock (_lock)
        {
            if (!_detector.IsNews(suspicion))
            {
                // The common case, since it comes from all sides.
                if (_detector.IsDoubted(suspicion.Suspect, suspicion.Sequence))
                {
                    _exchange.OnRumour(link, suspicion.Suspect);
                }

                return;
            }
        }

        if (suspicion.Suspect == suspicion.Accuser || _records.Find(suspicion.Suspect)?.Sequence != suspicion.Sequence || !IsMember(link, suspicion.Accuser) || IsAhead(suspicion.Time))
        {
            return;
        }

        if (!suspicion.IsSigned)
        {
            // Whoever passes a statement on has verified it.
            _ = link.CloseAsync(LinkEnd.Protocol, "a suspicion whose signature is wrong");
            return;
        }

        if (!MayAccuse(suspicion.Accuser))
        {
            _metrics.Dropped(MessageClass.Rumours);
            return;
        }

        _exchange.OnRumour(link, suspicion.Suspect);
        Do(now => Hear(suspicion, link.Remote, now));
    }

    private void OnLeave(ILink link, Leave leave)
    {
        if (leave.Node == _self.Id || _records.Find(leave.Node) is not { } record || leave.Sequence < record.Sequence || IsAhead(leave.Time) || (leave.Node != link.Remote && _links.TryGet(leave.Node, out _)))
        {
            return;
        }

        lock (_lock)
        {
            if (_detector.HealthOf(leave.Node) == PeerHealth.Dead)
            {
                return;
            }
        }

        if (!leave.IsSigned)
        {
            _ = link.CloseAsync(LinkEnd.Protocol, "a farewell whose signature is wrong");
            return;
        }

        Do(_ =>
        {
            if (_detector.OnLeft(leave.Node, leave.Sequence))
            {
                _wanted.Add(new Effect.Spread(leave.Node, leave, link.Remote));
            }
        });
    }

    private bool IsMember(ILink link, NodeId node) => node == link.Remote || _records.Find(node) is not null;

    private bool IsAhead(ulong unixMilliseconds) => unixMilliseconds > (ulong)(_time.GetUtcNow() + MaxAhead).ToUnixTimeMilliseconds();

    private bool MayAccuse(NodeId accuser)
    {
        lock (_lock)
        {
            var now = Now;
            ref var idleAt = ref CollectionsMarshal.GetValueRefOrAddDefault(_accusers, accuser, out var isKnown);
            if (!isKnown && now - _accusersSweptAt >= AccusationInterval)
            {
                // Not with each: where a network falls in two, half of it accuses somebody.
                _accusersSweptAt = now;
                foreach (var idle in _accusers.Where(a => a.Value <= now && a.Key != accuser).Select(a => a.Key).ToList())
                {
                    _accusers.Remove(idle);
                }
            }

            return Gcra.TryTake(ref idleAt, now, AccusationInterval, AccusationBurst);
        }
    }

    private void Hear(Suspicion suspicion, NodeId? from, TimeSpan now)
    {
        if (_detector.OnSuspicion(suspicion, now))
        {
            _wanted.Add(new Effect.Spread(suspicion.Suspect, suspicion, from));
        }
    }

    private void Believe(NodeId node, PeerHealth health)
    {
        if (_logger.IsEnabled(LogLevel.Debug))
        {
            // The name is made of 32 bytes, and half of a network may die at once.
            LogBelief(node.ToShortString(), health);
        }

        _metrics.Believed(health);
        _peers.OnHealth(node, health);
        if (health == PeerHealth.Dead)
        {
            Do(now =>
            {
                if (_views.Active.Contains(node))
                {
                    _keeper.Recover(node);
                }

                _views.OnGone(node, now);
            });
            if (_links.TryGet(node, out var link))
            {
                _ = link.CloseAsync(LinkEnd.Silent, "it answers no probes");
            }
        }
        else if (health == PeerHealth.Alive && _peers.Find(node) is { } peer && IsDialable(peer))
        {
            Do(now => _views.OnDialable(node, now));
        }
    }
}
