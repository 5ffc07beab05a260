namespace Dawn.Testing.Simulation;

/// <summary>Something that happens at a time. The object is reused: whoever owns it queues it again.</summary>
internal abstract class SimulationEvent
{
    /// <summary>Where it stands in the queue; negative while it doesn't.</summary>
    internal int Slot { get; set; } = -1;

    /// <summary>The process it happens in; what is due for a dead one doesn't happen.</summary>
    internal abstract SimulatedProcess Process { get; }

    internal abstract void Fire();
}

/// <summary>Events by time, and of one time by the order in which they came: a heap of four branches, whose keys lie beside each other.</summary>
internal sealed class EventQueue
{
    private const int Branches = 4;

    private Entry[] _heap = new Entry[1024];
    private long _order;

    public int Count { get; private set; }

    public long NextDue => _heap[0].Due;

    public void Add(SimulationEvent item, long due)
    {
        if (Count == _heap.Length)
        {
            Array.Resize(ref _heap, 2 * Count);
        }

        Up(Count++, new(due, _order++, item));
    }

    public SimulationEvent Take()
    {
        var first = _heap[0].Item;
        Remove(first);
        return first;
    }

    public void Remove(SimulationEvent item)
    {
        var slot = item.Slot;
        item.Slot = -1;
        var last = _heap[--Count];
        _heap[Count] = default;
        if (slot == Count)
        {
            return;
        }

        if (slot > 0 && last.IsBefore(_heap[(slot - 1) / Branches]))
        {
            Up(slot, last);
        }
        else
        {
            Down(slot, last);
        }
    }

    private void Up(int slot, Entry entry)
    {
        while (slot > 0)
        {
            var parent = (slot - 1) / Branches;
            if (!entry.IsBefore(_heap[parent]))
            {
                break;
            }

            Put(slot, _heap[parent]);
            slot = parent;
        }

        Put(slot, entry);
    }

    private void Down(int slot, Entry entry)
    {
        while (true)
        {
            var first = slot * Branches + 1;
            if (first >= Count)
            {
                break;
            }

            var least = first;
            for (var child = first + 1; child < Math.Min(first + Branches, Count); child++)
            {
                least = _heap[child].IsBefore(_heap[least]) ? child : least;
            }

            if (!_heap[least].IsBefore(entry))
            {
                break;
            }

            Put(slot, _heap[least]);
            slot = least;
        }

        Put(slot, entry);
    }

    private void Put(int slot, in Entry entry)
    {
        _heap[slot] = entry;
        entry.Item.Slot = slot;
    }

    private readonly record struct Entry(long Due, long Order, SimulationEvent Item)
    {
        public bool IsBefore(in Entry other) => Due != other.Due ? Due < other.Due : Order < other.Order;
    }
}
