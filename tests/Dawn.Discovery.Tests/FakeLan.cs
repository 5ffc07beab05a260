using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Dawn.Discovery.Mdns;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Discovery.Tests;

/// <summary>A link in memory, on fake time: what is sent arrives everywhere a millisecond later, at the sender's too.</summary>
internal sealed class FakeLan(FakeTimeProvider time)
{
    public static readonly Scope Scope = new(2, AddressFamily.InterNetwork);

    private readonly List<FakeSocket> _sockets = [];
    private readonly long _began = time.GetTimestamp();

    public FakeTimeProvider Time => time;

    public TimeSpan Now => time.GetElapsedTime(_began);

    /// <summary>All that was sent to the group.</summary>
    public List<Sent> Log { get; } = [];

    public IEnumerable<Sent> Queries => Log.Where(s => !s.Message.IsResponse);

    public IEnumerable<Sent> Responses => Log.Where(s => s.Message.IsResponse);

    public void Join(FakeSocket socket) => _sockets.Add(socket);

    public void Leave(FakeSocket socket) => _sockets.Remove(socket);

    public void Send(Scope scope, IPAddress source, byte[] datagram, int port = MulticastSocket.Port)
    {
        var message = MessageReader.Read(datagram);
        if (message is not null)
        {
            Log.Add(new(Now, source, scope, message));
        }

        ITimer? timer = null;
        timer = time.CreateTimer(_ =>
        {
            timer?.Dispose();
            foreach (var socket in _sockets.ToList())
            {
                socket.Receive(scope, new IPEndPoint(source, port), datagram);
            }
        }, null, TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Time passes in steps, as packets and answers to them need it.</summary>
    public void Pass(TimeSpan span, TimeSpan? step = null)
    {
        var one = step ?? TimeSpan.FromMilliseconds(1);
        for (var passed = TimeSpan.Zero; passed < span; passed += one)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            time.Advance(one);
        }
    }

    public void Pass(double seconds) => Pass(TimeSpan.FromSeconds(seconds));

    public sealed record Sent(TimeSpan At, IPAddress Source, Scope Scope, DnsMessage Message);
}

/// <summary>A machine's end of links in memory.</summary>
internal sealed class FakeSocket : IMulticastSocket
{
    private readonly Dictionary<int, FakeLan> _lans = [];
    private Action<Datagram>? _received;
    private ImmutableArray<LinkInterface>? _next;

    public FakeSocket(FakeLan lan, params string[] addresses)
    {
        Interfaces = [new(FakeLan.Scope.Interface, "lan0", false, [.. addresses.Select(IPAddress.Parse)])];
        OwnAddresses = Interfaces[0].Addresses.ToHashSet();
        Connect(FakeLan.Scope.Interface, lan);
    }

    public ImmutableArray<LinkInterface> Interfaces { get; private set; }

    public ImmutableArray<Scope> Scopes => [.. Interfaces.Select(i => new Scope(i.Index, AddressFamily.InterNetwork))];

    public IReadOnlySet<IPAddress> OwnAddresses { get; private set; }

    public List<(IPEndPoint Target, DnsMessage Message)> Unicasts { get; } = [];

    public bool IsDisposed { get; private set; }

    public Exception? Failure { get; set; }

    public void Connect(int index, FakeLan lan)
    {
        _lans[index] = lan;
        lan.Join(this);
    }

    /// <summary>As the next look finds them.</summary>
    public void Change(params LinkInterface[] interfaces) => _next = [.. interfaces];

    public void Start(Action<Datagram> received) => _received = received;

    public bool Refresh()
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        if (_next is not { } next)
        {
            return false;
        }

        (Interfaces, _next) = (next, null);
        OwnAddresses = Interfaces.SelectMany(i => i.Addresses).ToHashSet();
        return true;
    }

    public void Send(Scope scope, ReadOnlySpan<byte> datagram) =>
        _lans[scope.Interface].Send(scope, Interfaces.First(i => i.Index == scope.Interface).Addresses[0], datagram.ToArray());

    public void Send(Scope scope, IPEndPoint target, ReadOnlySpan<byte> datagram) => Unicasts.Add((target, MessageReader.Read(datagram)!));

