using System.Net;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Links;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using ModelContextProtocol.Protocol;

namespace Dawn.Tests.Invariants;

/// <summary>Where messages can be lost: between the links, as at a relay, or on the wire beneath a link.</summary>
internal enum Layer
{
    Envelopes,
    Records,
}

/// <summary>What happens to one message on its way.</summary>
internal enum Fate
{
    Dropped,
    LostWithAllForASecond,
    Duplicated,
    SwappedWithTheNext,
    DelayedPastTheNextTwo,
}

/// <summary>What else happens at that moment, just before or just after the message is (or is not) delivered.</summary>
/// <param name="EndsAProcess">Then a result can't be promised; that nothing runs twice can.</param>
internal sealed record Meanwhile(string Name, Action<CallWorld>? Before = null, Action<CallWorld>? After = null, bool EndsAProcess = false)
{
    /// <summary>Done as the call begins: the messages that it brings about are part of the trace, and something goes wrong at each of them too.</summary>
    public Action<CallWorld>? AtStart { get; init; }

    /// <summary>Whose keys it replaces, which takes a session and a link that are there already.</summary>
    public Renewed Renews { get; init; }

    /// <summary>The place to add to: every entry is enumerated at every message, under every fate, on both layers.</summary>
    public static Meanwhile[] All { get; } =
    [
        new("nothing"),
        new("callee restarts before", Before: world => world.RestartCallee(), EndsAProcess: true),
        new("callee restarts after", After: world => world.RestartCallee(), EndsAProcess: true),
        new("caller restarts before", Before: world => world.RestartCaller(), EndsAProcess: true),
        new("caller restarts after", After: world => world.RestartCaller(), EndsAProcess: true),
        .. Renewals(Renewed.Session, "caller", world => world.RenewSession(world.Caller)),
        .. Renewals(Renewed.Session, "callee", world => world.RenewSession(world.Callee)),
        .. Renewals(Renewed.Link, "caller", world => world.RenewLink(world.Caller)),
        .. Renewals(Renewed.Link, "callee", world => world.RenewLink(world.Callee)),
    ];

    // The caller began both, so it begins; the callee asks it to.
    private static Meanwhile[] Renewals(Renewed what, string by, Action<CallWorld> renew) =>
    [
        new($"{by} renews the {what} before", Before: renew) { Renews = what },
        new($"{by} renews the {what} after", After: renew) { Renews = what },
        new($"{by} renewed the {what} at the start") { AtStart = renew, Renews = what },
    ];
}

/// <summary>Whose keys are replaced.</summary>
internal enum Renewed
{
    None,
    Session,
    Link,
}

/// <summary>What became of one run.</summary>
/// <param name="First">The outcome that the caller was told; null where the caller itself died first.</param>
/// <param name="SessionEpoch">How often keys were replaced, as the end sees it that has done so less often.</param>
/// <param name="LinkEpoch">The same of the link that is there in the end.</param>
/// <param name="Afterwards">The same of further calls, once all is well again, up to the first that was done.</param>
internal sealed record RunResult(int Messages, string? First, int FirstExecutions, (string? Told, int Executions)[] Afterwards, TimeSpan Took, int SessionEpoch, int LinkEpoch, SealLog Log);

/// <summary>
/// Two whole nodes (links, router, sessions) in virtual time, of which one calls the other's agent once, while at one message of the whole trace something goes wrong;
/// afterwards it calls again.
/// </summary>
internal sealed class CallWorld
{
    /// <summary>What a caller was told that got its result.</summary>
    public const string Done = "done";

    /// <summary>No caller waits longer, whatever happens: what hides longest is an end that only a ping after a minute's silence reveals.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(120);

    private static readonly Uri Address = new("mem://callee:7610");
    private static readonly TestNetwork Network = new();

    private readonly VirtualThread _thread;
    private readonly Layer _layer;
    private readonly int _at;
    private readonly Fate _fate;
    private readonly Meanwhile _meanwhile;
    private readonly InMemoryNetwork _wires = new();
    private readonly TappedTransport _transport;
    private readonly Dictionary<string, int> _executions = [];
    private readonly Held[] _held = [new(), new()];
    private readonly List<WholeNode> _dead = [];
    private int _messages;
    private int _processes;
    private TimeSpan _downUntil;
    private bool _isCalling;
    private bool _isOver;

