using Microsoft.Extensions.Logging;

namespace Dawn.Registries.OrSet;

/// <summary>Raises changes in the order in which they were made, each on the thread that made it, with no lock held.</summary>
/// <remarks>
/// Each change has a number, given under the lock that orders changes; a thread waits with its change until those before it are raised.
/// A change that a subscriber makes is raised after the one it is told of, by the same thread; so nobody who raises waits, and threads can't wait for each other.
/// What must not be done is to wait, in a subscriber, for another thread's merge.
/// </remarks>
internal sealed partial class ChangeGate(ILogger logger)
{
    private readonly object _turn = new();
    private long _numbered;
    private long _raised;
    private int _raiser;
    private Queue<(long Number, RegistryChange Change)>? _nested;

    public event Action<RegistryChange>? Changed;

    /// <summary>The next number; under the lock that orders changes.</summary>
    public long Number() => ++_numbered;

    /// <summary>Raises a change in its turn. Every number must come here.</summary>
    public void Raise(long number, RegistryChange change)
    {
        var me = Environment.CurrentManagedThreadId;
        if (Volatile.Read(ref _raiser) == me)
        {
            (_nested ??= new()).Enqueue((number, change));
            return;
        }

        RaiseInTurn(number, change, me, out var rest);
        while (rest?.TryDequeue(out var next) ?? false)
        {
            RaiseInTurn(next.Number, next.Change, me, out var more);
            while (more?.TryDequeue(out var one) ?? false)
            {
                rest.Enqueue(one);
            }
        }
    }

    private void RaiseInTurn(long number, RegistryChange change, int me, out Queue<(long Number, RegistryChange Change)>? nested)
    {
        lock (_turn)
        {
            while (_raised != number - 1)
            {
                Monitor.Wait(_turn);
            }

            Volatile.Write(ref _raiser, me);
        }

        foreach (var subscriber in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                subscriber(change);
            }
            catch (Exception e)
            {
                // A subscriber's trouble is neither the registry's nor the other subscribers'.
                SubscriberFailed(e, change.Node.ToShortString());
            }
        }

        lock (_turn)
        {
            (nested, _nested) = (_nested, null);
            Volatile.Write(ref _raiser, 0);
            _raised = number;
            Monitor.PulseAll(_turn);
        }
    }

    [LoggerMessage(LogLevel.Error, "Who was told of the change of {Node}'s record failed")]
    private partial void SubscriberFailed(Exception error, string node);
}
