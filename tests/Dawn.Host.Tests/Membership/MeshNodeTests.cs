using Dawn.Testing.InMemory;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Tests.Membership;

/// <summary>Whole nodes over a network in memory, with one clock that stands still.</summary>
public abstract class MeshNodeTests
{
    private readonly InMemoryNetwork _network = new();

    private protected FakeTimeProvider Time { get; } = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    private protected Task<MeshNode> NodeAsync() => new MeshNode(_network, Time).ListenAsync();

    /// <summary>Tells how many bytes were sent so far, over all links that come up from now on.</summary>
    private protected Func<long> CountBytes()
    {
        var links = new List<ConnectionFaults>();
        _network.Faults = _ =>
        {
            var faults = new ConnectionFaults();
            lock (links)
            {
                links.Add(faults);
            }

            return faults;
        };
        return () =>
        {
            lock (links)
            {
                return links.Sum(link => (long)link.ToListener.Seen.Length + link.ToDialer.Seen.Length);
            }
        };
    }
}