    private CallWorld(VirtualThread thread, Layer layer, int at, Fate fate, Meanwhile meanwhile)
    {
        (_thread, _layer, _at, _fate, _meanwhile) = (thread, layer, at, fate, meanwhile);
        _transport = new(new InMemoryTransport(_wires, IPAddress.Parse("203.0.113.1")), OnUnit) { IsDown = () => IsDown && layer == Layer.Records };
        (Caller, Callee) = (NewNode(1), NewNode(2));
    }

    public WholeNode Caller { get; private set; }

    public WholeNode Callee { get; private set; }

    public SealLog Log { get; } = new();

    private bool IsWarm => _meanwhile.Renews != Renewed.None;

    private bool IsDown => _thread.Clock.Elapsed < _downUntil;

    /// <param name="at">The message at which it happens, counted from 0; -1 for a run without faults.</param>
    public static async Task<RunResult> RunAsync(Layer layer, int at, Fate fate, Meanwhile meanwhile)
    {
        RunResult? result = null;
        await VirtualThread.RunAsync(
            async thread => result = await new CallWorld(thread, layer, at, fate, meanwhile).RunAsync(), 4 * Bound);
        return result!;
    }

    public void RestartCaller()
    {
        var before = Caller;
        Caller = NewNode(1);
        Bury(before);
    }

    public void RestartCallee()
    {
        var before = Callee;
        Callee = NewNode(2);
        Bury(before);
        Listen();
    }

    public void RenewSession(WholeNode by) => WithReason(by, other =>
    {
        foreach (var session in by.Sessions.Sessions(other.Id))
        {
            session.OnTimer();
        }
    });

    public void RenewLink(WholeNode by) => WithReason(by, other =>
    {
        if (by.Links.TryGet(other.Id, out var link))
        {
            ((Link)link).TryRekey(TimeSpan.FromSeconds(1));
        }
    });

    // A renewed certificate is the reason that acts at once. It is taken back, since whatever looks later would act on it as well.
    private void WithReason(WholeNode node, Action<WholeNode> act)
    {
        var before = node.Identity.Certificate;
        node.Identity.Certificate = Network.Node(node == Caller ? 1 : 2, notAfter: before.NotAfter.AddDays(-1)).Certificate;
        act(node == Caller ? Callee : Caller);
        node.Identity.Certificate = before;
    }

    private async Task<RunResult> RunAsync()
    {
        Listen();
        var linking = KeepLinkedAsync();
        await UntilLinkedAsync();
        if (IsWarm)
        {
            await Caller.CallAsync(Callee.Id, "warm");
            // Keys are replaced no sooner than after a second.
            await _thread.Delay(2_000);
        }

        var (caller, clock) = (Caller, _thread.Clock);
        _isCalling = true;
        var started = clock.Elapsed;
        _meanwhile.AtStart?.Invoke(this);
        var first = await caller.CallAsync(Callee.Id, "first");
        var took = clock.Elapsed - started;
        // What follows the answer, such as the close of the channel and its own answer, counts as well; and what was held comes late, not never.
        await _thread.Delay(3_000);
        var messages = _messages;
        _isCalling = false;
        await UntilLinkedAsync();
        var afterwards = new List<(string? Told, int Executions)>();
        while (afterwards.Count < 3 && (afterwards.Count == 0 || afterwards[^1].Told != Done))
        {
            var id = $"call {afterwards.Count}";
            var told = await Caller.CallAsync(Callee.Id, id);
            await _thread.Delay(1_000);
            afterwards.Add((told == id ? Done : told, Executions(id)));
        }

        var sessionEpoch = SessionEpoch(Caller, Callee);
        var linkEpoch = LinkEpoch(Caller, Callee);
        var died = _dead.Contains(caller);
        _isOver = true;
        await linking;
        Bury(Caller);
        Bury(Callee);
        // Until links and sessions have let go of their keys.
        await _thread.Delay(10_000);
        return new(messages, died ? null : first == "first" ? Done : first, Executions("first"), [.. afterwards], took, sessionEpoch, linkEpoch, Log);
    }

    private static int SessionEpoch(params WholeNode[] nodes) => nodes.Min(node => node.Sessions.Snapshot.Select(session => session.Epoch).DefaultIfEmpty().Max());

    private static int LinkEpoch(params WholeNode[] nodes) => nodes.Min(node => node.Links.Snapshot.Select(link => link.Epoch).DefaultIfEmpty().Max());

    private int Executions(string id) => _executions.GetValueOrDefault(id);

