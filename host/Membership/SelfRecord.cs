using System.Collections.Immutable;
using System.Globalization;
using Dawn.Agents;
using Dawn.Configuration;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>Publishes this node's own record: at start, when its agents, addresses, relays or certificate change, and at half of its life.</summary>
/// <param name="reachability">The relays that it names; null for none.</param>
internal sealed partial class SelfRecord(
    INodeIdentity self,
    DataDirectory directory,
    IAgentHost agents,
    Listeners listeners,
    DawnSettings settings,
    RecordTable table,
    RecordExchange exchange,
    TimeProvider time,
    ILogger<SelfRecord> logger,
    Reachability? reachability = null) : BackgroundService, IRecordPublisher
{
    private const string SequenceFile = "record.sequence";

    // Agents that come together, at start or when a folder is replaced, go into one record.
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(50);

    // Renewal goes by the calendar, not by a timer of half a day: a machine that slept, or whose clock was set, finds out within this.
    private static readonly TimeSpan TickEvery = TimeSpan.FromMinutes(1);

    // A certificate that this node can't renew by itself: time enough to ask somebody for a ticket, and then a reminder a day.
    private static readonly TimeSpan WarnBefore = TimeSpan.FromDays(7);
    private static readonly TimeSpan WarnEvery = TimeSpan.FromDays(1);
    private static readonly TimeSpan WarnEveryOnceExpired = TimeSpan.FromHours(1);

    // A disk that takes longer holds up nobody's news.
    private static readonly TimeSpan CommitPatience = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Lock _publishing = new();
    private volatile bool _wanted;
    private volatile bool _ticked;
    private ulong _lastSequence;
    private DateTimeOffset _renewAt;
    private bool _contradicted;
    private long? _answeredAt;
    private Certificate? _published;
    private DateTimeOffset? _warned;
    private ulong _outbid;
    private bool _hasLoggedUncommitted;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        // Before the first record is made, so that no change falls in between.
        agents.Changed += Want;
        listeners.Changed += Want;
        if (reachability is not null)
        {
            reachability.Changed += Want;
        }

        exchange.ForeignSelf += OnForeign;
        await PublishAsync(cancellationToken);
        WarnOfExpiry();
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        agents.Changed -= Want;
        listeners.Changed -= Want;
        if (reachability is not null)
        {
            reachability.Changed -= Want;
        }

        exchange.ForeignSelf -= OnForeign;
        await base.StopAsync(cancellationToken);
    }

    /// <summary>Signs a record of what is true now, has it kept and spreads it.</summary>
    public async Task PublishAsync(CancellationToken cancellationToken)
    {
        NodeRecord record;
        int omitted;
        lock (_publishing)
        {
            var now = time.GetUtcNow();
            _renewAt = now;
            if (_contradicted)
            {
                (_contradicted, _answeredAt) = (false, time.GetTimestamp());
            }

            _published = self.Certificate;
            if (_published.NotAfter <= now)
            {
                return;
            }

            ImmutableArray<AgentCard> cards = [.. agents.Agents.Where(a => IsShared(a)).Select(a => a.Card).OfType<AgentCard>().OrderBy(c => c.Id, StringComparer.Ordinal)];
            record = NodeRecord.Sign(self, NextSequence(now), now, settings.Encryption, listeners.Addresses, cards, out omitted, settings.RelayEnabled, reachability?.Relays ?? []);
            _renewAt = now + (record.NotAfter - now) / 2;
        }

        if (omitted > 0)
        {
            LogOmitted(omitted, NodeRecord.MaxAgents, NodeRecord.MaxSize / 1024);
        }

        if (table.Put(record, out var problem) != RecordVerdict.News)
        {
            // The registry knows a newer one of a former run, or fails; the next tick goes above it.
            LogNotTaken(record.Sequence, problem ?? "a newer one is known");
            _wanted = true;
            return;
        }

        await CommitAsync(cancellationToken);
        exchange.Spread(self.Id);
    }

    void IRecordPublisher.Publish() => Want();

    /// <summary>True for agents that anyone but this node may call: only those are told to the network.</summary>
    public static bool IsShared(IHostedAgent agent) =>
        agent.Policy.Callers is { Members: true } or { Nodes.Length: > 0 } or { Roles.Length: > 0 };

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = time.CreateTimer(_ => Wake(_ticked = true), null, TickEvery, TickEvery);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await _wake.WaitAsync(stoppingToken);
                if (_ticked)
                {
                    _ticked = false;
                    table.Sweep();
                    WarnOfExpiry();
                    _wanted |= time.GetUtcNow() >= _renewAt || !ReferenceEquals(self.Certificate, _published);
                }

                if (_wanted)
                {
                    await Task.Delay(Settle, time, stoppingToken);
                    _wanted = false;
                    await PublishAsync(stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Such as a full disk, which may pass: the next tick tries again, and the node lives on.
                _wanted = true;
                LogFailed(e is IOException or UnauthorizedAccessException ? null : e, e.Message.TrimEnd('.'));
            }
        }
    }

    // A record that a crash loses would be forgotten here alone: its sequence is stored, and others have it.
    private async Task CommitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await table.CommitAsync(cancellationToken).WaitAsync(CommitPatience, time, cancellationToken);
            _hasLoggedUncommitted = false;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            if (!_hasLoggedUncommitted)
            {
                _hasLoggedUncommitted = true;
                LogUncommitted(e is TimeoutException ? $"it takes longer than {CommitPatience.TotalSeconds:0} s" : e.Message.TrimEnd('.'));
            }
        }
    }

    // Holders of the root renew at half life, and never come here.
    private void WarnOfExpiry()
    {
        var (now, notAfter) = (time.GetUtcNow(), self.Certificate.NotAfter);
        var every = notAfter > now ? WarnEvery : _warned < notAfter ? TimeSpan.Zero : WarnEveryOnceExpired;
        if (notAfter - now > WarnBefore || now - _warned < every)
        {
            return;
        }

        _warned = now;
        if (notAfter <= now)
        {
            LogExpired(notAfter);
        }
        else
        {
            LogExpires(notAfter);
        }
    }

    private void Want() => Wake(_wanted = true);

    private void Wake(bool _)
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    // Somebody else signs as this node. Its own record must stand above, or nobody would learn what it hosts; but two processes
    // with one key would then outbid each other for ever, so after the first answer only at the next tick.
    private void OnForeign(ulong sequence)
    {
        bool atOnce;
        lock (_publishing)
        {
            // The same sequence as this node's own is contradicted too: two records share it.
            if (sequence < _lastSequence || sequence <= _outbid)
            {
                return;
            }

            (_lastSequence, _outbid) = (sequence, sequence);
            atOnce = _answeredAt is not { } at || time.GetElapsedTime(at) >= TickEvery;
            _contradicted = true;
        }

        LogForeign(sequence);
        _wanted = true;
        if (atOnce)
        {
            Wake(true);
        }
    }

    // Stored before it is used: a record of a lower sequence than one that others have seen would be ignored by all of them.
    private ulong NextSequence(DateTimeOffset now)
    {
        if (_lastSequence == 0 && directory.ReadText(SequenceFile) is { } text)
        {
            _lastSequence = ulong.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var stored) ? stored : 0;
        }

        if (_lastSequence >= (ulong)(now + NodeRecord.MaxAhead).ToUnixTimeMilliseconds())
        {
            // The clock was wrong and was set back. Nobody with a right one took records of that time, and none would take one above them.
            LogClock(_lastSequence);
            _lastSequence = 0;
        }

        _lastSequence = Math.Max(_lastSequence, table.Find(self.Id)?.Sequence ?? 0);
        _lastSequence = Math.Max(_lastSequence + 1, (ulong)now.ToUnixTimeMilliseconds());
        directory.WriteText(SequenceFile, _lastSequence.ToString(CultureInfo.InvariantCulture) + "\n");
        return _lastSequence;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "This node's record could not be published: {Cause}. It is tried again within a minute")]
    private partial void LogFailed(Exception? exception, string cause);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The registry did not take this node's record {Sequence}: {Problem}. It is tried again within a minute")]
    private partial void LogNotTaken(ulong sequence, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "The registry could not keep this node's record: {Cause}. It is published all the same; after a crash other nodes know it, and this one does not until then. Make room on the disk, or see to it")]
    private partial void LogUncommitted(string cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "This node's certificate expired at {NotAfter:u}: its links and sessions end, and nobody believes its record any more. Ask a member for a new ticket ('dawn invite') and join with 'dawn join --replace'")]
    private partial void LogExpired(DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This node's certificate expires at {NotAfter:u}, and it can't renew it by itself. Ask a member for a new ticket ('dawn invite') and join with 'dawn join --replace' before then")]
    private partial void LogExpires(DateTimeOffset notAfter);

    [LoggerMessage(Level = LogLevel.Error, Message = "A record of this very node came from outside (sequence {Sequence}), newer than its own: another process runs with a copy of its identity.key, or this data directory is an old backup. Stop the other one; if there is none, this message does not come again")]
    private partial void LogForeign(ulong sequence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The sequence of this node's record ({Sequence}) is ahead of the clock: the clock was wrong once. It starts anew from the clock")]
    private partial void LogClock(ulong sequence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} agents are not announced: a record holds at most {MaxAgents} agents and {MaxKiB} KiB. They can still be called by their address")]
    private partial void LogOmitted(int count, int maxAgents, int maxKiB);
}
