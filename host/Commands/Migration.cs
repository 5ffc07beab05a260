using System.Text.Json.Nodes;

namespace Dawn.Commands;

/// <summary>What one node knows of the network, as far as a change of modes needs it.</summary>
/// <param name="Self">The node that looked.</param>
internal sealed record MigrationView(string Self, IReadOnlyList<MigrationNode> Nodes);

/// <param name="Addresses">Where it can be dialled; none without a listener.</param>
/// <param name="IsRelay">Whether it says that it forwards for others.</param>
/// <param name="Relays">NodeIds over which it says that it can be reached.</param>
internal sealed record MigrationNode(string Node, IReadOnlyList<string> Addresses, bool IsRelay, IReadOnlyList<string> Relays)
{
    /// <summary>Null where it did not answer.</summary>
    public string? Mode { get; init; }

    /// <summary>Installed modes; null where it did not answer.</summary>
    public IReadOnlyList<string>? Available { get; init; }

    /// <summary>What its settings name as hubs, <c>address#NodeId</c>; null where it did not answer.</summary>
    public IReadOnlyList<string>? Hubs { get; init; }

    /// <summary>Why it did not answer.</summary>
    public string? Silence { get; init; }
}

/// <param name="From">The mode of the node that made the plan.</param>
/// <param name="Hubs">Those of the plan, as they stand in <c>Dawn:Hubs</c>.</param>
/// <param name="Problems">What to mend or know before the first step.</param>
internal sealed record MigrationPlan(string From, string To, IReadOnlyList<string> Hubs, IReadOnlyList<string> Problems, IReadOnlyList<MigrationStep> Steps);

/// <param name="Node">Where.</param>
/// <param name="Mode">The mode that it has afterwards.</param>
/// <param name="Restarts">Whether it must start anew: hubs are read at the start.</param>
/// <param name="Commands">To be run there.</param>
/// <param name="Remote">The same from the machine of the plan, for owners of that node; null where that is not possible.</param>
/// <param name="Settings">What to write into the node's <c>appsettings.json</c>, so that its next start has the same mode.</param>
/// <param name="Risks">What could go wrong.</param>
/// <param name="Back">Commands that undo it, and <paramref name="BackSettings"/>; none where the mode before is not known.</param>
internal sealed record MigrationStep(
    int Number,
    string Node,
    bool IsHub,
    string Mode,
    bool Restarts,
    IReadOnlyList<string> Commands,
    string? Remote,
    JsonObject Settings,
    string Changes,
    IReadOnlyList<string> Risks,
    IReadOnlyList<string> Back,
    JsonObject? BackSettings);

/// <summary>Plans the way from one routing mode of a network to another: hubs first, and never without hybrid in between, since nodes of the other two modes need not reach each other.</summary>
internal sealed class Migration
{
    public const string Centralized = "centralized";
    public const string Decentralized = "decentralized";
    public const string Hybrid = "hybrid";

    // Two machines that fail apart.
    private const int ProposedHubs = 2;

    private readonly MigrationView _view;
    private readonly string _to;
    private readonly List<string> _hubs;
    private readonly bool _areProposed;

    private Migration(MigrationView view, string to)
    {
        (_view, _to) = (view, to);
        var named = view.Nodes.SelectMany(n => n.Hubs ?? []).Select(IdOf).OfType<string>().Distinct().ToList();
        _areProposed = named.Count == 0 && to != Decentralized;
        _hubs = _areProposed ? Proposed(view) : named;
    }

    public static IReadOnlyList<string> Modes { get; } = [Centralized, Hybrid, Decentralized];

    /// <summary>Where a network usually goes from a mode: away from its hubs one by one; and back towards them from the end.</summary>
    public static string Next(string mode) => mode == Hybrid ? Decentralized : Hybrid;

    /// <summary>The steps in their order, and whatever stands in their way.</summary>
    public static MigrationPlan Plan(MigrationView view, string to) => new Migration(view, to).Make();

    private MigrationPlan Make()
    {
        var steps = new List<MigrationStep>();
        var modes = _view.Nodes.ToDictionary(n => n.Node, n => n.Mode);
        foreach (var mode in _to == Hybrid ? [Hybrid] : new[] { Hybrid, _to })
        {
            var isLast = mode == _to;
            foreach (var node in InOrder())
            {
                var before = modes[node.Node];
                var restarts = mode == Hybrid && LacksHubs(node);
                // Who has the last mode already need not leave it: those around it come through hybrid.
                if (before == mode && !restarts || !isLast && before == _to && !restarts)
                {
                    continue;
                }

                steps.Add(Step(steps.Count + 1, node, before, mode, restarts));
                modes[node.Node] = mode;
            }
        }

        return new(_view.Nodes.First(n => n.Node == _view.Self).Mode ?? "", _to, HubTexts(), [.. Problems()], steps);
    }

