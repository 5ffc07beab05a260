using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>Which legs can stand in for each other.</summary>
/// <param name="Initialized">The gateway has made the <c>initialize</c> handshake, for an agent that knows no other era.</param>
internal readonly record struct LegKey(AgentAddress Agent, string CallerAgent, bool Initialized);

/// <summary>
/// Legs for requests that stand alone (2026-07-28). Each is taken for one request, comes back only when that ended cleanly, and is dropped on any doubt.
/// A leg whose agent asked for more input waits apart, since only that agent's conversation can go on with the request's state.
/// </summary>
internal sealed class LegPool : IAsyncDisposable
{
    private const int MaxIdlePerKey = 8;
    private const int MaxIdle = 128;

    // Each holds a call in suspense at an agent, until a person has answered.
    private const int MaxParked = 256;

    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ParkedTime = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan SweepPeriod = TimeSpan.FromSeconds(15);

    private readonly LegDialer _dialer;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly LinkedList<Resting> _idle = [];
    private readonly LinkedList<Resting> _parked = [];
    private readonly ITimer _sweeper;
    private bool _disposed;

    public LegPool(LegDialer dialer, TimeProvider time)
    {
        (_dialer, _time) = (dialer, time);
        _sweeper = time.CreateTimer(_ => _ = SweepAsync(), null, SweepPeriod, SweepPeriod);
    }

    public async Task<JsonRpcMessageWithId> CallAsync(
        LegKey key, ILegPeer peer, string method, JsonNode? parameters, Exchange? exchange, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (leg, reused) = await TakeAsync(key, peer, parameters.Text("requestState"), cancellationToken);
            try
            {
                var answer = await leg.CallAsync(method, parameters, exchange, cancellationToken);
                await RestAsync(key, leg, (answer as JsonRpcResponse)?.Result);
                return answer;
            }
            catch (RelayException e) when (reused && e.Outcome == Outcome.NotExecuted)
            {
                // It broke while it rested, and nothing was sent: a new one will do.
                await leg.DisposeAsync();
            }
            catch
            {
                await leg.DisposeAsync();
                throw;
            }
        }
    }

    public async Task NotifyAsync(LegKey key, ILegPeer peer, string method, JsonNode? parameters, CancellationToken cancellationToken)
    {
        var (leg, _) = await TakeAsync(key, peer, null, cancellationToken);
        try
        {
            await leg.NotifyAsync(method, parameters, cancellationToken);
            await RestAsync(key, leg, null);
        }
        catch
        {
            await leg.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _sweeper.DisposeAsync();
        List<Leg> legs;
        lock (_lock)
        {
            _disposed = true;
            legs = [.. _idle.Concat(_parked).Select(resting => resting.Leg)];
            _idle.Clear();
            _parked.Clear();
        }

        await DisposeAsync(legs);
    }

    private async Task<(Leg Leg, bool Reused)> TakeAsync(LegKey key, ILegPeer peer, string? state, CancellationToken cancellationToken)
    {
        while (Find(key, state) is { } resting)
        {
            if (resting.IsIdle)
            {
                resting.Peer = peer;
                return (resting, true);
            }

            await resting.DisposeAsync();
        }

        var leg = await _dialer.OpenAsync(key.Agent, key.CallerAgent, peer, cancellationToken);
        try
        {
            if (key.Initialized)
            {
                await _dialer.InitializeAsync(leg, LegDialer.OwnInitialize(), cancellationToken);
            }

            return (leg, false);
        }
        catch
        {
            await leg.DisposeAsync();
            throw;
        }
    }

    private Leg? Find(LegKey key, string? state)
    {
        lock (_lock)
        {
            return (state is null ? null : Take(_parked, state)) ?? Take(_idle, null);
        }

        Leg? Take(LinkedList<Resting> from, string? wanted)
        {
            for (var at = from.Last; at is not null; at = at.Previous)
            {
                if (at.Value.Key == key && at.Value.State == wanted)
                {
                    from.Remove(at);
                    return at.Value.Leg;
                }
            }

            return null;
        }
    }

    private async Task RestAsync(LegKey key, Leg leg, JsonNode? result)
    {
        leg.Peer = null;
        var state = result.Text("resultType") == "input_required" ? result.Text("requestState") : null;
        Leg? dropped = null;
        lock (_lock)
        {
            var (list, max) = state is null ? (_idle, MaxIdle) : (_parked, MaxParked);
            if (_disposed || !leg.IsIdle || (state is null && _idle.Count(resting => resting.Key == key) >= MaxIdlePerKey))
            {
                dropped = leg;
            }
            else
            {
                if (list.Count >= max)
                {
                    dropped = list.First!.Value.Leg;
                    list.RemoveFirst();
                }

                list.AddLast(new Resting(key, leg, state, _time.GetTimestamp()));
            }
        }

        if (dropped is not null)
        {
            await dropped.DisposeAsync();
        }
    }

    private async Task SweepAsync()
    {
        List<Leg> old = [];
        lock (_lock)
        {
            Expire(_idle, IdleTime);
            Expire(_parked, ParkedTime);
        }

        await DisposeAsync(old);

        void Expire(LinkedList<Resting> list, TimeSpan limit)
        {
            for (var at = list.First; at is not null;)
            {
                var next = at.Next;
                if (!at.Value.Leg.IsAlive || _time.GetElapsedTime(at.Value.Since) >= limit)
                {
                    old.Add(at.Value.Leg);
                    list.Remove(at);
                }

                at = next;
            }
        }
    }

    private static async Task DisposeAsync(List<Leg> legs)
    {
        foreach (var leg in legs)
        {
            await leg.DisposeAsync();
        }
    }

    private sealed record Resting(LegKey Key, Leg Leg, string? State, long Since);
}
