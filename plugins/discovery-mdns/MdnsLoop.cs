using System.Net;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Logging;

namespace Dawn.Discovery.Mdns;

/// <summary>Takes part in mDNS: a responder or a browser. The loop calls it by one thread at a time.</summary>
internal interface IParticipant
{
    void OnMessage(DnsMessage message, Scope scope, IPEndPoint source);

    /// <summary>Interfaces, or their addresses, came or went.</summary>
    void OnInterfacesChanged();

    /// <summary>Does what is due.</summary>
    /// <returns>When there is more to do.</returns>
    TimeSpan Run(TimeSpan now);

    /// <summary>It is over: nothing is called any more.</summary>
    void OnFault(Exception cause);
}

/// <summary>Hands packets and time to those who take part, one after the other, and sends for them.</summary>
internal sealed partial class MdnsLoop : IAsyncDisposable
{
    // Far more than a network of hundreds says when somebody asks; a flood beyond it costs no more than being dropped.
    private const int PacketsASecond = 250;
    private const int PacketBurst = 1_000;

    // Packets come back within milliseconds, or never.
    private const int MaxEchoes = 256;
    private static readonly TimeSpan EchoTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookAtInterfaces = TimeSpan.FromSeconds(15);

    private readonly IMulticastSocket _socket;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly long _began;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private readonly List<IParticipant> _participants = [];
    private readonly LinkedList<Echo> _echoes = [];
    private TimeSpan _nextLook = LookAtInterfaces;
    private double _budget = PacketBurst;
    private TimeSpan _budgetAt;
    private Exception? _fault;
    private bool _isDisposed;

    public MdnsLoop(IMulticastSocket socket, TimeProvider time, ILogger logger)
    {
        (_socket, _time, _logger) = (socket, time, logger);
        _began = time.GetTimestamp();
        _timer = time.CreateTimer(static loop => ((MdnsLoop)loop!).Guarded(null), this, LookAtInterfaces, Timeout.InfiniteTimeSpan);
        socket.Start(datagram => Guarded(datagram));
    }

    /// <summary>Since the loop began.</summary>
    public TimeSpan Now => _time.GetElapsedTime(_began);

    public IMulticastSocket Socket => _socket;

    public void Attach(IParticipant participant)
    {
        lock (_lock)
        {
            _participants.Add(participant);
            if (_fault is { } fault)
            {
                participant.OnFault(fault);
            }
        }

        Guarded(null);
    }

    /// <param name="last">Said before it goes.</param>
    public void Detach(IParticipant participant, Action? last = null)
    {
        lock (_lock)
        {
            if (_participants.Remove(participant) && _fault is null)
            {
                last?.Invoke();
            }
        }
    }

    /// <summary>To the group. For participants, while they are called.</summary>
    public void Send(Scope scope, byte[] datagram)
    {
        // Packets that one sends to a group come back; those of other programs of this machine, from the same port, look alike and must be heard.
        _echoes.AddLast(new Echo(scope, datagram, Now + EchoTime));
        if (_echoes.Count > MaxEchoes)
        {
            _echoes.RemoveFirst();
        }

        _socket.Send(scope, datagram);
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _isDisposed = true;
        }

        await _timer.DisposeAsync();
        await _socket.DisposeAsync();
    }

    // Called by the timer and by the socket, where nobody else would take an exception.
    private void Guarded(Datagram? datagram)
    {
        lock (_lock)
        {
            if (_isDisposed || _fault is not null)
            {
                return;
            }

            try
            {
                if (datagram is null || TryReceive(datagram.Value))
                {
                    Run();
                }
            }
            catch (Exception e)
            {
                Failed(e, e.Message);
                _fault = new IOException($"Discovery by mDNS came to an end: {e.Message}", e);
                foreach (var participant in _participants)
                {
                    participant.OnFault(_fault);
                }
            }
        }
    }

    private bool TryReceive(Datagram datagram)
    {
        var now = Now;
        (_budget, _budgetAt) = (Math.Min(PacketBurst, _budget + (now - _budgetAt).TotalSeconds * PacketsASecond), now);
        if (_budget < 1 || IsEcho(datagram, now))
        {
            return false;
        }

        _budget--;
        if (MessageReader.Read(datagram.Bytes.Span) is not { } message)
        {
            return false;
        }

        foreach (var participant in _participants)
        {
            try
            {
                participant.OnMessage(message, datagram.Scope, datagram.Source);
            }
            catch (Exception e)
            {
                // A mistake of ours, which a stranger must not be able to end discovery with.
                NotTaken(e, datagram.Source);
            }
        }

        return true;
    }

    private bool IsEcho(Datagram datagram, TimeSpan now)
    {
        while (_echoes.First is { } oldest && oldest.Value.Until < now)
        {
            _echoes.RemoveFirst();
        }

        for (var node = _echoes.First; node is not null; node = node.Next)
        {
            if (node.Value.Scope == datagram.Scope && datagram.Bytes.Span.SequenceEqual(node.Value.Bytes) && _socket.OwnAddresses.Contains(WithoutScope(datagram.Source.Address)))
            {
                _echoes.Remove(node);
                return true;
            }
        }

        return false;
    }

    private void Run()
    {
        var now = Now;
        if (now >= _nextLook)
        {
            _nextLook = now + LookAtInterfaces;
            if (_socket.Refresh())
            {
                foreach (var participant in _participants)
                {
                    participant.OnInterfacesChanged();
                }
            }
        }

        var next = _nextLook;
        foreach (var participant in _participants)
        {
            var due = participant.Run(now);
            next = due < next ? due : next;
        }

        // Timers count whole milliseconds: rounded down it would fire too early, again and again.
        _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling((next - now).TotalMilliseconds))), Timeout.InfiniteTimeSpan);
    }

    private static IPAddress WithoutScope(IPAddress address) => address.IsIPv6LinkLocal ? new(address.GetAddressBytes()) : address;

    [LoggerMessage(LogLevel.Error, "Discovery by mDNS failed: {Cause}")]
    private partial void Failed(Exception exception, string cause);

    [LoggerMessage(LogLevel.Error, "A message from {Source} was not taken")]
    private partial void NotTaken(Exception exception, IPEndPoint source);

    private readonly record struct Echo(Scope Scope, byte[] Bytes, TimeSpan Until);
}