    private IEnumerable<MigrationNode> InOrder() =>
        _view.Nodes.OrderBy(n => _hubs.IndexOf(n.Node) is >= 0 and var i ? i : int.MaxValue).ThenBy(n => n.Mode is null).ThenBy(n => n.Node, StringComparer.Ordinal);

    private MigrationStep Step(int number, MigrationNode node, string? before, string mode, bool restarts)
    {
        var isHub = _hubs.Contains(node.Node);
        string[] commands = restarts ? ["dawn stop", "dawn run"] : [$"dawn mode {mode}"];
        var remote = restarts || node.Node == _view.Self ? null : $$"""dawn call {{node.Node}}:node set_mode '{"name":"{{mode}}"}'""";
        return new(
            number, node.Node, isHub, mode, restarts, commands, remote, Settings(mode, restarts), Changes(mode, isHub), [.. Risks(node, isHub, mode, restarts)],
            before is null || before == mode ? [] : [$"dawn mode {before}"], before is null || before == mode ? null : Settings(before, false));
    }

    private JsonObject Settings(string mode, bool withHubs)
    {
        var dawn = new JsonObject { ["Mode"] = mode };
        if (withHubs)
        {
            dawn["Hubs"] = new JsonArray([.. HubTexts().Select(hub => JsonValue.Create(hub))]);
        }

        return new() { ["Dawn"] = dawn };
    }

    // The first that names a hub knows how to dial it; else its own record does.
    private List<string> HubTexts() => [.. _hubs.Select(hub =>
        _view.Nodes.SelectMany(n => n.Hubs ?? []).FirstOrDefault(text => IdOf(text) == hub) ?? $"{_view.Nodes.First(n => n.Node == hub).Addresses[0]}#{hub}")];

    /// <summary>Without hubs of its own a node is one in centralized mode, and has none to turn to in hybrid. Of two hubs it is enough that one names the other.</summary>
    private bool LacksHubs(MigrationNode node) =>
        _to != Decentralized && _hubs.Count > 0 && node.Hubs is { Count: 0 }
        && !(_hubs.Contains(node.Node) && (_hubs.Count == 1 || _view.Nodes.Any(n => n.Node != node.Node && _hubs.Contains(n.Node) && Names(n, node.Node))));

    private static string Changes(string mode, bool isHub) => (mode, isHub) switch
    {
        (Hybrid, true) => "It may dial whoever it calls. It goes on forwarding, as a hub does in every mode.",
        (Hybrid, false) => "What it sends goes straight to nodes that it can dial or is linked to, and to a hub where it can't.",
        (Centralized, true) => "It dials nobody but other hubs. Whoever is linked to it is served as before.",
        (Centralized, false) => "Everything that it sends goes to a hub, and it dials nobody else. Direct links close once nothing uses them.",
        (_, true) => "It is a relay like any other that forwards.",
        _ => "What it sends goes straight where that is possible, else over a relay that the target names, else where a flood finds it. Links to what Dawn:Hubs names are kept.",
    };

    private IEnumerable<string> Risks(MigrationNode node, bool isHub, string mode, bool restarts)
    {
        if (node.Mode is null)
        {
            yield return $"It did not answer ({node.Silence ?? "no reason given"}), so neither its mode nor its hubs are known. Do this step once it runs{(mode == _to ? "" : $", and no step of {_to} before; what 'dawn mode' says there first is the way back")}.";
        }
        else if (!Modes.Contains(node.Mode))
        {
            yield return $"Its mode is {node.Mode}, of a plugin that this plan knows nothing of: whether it reaches nodes in {Hybrid} is for that plugin to say.";
        }

        if (node.Available is { } available && !available.Contains(mode))
        {
            yield return $"The mode {mode} is not installed there; install or enable the plugin routing-modes first.";
        }

        if (restarts)
        {
            yield return "Dawn:Hubs is read at the start, so write the settings first, and start it as it was started before. Calls that it makes or serves at that moment end as not-executed or outcome-unknown: do it when it is idle.";
        }

        if (isHub && mode != Decentralized)
        {
            if (!node.IsRelay)
            {
                yield return "It forwards nothing for others, so it is no hub. Set Dawn:Relay:Enabled to true there and restart it before the first step.";
            }

            if (node.Addresses.Count == 0)
            {
                yield return "It has no listener: nobody can dial it. Set Dawn:Listen there, and Dawn:Advertise where others reach it at another address.";
            }
        }

        if (!isHub && mode == Decentralized && node.Addresses.Count == 0)
        {
            yield return Unreachable(node);
        }

        if (!isHub && mode == Centralized && node.Hubs is { Count: > 0 } hubs && !hubs.Any(hub => node.Relays.Contains(IdOf(hub))))
        {
            yield return "It is linked to none of its hubs now, and would be reached by nobody. See 'dawn peers' and 'dawn logs' there first.";
        }
    }

