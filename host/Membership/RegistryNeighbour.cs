using Dawn.Links;

namespace Dawn.Membership;

/// <summary>One link's part in keeping registries alike: its summaries, and at most one reconciliation at a time (docs/protocol.md, "Registry"). Thread-safe.</summary>
internal sealed partial class RegistryNeighbour(ILink link, RecordTable table, NodeId self, TimeProvider time, Func<NodeId[]> favoured, Action eagernessChanged, Func<double> jitter, RegistryMetrics? metrics)
{
    public static readonly TimeSpan SummaryEvery = TimeSpan.FromSeconds(10);

    /// <summary>A reconciliation of which nothing was heard for so long is over.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Between the beginnings of two reconciliations, for who begins.</summary>
    public static readonly TimeSpan BeginEvery = TimeSpan.FromSeconds(5);

    // What may come of a neighbour, by GCRA: summaries and beginnings; proofs. Twice what one that keeps to the protocol sends, and what delays may gather.
    public static readonly (TimeSpan Interval, int Burst) Openings = (TimeSpan.FromSeconds(2.5), 10);
    public static readonly (TimeSpan Interval, int Burst) Proofs = (TimeSpan.FromSeconds(1), 2 * RegistryConflicts.Max);

    private readonly RegistryFeed _feed = new(link, self, table, time, metrics);
    private readonly Lock _lock = new();
    private readonly long _created = time.GetTimestamp();
    private ITimer? _timer;
    private bool _isStopped;
    private readonly Gcra _openings = new(Openings.Interval, Openings.Burst);
    private readonly Gcra _proofs = new(Proofs.Interval, Proofs.Burst);
    private byte _number;
    private int _awaited;
    private bool _isAbandoned;
    private long _heardAt;
    private long? _begunAt;
    private bool _isListed;

    public ILink Link => link;

    /// <summary>Tells the other end what it should know at once; the summary finds the rest.</summary>
    public void Start()
    {
        _feed.Enqueue(self);
        if (table.Conflicts.Find(link.Remote) is { } proof)
        {
            // It may be another process than the one that was told before.
            Prove(proof);
        }

        Summarize();
    }

    public void Stop()
    {
        lock (_lock)
        {
            _isStopped = true;
            _timer?.Dispose();
        }

        _tidings?.Stop();
        _feed.Stop();
    }

    public void Prove(RegistryConflict conflict) => _feed.TryEnqueue(RegistryFrame.Conflict(conflict));

    /// <summary>A record came: a reconciliation with many of them goes on.</summary>
    public void Heard()
    {
        lock (_lock)
        {
            _heardAt = time.GetTimestamp();
        }
    }

    /// <summary>False where the neighbour proves more than it may.</summary>
    public bool MayProve()
    {
        lock (_lock)
        {
            return _proofs.TryTake(Now);
        }
    }

    /// <returns>Null, or how the other end breaks the protocol.</returns>
    public string? OnSummary(RegistryForm form, ReadOnlySpan<byte> theirs)
    {
        lock (_lock)
        {
            if (!_openings.TryTake(Now))
            {
                return "more registry summaries than the limit";
            }
        }

        if (form != table.Form)
        {
            // Neither understands the other's way to find out what is lacking; then all of it, once.
            if (!_isListed)
            {
                _isListed = true;
                _feed.Enqueue(table.Snapshot().Select(r => r.Node).Where(n => n != link.Remote));
            }

            return null;
        }

        if (self.CompareTo(link.Remote) > 0 || table.Summary() is not { } ours || theirs.SequenceEqual(ours.Span) || !TryBegin(out var number))
        {
            return null;
        }

        if (table.Reconcile(default) is { Message.IsEmpty: false } first)
        {
            Answer(number, 1, first);
        }
        else
        {
            End("done");
        }

        return null;
    }

    /// <returns>Null, or how the other end breaks the protocol.</returns>
    public string? OnMessage(byte number, int step, ReadOnlyMemory<byte> message)
    {
        lock (_lock)
        {
            _heardAt = time.GetTimestamp();
            if (step == 1)
            {
                if (self.CompareTo(link.Remote) < 0 || message.IsEmpty)
                {
                    return "a registry reconciliation that it may not begin";
                }

                if (!_openings.TryTake(Now))
                {
                    return "more registry reconciliations than the limit";
                }

                (_number, _awaited, _isAbandoned) = (number, 0, false);
            }
            else if (number != _number || _isAbandoned)
            {
                // Of one that this end gave up on.
                return null;
            }
            else if (step != _awaited)
            {
                return $"step {step} of a registry reconciliation out of turn";
            }
        }

        if (message.IsEmpty)
        {
            End("done");
            return null;
        }

        try
        {
            if (table.Reconcile(message) is { } reply)
            {
                Answer(number, step + 1, reply);
                return null;
            }

            Answer(number, step + 1, new([], default));
            return null;
        }
        catch (FormatException e)
        {
            End("refused");
            return e.Message;
        }
    }

    private void Answer(byte number, int step, RegistryReply reply)
    {
        // The last step may carry records, but asks nothing more; what is lacking still the next reconciliation finds.
        var message = step < RegistryFrame.MaxSteps ? reply.Message : default;
        if (step > RegistryFrame.MaxSteps)
        {
            End("done");
            return;
        }

        if (message.IsEmpty)
        {
            End("done");
        }
        else
        {
            lock (_lock)
            {
                // Before it is sent: the answer may come at once.
                (_awaited, _heardAt) = (step + 1, time.GetTimestamp());
            }
        }

        _feed.Enqueue(reply.Records.Select(r => r.Node));
        _feed.TryEnqueue(RegistryFrame.Message(number, step, message.Span));
    }

    private TimeSpan Now => time.GetElapsedTime(_created);

    private bool TryBegin(out byte number)
    {
        lock (_lock)
        {
            number = 0;
            if (_begunAt is { } at && time.GetElapsedTime(at) < BeginEvery)
            {
                return false;
            }

            if (_awaited != 0)
            {
                if (time.GetElapsedTime(_heardAt) < Patience)
                {
                    return false;
                }

                metrics?.Reconciled("abandoned");
            }

            (_begunAt, _heardAt, _awaited, _isAbandoned) = (time.GetTimestamp(), time.GetTimestamp(), 0, false);
            number = ++_number;
            return true;
        }
    }

    private void End(string outcome)
    {
        lock (_lock)
        {
            _awaited = 0;
        }

        metrics?.Reconciled(outcome);
    }

    private void Summarize()
    {
        if (table.Summary() is { } summary)
        {
            _feed.TryEnqueue(RegistryFrame.Summary(table.Form, summary.Span));
        }

        lock (_lock)
        {
            if (_awaited != 0 && time.GetElapsedTime(_heardAt) >= Patience)
            {
                (_awaited, _isAbandoned) = (0, true);
                metrics?.Reconciled("abandoned");
            }

            if (_isStopped)
            {
                return;
            }

            // From 0.8 to 1.2: neighbours that came up together don't speak together for ever.
            var next = SummaryEvery * (0.8 + 0.4 * jitter());
            _timer ??= time.CreateTimer(_ => Summarize(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(next, Timeout.InfiniteTimeSpan);
        }
    }
}
