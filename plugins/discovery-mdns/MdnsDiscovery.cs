using System.Runtime.CompilerServices;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Logging;

namespace Dawn.Discovery.Mdns;

/// <summary>Discovery on the local links by multicast DNS (RFC 6762) and DNS-SD (RFC 6763). Sockets are open while somebody tells or looks.</summary>
/// <param name="random">For this instance alone.</param>
internal sealed class MdnsDiscovery(Func<IMulticastSocket> open, TimeProvider time, Random random, ILogger<MdnsDiscovery> logger) : IPeerDiscovery
{
    // Names that were given up come back for a while, from caches of proxies and reflectors.
    private const int MaxFormerNames = 64;

    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _lock = new();
    private readonly List<OwnServices> _told = [];
    private readonly Queue<DnsName> _formerNames = [];
    private MdnsLoop? _loop;
    private int _users;

    public string Name => "mdns";

    public async Task AdvertiseAsync(Advertisement self, CancellationToken cancellationToken)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var cancelled = cancellationToken.UnsafeRegister(static e => ((TaskCompletionSource)e!).TrySetResult(), ended);
        if (self.Addresses.Count == 0)
        {
            await ended.Task;
            return;
        }

        await using var use = await UseAsync(cancellationToken);
        var services = new OwnServices(self, use.Loop.Socket.OwnAddresses, NewRandom());
        lock (_lock)
        {
            _told.Add(services);
        }

        var responder = new Responder(use.Loop, services, NewRandom(), e => ended.TrySetException(e), logger);
        use.Loop.Attach(responder);
        try
        {
            await ended.Task;
        }
        finally
        {
            use.Loop.Detach(responder, responder.Goodbye);
            lock (_lock)
            {
                _told.Remove(services);
                foreach (var instance in services.Instances)
                {
                    _formerNames.Enqueue(instance.Name);
                }

                while (_formerNames.Count > MaxFormerNames)
                {
                    _formerNames.Dequeue();
                }
            }
        }
    }

    public async IAsyncEnumerable<DiscoveredPeer> DiscoverAsync(string network, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var use = await UseAsync(cancellationToken);
        var browser = new Browser(use.Loop, network, IsOwn, NewRandom());
        use.Loop.Attach(browser);
        try
        {
            await foreach (var peer in browser.ReadAsync(cancellationToken))
            {
                yield return peer;
            }
        }
        finally
        {
            use.Loop.Detach(browser);
        }
    }

    private bool IsOwn(DnsName name)
    {
        lock (_lock)
        {
            return _told.Any(services => services.Instances.Any(i => i.Name.Equals(name))) || _formerNames.Contains(name);
        }
    }

    // One for each participant: whichever comes first, the other does the same.
    private Random NewRandom()
    {
        lock (_lock)
        {
            return new(random.Next());
        }
    }

    private async Task<Use> UseAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            _loop ??= new MdnsLoop(open(), time, logger);
            _users++;
            return new(this, _loop);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask ReleaseAsync()
    {
        // Not cancelled: whoever came in goes out.
        await _gate.WaitAsync(CancellationToken.None);
        try
        {
            if (--_users == 0 && Interlocked.Exchange(ref _loop, null) is { } loop)
            {
                await loop.DisposeAsync();
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private sealed class Use(MdnsDiscovery discovery, MdnsLoop loop) : IAsyncDisposable
    {
        public MdnsLoop Loop => loop;

        public ValueTask DisposeAsync() => discovery.ReleaseAsync();
    }
}