    private string Unreachable(MigrationNode node)
    {
        var serving = node.Relays.Where(relay => _view.Nodes.Any(n => n.Node == relay && n.IsRelay && n.Mode is not null)).ToList();
        const string Cure = "give it a listener, or name a node that forwards in its Dawn:Bootstrap";
        return serving.Count == 0 ? $"It has no listener, and is linked to no relay that answers: nobody could reach it. First {Cure}."
            : serving.All(_hubs.Contains) ? $"It has no listener, and is reached over {And(serving)} alone. Keep {(serving.Count == 1 ? "that hub" : "one of these hubs")} running; before the last one goes, {Cure}."
            : $"It has no listener, and is reached over {And(serving)}: {(serving.Count == 1 ? "that node" : "one of them")} must run.";
    }

    private IEnumerable<string> Problems()
    {
        if (_to != Decentralized && _hubs.Count == 0)
        {
            yield return $"No node names a hub in Dawn:Hubs, and none is known that could be one: it needs a listener, and Dawn:Relay:Enabled. {(_to == Hybrid ? "Without a hub, hybrid does what decentralized does" : "Without a hub, nothing gets through")}.";
        }
        else if (_areProposed)
        {
            yield return $"No node names a hub in Dawn:Hubs. This plan takes {And(_hubs)}, which can be dialled and {(_hubs.Count == 1 ? "forwards" : "forward")}; write others into the settings of the steps if those are better.";
        }

        foreach (var hub in _hubs.Where(hub => _view.Nodes.All(n => n.Node != hub)))
        {
            yield return $"The hub {hub} is named by {And(_view.Nodes.Where(n => Names(n, hub)).Select(n => n.Node))}, and nothing else is known of it: start it, or take it out of Dawn:Hubs.";
        }

        foreach (var hub in _view.Nodes.SelectMany(n => n.Hubs ?? []).Where(hub => IdOf(hub) is null).Distinct())
        {
            yield return $"The hub at {hub} has never answered a node that names it: see 'dawn logs' there; its NodeId after '#' makes sure who it is.";
        }

        if (_to != Decentralized)
        {
            if (_hubs.Count == 1 && _to == Centralized)
            {
                yield return $"There is one hub, {_hubs[0]}: whenever it is away, nothing gets through. Name a second one in Dawn:Hubs, on a machine that fails apart.";
            }

            foreach (var (one, other) in Strangers())
            {
                yield return $"The hubs {one} and {other} don't name each other in Dawn:Hubs: nodes that are linked to one of them alone don't reach those of the other. Give all hubs the same list.";
            }
        }

        if (_view.Nodes.Count(n => n.Mode is null) is > 0 and var silent)
        {
            yield return $"{silent} {(silent == 1 ? "node" : "nodes")} did not answer. A node that sleeps through a whole migration wakes up in its old mode: change its settings, or do its steps when it is back.";
        }
    }

    private IEnumerable<(string One, string Other)> Strangers() =>
        from one in _view.Nodes.Where(n => _hubs.Contains(n.Node) && n.Hubs is not null && !LacksHubs(n))
        from other in _view.Nodes.Where(n => _hubs.Contains(n.Node) && n.Hubs is not null && !LacksHubs(n))
        where string.CompareOrdinal(one.Node, other.Node) < 0 && !Names(one, other.Node) && !Names(other, one.Node)
        select (one.Node, other.Node);

    // Whom most can be reached over already carries most of what hubs will carry.
    private static List<string> Proposed(MigrationView view) =>
    [
        .. view.Nodes.Where(n => n is { IsRelay: true, Addresses.Count: > 0, Mode: not null })
            .OrderByDescending(n => view.Nodes.Count(other => other.Relays.Contains(n.Node))).ThenBy(n => n.Node, StringComparer.Ordinal)
            .Take(ProposedHubs).Select(n => n.Node),
    ];

    private static bool Names(MigrationNode node, string hub) => node.Hubs?.Any(text => IdOf(text) == hub) ?? false;

    private static string? IdOf(string hub) => hub.IndexOf('#') is >= 0 and var hash ? hub[(hash + 1)..] : null;

    private static string And(IEnumerable<string> names) => string.Join(" and ", names);
}
