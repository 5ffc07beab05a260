using System.Collections.Immutable;
using System.Globalization;
using Dawn.Agents;
using Dawn.Configuration;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>Publishes this node's own record: at start, when its agents or addresses change, and at half of its life.</summary>
internal sealed partial class SelfRecord(
    INodeIdentity self,
    DataDirectory directory,
    IAgentHost agents,
    Listeners listeners,
    DawnSettings settings,
    RecordTable table,
    RecordExchange exchange,
    TimeProvider time,
    ILogger<SelfRecord> logger) : BackgroundService
{
    private const string SequenceFile = "record.sequence";

    // Agents that come together, at start or when a folder is replaced, go into one record.
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _wanted = new(0, 1);
    private readonly Lock _publishing = new();
    private ulong _lastSequence;
    private DateTimeOffset _renewAt;

    /// <summary>Signs and spreads a record of what is true now.</summary>
    public void Publish()
    {
        NodeRecord record;
        int omitted;
        lock (_publishing)
        {
            var now = time.GetUtcNow();
            ImmutableArray<AgentCard> cards = [.. agents.Agents.Where(a => IsShared(a)).Select(a => a.Card).OfType<AgentCard>().OrderBy(c => c.Id, StringComparer.Ordinal)];
            record = NodeRecord.Sign(self, NextSequence(now), now, settings.Encryption, listeners.Addresses, cards, out omitted);
            _renewAt = now + (record.NotAfter - now) / 2;
        }

        if (omitted > 0)
        {
            LogOmitted(omitted, NodeRecord.MaxAgents, NodeRecord.MaxSize / 1024);
        }

        table.Put(record, out _);
        exchange.Spread(self.Id);
    }

    /// <summary>True for agents that anyone but this node may call: only those are told to the network.</summary>
    public static bool IsShared(IHostedAgent agent) =>
        agent.Policy.Callers is { Members: true } or { Nodes.Length: > 0 } or { Roles.Length: > 0 };

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        agents.Changed += Want;
        listeners.Changed += Want;
        using var sweep = time.CreateTimer(_ => table.Sweep(), null, SweepEvery, SweepEvery);
        try
        {
            while (true)
            {
                using var renew = time.CreateTimer(_ => Want(), null, Positive(_renewAt - time.GetUtcNow()), Timeout.InfiniteTimeSpan);
                await _wanted.WaitAsync(stoppingToken);
                await Task.Delay(Settle, time, stoppingToken);
                Publish();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The node stops.
        }
        finally
        {
            agents.Changed -= Want;
            listeners.Changed -= Want;
        }
    }

    private static TimeSpan Positive(TimeSpan span) => span > TimeSpan.Zero ? span : TimeSpan.Zero;

    private void Want()
    {
        try
        {
            _wanted.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is wanted already.
        }
    }

    // Stored before it is used: a record of a lower sequence than one that others have seen would be ignored by all of them.
    private ulong NextSequence(DateTimeOffset now)
    {
        if (_lastSequence == 0 && directory.ReadText(SequenceFile) is { } text)
        {
            _lastSequence = ulong.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var stored) ? stored : 0;
        }

        _lastSequence = Math.Max(_lastSequence + 1, (ulong)now.ToUnixTimeMilliseconds());
        directory.WriteText(SequenceFile, _lastSequence.ToString(CultureInfo.InvariantCulture) + "\n");
        return _lastSequence;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} agents are not announced: a record holds at most {MaxAgents} agents and {MaxKiB} KiB. They can still be called by their address")]
    private partial void LogOmitted(int count, int maxAgents, int maxKiB);
}
