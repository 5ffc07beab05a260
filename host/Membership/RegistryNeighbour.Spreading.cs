using Dawn.Links;

namespace Dawn.Membership;

/// <remarks>
/// News goes to all neighbours at first. Who gets some of it twice says so to the later one, which from then on tells it of news instead of sending it:
/// what remains is a tree along which each record travels once. Beside it, along the views, which hang together, go tidings that mend the tree where it breaks
/// (Plumtree; Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", SRDS 2007). Who is in no view has nobody to mend it, and prunes nothing.
/// </remarks>
internal sealed partial class RegistryNeighbour
{
    // Prunes, tidings and wants, by GCRA: a neighbour sends four a second, and a few frames more where a lot changed.
    public static readonly (TimeSpan Interval, int Burst) Spreadings = (TimeSpan.FromMilliseconds(50), 200);

    private readonly Gcra _spreadings = new(Spreadings.Interval, Spreadings.Burst);
    private RegistryTidings? _tidings;
    private volatile bool _isLazy;
    private bool _hasPruned;

    /// <summary>True where the other end is sent all news at once.</summary>
    public bool IsEager => !_isLazy;

    public void Tell(NodeId node)
    {
        // Its own it tells everybody: no way is shorter.
        if (node == self || !_isLazy)
        {
            _feed.Enqueue(node);
        }
        else if (favoured().Contains(link.Remote))
        {
            _tidings!.Add(node);
        }
    }

    /// <summary>Passes on what somebody says of a node.</summary>
    public void Tell(NodeId about, byte[] rumour) => _feed.Enqueue(about, rumour);

    /// <summary>The other end sent a node's newest record.</summary>
    public void OnRecordThere(NodeId node)
    {
        _feed.OnRecordThere(node);
        _tidings?.Remove(node);
    }

    /// <inheritdoc cref="RegistryFeed.OnRumourThere"/>
    public void OnRumourThere(NodeId about) => _feed.OnRumourThere(about);

    /// <summary>The other end sent what was known already.</summary>
    public void OnRepeated(NodeId node)
    {
        lock (_lock)
        {
            // What it says of itself, or answers, is no sign that others are faster.
            if (_hasPruned || node == link.Remote || _awaited != 0 || favoured().Length == 0)
            {
                return;
            }

            _hasPruned = true;
        }

        if (!_feed.TryEnqueue(RegistryFrame.Prune()))
        {
            // Too much waits; the next repetition says it.
            lock (_lock)
            {
                _hasPruned = false;
            }
        }
    }

    /// <summary>Asks for all news again: there are no neighbours any more who would tell of it.</summary>
    public void Unprune()
    {
        lock (_lock)
        {
            if (!_hasPruned)
            {
                return;
            }

            _hasPruned = false;
        }

        _feed.TryEnqueue(RegistryFrame.Want([]));
    }

    /// <summary>Asks for records that the other end has.</summary>
    public void Want(IEnumerable<NodeId> nodes)
    {
        lock (_lock)
        {
            _hasPruned = false;
        }

        foreach (var some in nodes.Chunk(RegistryFrame.MaxHaves))
        {
            _feed.TryEnqueue(RegistryFrame.Want(some));
        }
    }

    /// <summary>False where the neighbour prunes, tells and wants more than it may.</summary>
    public bool MaySpread()
    {
        lock (_lock)
        {
            return _spreadings.TryTake(Now);
        }
    }

    public void OnPrune()
    {
        lock (_lock)
        {
            if (!_isStopped)
            {
                _tidings ??= new(table, time, _feed.TryEnqueue);
                _isLazy = true;
            }
        }

        eagernessChanged();
    }

    public void OnWant(IEnumerable<NodeId> nodes)
    {
        if (_isLazy)
        {
            _isLazy = false;
            eagernessChanged();
        }

        // Names of nobody would gather without end before one that wants and does not read.
        _feed.Enqueue(nodes.Where(n => table.Find(n) is not null));
    }
}
