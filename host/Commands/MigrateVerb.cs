using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Dawn.Identity;

namespace Dawn.Commands;

/// <summary><c>dawn migrate --plan</c>: how to bring the whole network to another routing mode. It asks every known node, and changes none.</summary>
internal static class MigrateVerb
{
    private const int AtOnce = 8;
    private const int Page = 500;

    // Beyond, nobody follows a plan node by node.
    private const int MaxAsked = 1000;

    // What the node itself takes at most to find a way.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static Command Create(VerbFactory factory)
    {
        var plan = new Option<bool>("--plan") { Description = "Print the steps. There is no other way: the steps are yours to take." };
        var to = new Option<string?>("--to") { Description = "The mode to come to; without it, the one that usually follows: hybrid from centralized and from decentralized, decentralized from hybrid." };
        to.AcceptOnlyFromAmong([.. Migration.Modes]);
        var command = factory.Create("migrate", """
            Prints the steps that bring the network to another routing mode without losing a call: on which node, which commands, what could go wrong, and the way back. It changes nothing.

            Example:
              dawn migrate --plan --to decentralized
            """, true, async (verb, cancellationToken) =>
        {
            if (!verb.Parsed.GetValue(plan))
            {
                throw new CommandException("'dawn migrate' changes nothing by itself; 'dawn migrate --plan' prints the steps to take.", ExitCode.Usage);
            }

            var view = await verb.WithinTimeoutAsync(ct => LookAsync(verb, ct), cancellationToken);
            var made = Migration.Plan(view, verb.Parsed.GetValue(to) ?? Migration.Next(view.Nodes.First(n => n.Node == view.Self).Mode ?? ""));
            if (verb.IsJson)
            {
                verb.Terminal.Out.WriteLine(JsonSerializer.Serialize(made, MigrationJson.Default.MigrationPlan));
            }
            else
            {
                Print(verb.Terminal.Out, made, view);
            }

            return ExitCode.Done;
        });
        command.Add(plan);
        command.Add(to);
        return command;
    }

    private static async Task<MigrationView> LookAsync(Verb verb, CancellationToken cancellationToken)
    {
        await using var node = await NodeClient.OpenAsync(verb, cancellationToken);
        var status = await node.CallAsync("status", null, cancellationToken);
        var mode = await node.CallAsync("mode", null, cancellationToken);
        var self = status.Text("node");
        var records = await RecordsAsync(node, cancellationToken);
        // Of itself a node knows more than its record says, which it may not have published yet.
        var own = records.FirstOrDefault(r => r.Node == self);
        var nodes = new List<MigrationNode> { Answered(new(self, [.. status.Texts("listen")], own?.IsRelay ?? true, own?.Relays ?? []), mode) };
        using var turns = new SemaphoreSlim(AtOnce);
        nodes.AddRange(await Task.WhenAll(records.Where(r => r.Node != self).Select((record, i) => i < MaxAsked
            ? AskAsync(verb, record, turns, cancellationToken)
            : Task.FromResult(record with { Silence = $"no more than {MaxAsked} are asked" }))));
        return new(self, nodes);
    }

    private static async Task<List<MigrationNode>> RecordsAsync(NodeClient node, CancellationToken cancellationToken)
    {
        var records = new List<MigrationNode>();
        var after = "";
        JsonElement page;
        do
        {
            page = await node.CallAsync("registry_records", new() { ["after"] = after, ["limit"] = Page }, cancellationToken);
            records.AddRange(page.List("records")
                // What has no agent 'node' is no program like this one, and has no mode.
                .Where(r => r.Texts("agents").Contains(AgentId.Node))
                .Select(r => new MigrationNode(r.Text("node"), [.. r.Texts("addresses")], r.Flag("isRelay"), [.. r.Texts("relays")])));
            after = page.Text("next");
        }
        while (page.Flag("hasMore"));
        return records;
    }

    private static async Task<MigrationNode> AskAsync(Verb verb, MigrationNode record, SemaphoreSlim turns, CancellationToken cancellationToken)
    {
        await turns.WaitAsync(cancellationToken);
        using var timer = new CancellationTokenSource(Patience, verb.Terminal.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            await using var node = await NodeClient.OpenAsync(verb, either.Token, $"{record.Node}:{AgentId.Node}");
            return Answered(record, await node.CallAsync("mode", null, either.Token));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return record with { Silence = $"no answer within {Patience.TotalSeconds:0} s" };
        }
        catch (Exception e) when (e is ControlException or RpcException or CommandException)
        {
            return record with { Silence = Terminal.OneLine(e.Message).TrimEnd('.') };
        }
        finally
        {
            turns.Release();
        }
    }

    private static MigrationNode Answered(MigrationNode node, JsonElement mode) =>
        node with { Mode = mode.Text("mode"), Available = [.. mode.Texts("available")], Hubs = [.. mode.Texts("hubs")] };

    private static void Print(TextWriter to, MigrationPlan plan, MigrationView view)
    {
        to.WriteLine(plan.Steps.Count == 0
            ? $"Nothing to do: all {view.Nodes.Count} nodes are {plan.To}."
            : $"To {plan.To}, from {plan.From} on this node: {plan.Steps.Count} {(plan.Steps.Count == 1 ? "step" : "steps, one after the other")}. Nothing has been changed.");
        foreach (var problem in plan.Problems)
        {
            to.WriteLine($"before: {Terminal.OneLine(problem)}");
        }

        MigrationStep? last = null;
        foreach (var step in plan.Steps)
        {
            if (last is not null && last.Mode != step.Mode)
            {
                to.WriteLine();
                to.WriteLine($"Go on when every node is {last.Mode}: 'dawn migrate --plan --to {plan.To}' then has no step of {last.Mode} left.");
            }

            Print(to, step, last, view);
            last = step;
        }

        if (plan.Steps.Count > 0)
        {
            to.WriteLine();
            to.WriteLine("To go back, undo the steps from the last one done to the first.");
        }
    }

    private static void Print(TextWriter to, MigrationStep step, MigrationStep? last, MigrationView view)
    {
        var where = step.Node == view.Self ? "this node" : view.Nodes.First(n => n.Node == step.Node).Addresses is [var first, ..] ? first : "no listener";
        to.WriteLine();
        to.WriteLine($"{step.Number}. {step.Mode}{(step.IsHub ? ", a hub" : "")}: on {step.Node} ({Terminal.OneLine(where)})");
        if (step.Restarts)
        {
            Line("settings", Text(step.Settings));
        }

        foreach (var command in step.Commands)
        {
            to.WriteLine($"     {command}");
        }

        if (!step.Restarts)
        {
            Line("settings", Text(step.Settings));
        }

        if (step.Remote is { } remote)
        {
            Line("or here", remote);
        }

        // Said once for all that follow.
        if (last?.Changes != step.Changes)
        {
            Line("changes", step.Changes);
        }

        foreach (var risk in step.Risks)
        {
            Line("risk", risk);
        }

        foreach (var back in step.Back)
        {
            Line("back", $"{back}   {(step.BackSettings is { } settings ? Text(settings) : "")}".TrimEnd());
        }

        void Line(string name, string text) => to.WriteLine($"     {name,-10}{Terminal.OneLine(text)}");
    }

    private static string Text(JsonObject settings) => JsonSerializer.Serialize(settings, ConversationJson.Default.JsonObject);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MigrationPlan))]
internal sealed partial class MigrationJson : JsonSerializerContext;