    // A process has a key and entropy of its own, and remembers nothing.
    private WholeNode NewNode(int number)
    {
        var entropy = new SeededEntropy(100 * number + ++_processes);
        return new(Network.Node(number), new(_transport, entropy, new WatchedKey(entropy, Log), _thread.Clock)
        {
            Serve = ServeAsync,
            OnEnvelope = (link, envelope) => OnEnvelope(number - 1, link, envelope),
        });
    }

    private void Listen()
    {
        // The in-memory transport binds at once.
        if (!Callee.ListenAsync(Address).IsCompletedSuccessfully)
        {
            throw new InvalidOperationException("The callee can't listen.");
        }
    }

    private void Bury(WholeNode node)
    {
        // As a kill does: first nothing it says gets out, then it goes.
        _dead.Add(node);
        _transport.AbortAll();
        node.Stop();
    }

    private async Task KeepLinkedAsync()
    {
        while (!_isOver)
        {
            if (!Caller.Router.CanReach(Callee.Id))
            {
                try
                {
                    await Caller.Dialer.DialAsync(Address, Callee.Id, CancellationToken.None);
                }
                catch (LinkDialException)
                {
                    // Again in a moment.
                }
            }

            await _thread.Delay(100);
        }
    }

    private async Task UntilLinkedAsync()
    {
        while (IsDown || !Caller.Router.CanReach(Callee.Id) || !Callee.Router.CanReach(Caller.Id))
        {
            await _thread.Delay(10);
        }
    }

    // Works for a while, so that the ack leaves by itself, before the answer.
    private async Task ServeAsync(string agent, MeshChannel channel, Caller caller)
    {
        while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
        {
            JsonRpcRequest request;
            using (message)
            {
                request = (JsonRpcRequest)JsonRpc.Deserialize(message.Span);
            }

            var id = (string)request.Params!["name"]!;
            _executions[id] = _executions.GetValueOrDefault(id) + 1;
            await _thread.Delay(50);
            await channel.SendAsync(JsonRpc.Serialize(new JsonRpcResponse { Id = request.Id, Result = new JsonObject { ["did"] = id } }), CancellationToken.None);
        }
    }

    // On the wire: from the first hello on, so that set-up is part of the trace.
    private IEnumerable<byte[]> OnUnit(bool toListener, byte[] unit)
    {
        if (_layer != Layer.Records)
        {
            return [unit];
        }

        var arrived = new List<byte[]>();
        OnMessage(toListener ? 1 : 0, () => arrived.Add(unit), releasesByTime: false);
        return arrived;
    }

    // Between link and router: an envelope may come late, to whoever is that node by then.
    private void OnEnvelope(int to, ILink link, byte[] envelope)
    {
        void Deliver() => (to == 0 ? Caller : Callee).Router.OnEnvelope(link, envelope);

        if (_layer == Layer.Envelopes)
        {
            OnMessage(to, Deliver, releasesByTime: true);
        }
        else
        {
            Deliver();
        }
    }

    private void OnMessage(int direction, Action deliver, bool releasesByTime)
    {
        var number = _isCalling || (_layer == Layer.Records && !IsWarm) ? _messages++ : -1;
        if (number != _at || _at < 0)
        {
            if (!IsDown)
            {
                deliver();
                _held[direction].OnPassed();
            }

            return;
        }

        _meanwhile.Before?.Invoke(this);
        switch (_fate)
        {
            case Fate.LostWithAllForASecond:
                _downUntil = _thread.Clock.Elapsed + TimeSpan.FromSeconds(1);
                break;
            case Fate.Duplicated:
                deliver();
                deliver();
                break;
            case Fate.SwappedWithTheNext or Fate.DelayedPastTheNextTwo:
                _held[direction].Hold(deliver, _fate == Fate.SwappedWithTheNext ? 1 : 2);
                if (releasesByTime)
                {
                    // Where nothing follows it is late, not lost.
                    _ = ReleaseAsync(_held[direction]);
                }

                break;
        }

        _meanwhile.After?.Invoke(this);
    }

    private async Task ReleaseAsync(Held held)
    {
        await _thread.Delay(2_500);
        held.Release();
    }

    /// <summary>A message that waits until others of its direction have passed.</summary>
    private sealed class Held
    {
        private Action? _deliver;
        private int _others;

        public void Hold(Action deliver, int others) => (_deliver, _others) = (deliver, others);

        public void OnPassed()
        {
            if (_deliver is not null && --_others == 0)
            {
                Release();
            }
        }

        public void Release()
        {
            var deliver = _deliver;
            _deliver = null;
            deliver?.Invoke();
        }
    }
}