    public void Receive(Scope scope, IPEndPoint source, byte[] datagram)
    {
        if (!IsDisposed && Interfaces.Any(i => i.Index == scope.Interface))
        {
            _received?.Invoke(new(scope, source, datagram));
        }
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        foreach (var lan in _lans.Values)
        {
            lan.Leave(this);
        }

        return ValueTask.CompletedTask;
    }
}

/// <summary>One machine on the link, with what of it a test needs.</summary>
internal sealed class Machine
{
    public const string Network = "abcdefghjkmnp";

    private readonly int _seed;

    public Machine(FakeLan lan, int seed, params string[] addresses)
    {
        _seed = seed;
        Lan = lan;
        Socket = new(lan, addresses);
        Loop = new(Socket, lan.Time, new StrictLogger());
    }

    public FakeLan Lan { get; }

    public FakeSocket Socket { get; }

    public MdnsLoop Loop { get; }

    public IPAddress Address => Socket.Interfaces[0].Addresses[0];

    public Exception? Fault { get; private set; }

    public (Responder Responder, OwnServices Services) Tell(string address = "ws://0.0.0.0:7610", string network = Network) => Tell([address], network);

    public (Responder Responder, OwnServices Services) Tell(string[] addresses, string network = Network)
    {
        var services = new OwnServices(new(network, [.. addresses.Select(a => new Uri(a))]), Socket.OwnAddresses, new Random(_seed));
        var responder = new Responder(Loop, services, new Random(_seed + 1_000), e => Fault = e, NullLogger.Instance);
        Loop.Attach(responder);
        return (responder, services);
    }

    public Watching Look(string network = Network, Func<DnsName, bool>? isOwn = null)
    {
        var browser = new Browser(Loop, network, isOwn ?? (_ => false), new Random(_seed + 2_000));
        Loop.Attach(browser);
        return new(browser);
    }

    /// <summary>As a program of this machine that is none of Dawn's.</summary>
    public void Say(byte[] datagram, int port = MulticastSocket.Port) => Lan.Send(FakeLan.Scope, Address, datagram, port);
}

/// <summary>An error that is logged is a mistake of the loop's own: the test that brought it about fails.</summary>
internal sealed class StrictLogger : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel >= LogLevel.Error)
        {
            throw new InvalidOperationException(formatter(state, exception), exception);
        }
    }
}

/// <summary>Reads a browser without waiting.</summary>
internal sealed class Watching(Browser browser)
{
    public Browser Browser => browser;

    /// <summary>What has changed since the last time: <c>+address</c> and <c>-address</c>.</summary>
    public string[] Changes() => [.. browser.TakeChanges().Select(c => $"{(c.IsGone ? '-' : '+')}{c.Address.OriginalString}").Order(StringComparer.Ordinal)];
}

/// <summary>Messages of others.</summary>
internal static class Others
{
    public static readonly DnsName Type = OwnServices.ServiceType;

    public static DnsRecord Pointer(string instance, uint ttl = 4_500) => new(Type, new PointerData(Type.Child(instance)), false, ttl);

    public static DnsRecord Service(string instance, ushort port, string host, uint ttl = 120) => new(Type.Child(instance), new ServiceData(0, 0, port, OwnServices.Local.Child(host)), true, ttl);

    public static DnsRecord Text(string instance, string network = Machine.Network, string scheme = "ws", uint ttl = 4_500) => new(Type.Child(instance), TextData.Of("v=1", $"n={network}", $"s={scheme}"), true, ttl);

    public static DnsRecord Address(string host, string address, uint ttl = 120) => new(OwnServices.Local.Child(host), new AddressData(IPAddress.Parse(address)), true, ttl);

    public static byte[] Instance(string instance, ushort port = 7_610, string address = "192.0.2.9", string network = Machine.Network, string scheme = "ws", uint ttl = 120) =>
        Response(Pointer(instance, ttl == 0 ? 0u : 4_500u), Service(instance, port, instance, ttl), Text(instance, network, scheme, ttl == 0 ? 0u : 4_500u), Address(instance, address, ttl));

    public static byte[] Response(params DnsRecord[] answers) => DnsMessage.Response(answers, []).Single();

    public static byte[] Query(DnsName name, DnsType type, params DnsRecord[] known) => DnsMessage.Query([new(name, type)], known).Single();
}
