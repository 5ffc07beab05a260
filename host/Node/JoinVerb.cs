using Dawn.Agents;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Plugins;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Node;

/// <summary><c>dawn join</c>: redeems a ticket at its issuer and keeps the network in the data directory.</summary>
internal static class JoinVerb
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static async Task<int> RunAsync(JoinOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await JoinAsync(options, cancellationToken);
        }
        catch (StartException e)
        {
            throw new CommandException(e.Message, ExitCode.Usage);
        }
    }

    private static async Task<int> JoinAsync(JoinOptions options, CancellationToken cancellationToken)
    {
        var ticket = Ticket.TryParse(options.Ticket, out var problem) ?? throw new CommandException($"The ticket can't be used: {problem}. Copy the whole line that 'dawn invite' printed.", ExitCode.Usage);
        if (ticket.NotAfter <= TimeProvider.System.GetUtcNow())
        {
            throw new CommandException($"The ticket expired at {ticket.NotAfter:u}. Ask for a new one ('dawn invite').");
        }

        var configuration = DawnConfiguration.Build(options.Run.DataDirectory, options.Run.Settings);
        var problems = new List<string>();
        var settings = DawnConfiguration.Read(configuration, problems);
        if (problems.Count > 0)
        {
            throw new CommandException(string.Join("; ", problems), ExitCode.Usage);
        }

        using var directory = DataDirectory.Lock(settings.DataDirectory);
        var stored = NetworkStore.Load(directory);
        if (stored is not null && !options.Replace)
        {
            throw new CommandException(stored.Name == ticket.NetworkName
                ? $"{directory.Path} belongs to a network '{stored.Name}' already. Start it with 'dawn run'; to be let in anew, or into another network of the same name, add --replace."
                : $"{directory.Path} belongs to the network '{stored.Name}' already. To leave it for '{ticket.NetworkName}', add --replace; or name another directory with --data.");
        }

        NodeId? usedBy = stored is not null && NodeId.TryParse(stored.Node, out var node) ? node : null;
        using var key = KeyStore.LoadOrCreate(directory, usedBy, Entropy.System);
        var redemption = await RedeemAsync(ticket, key, settings, configuration, cancellationToken);
        if (stored is not null)
        {
            // What was left can be gone back to by hand.
            File.Move(directory.File(NetworkStore.FileName), directory.File($"network.{stored.Name}.json"), overwrite: true);
        }

        NetworkStore.Save(directory, Joining.Keep(ticket, key.Id, redemption));
        Console.WriteLine($"Node {key.Id} is now a {redemption.Role.ToString().ToLowerInvariant()} of the network '{redemption.NetworkName}'. Start it with: dawn run{(options.Run.DataDirectory is null ? "" : $" --data {directory.Path}")}");
        return ExitCode.Done;
    }

    private static async Task<Redemption> RedeemAsync(Ticket ticket, SigningKey key, DawnSettings settings, IConfigurationRoot configuration, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var time = TimeProvider.System;
        await using var plugins = new PluginHost(
            new PluginHostOptions(settings.PluginDirectory, WithAgents: false), new AgentHost(NullLogger<AgentHost>.Instance, time),
            new PluginSurroundings(configuration, NullLoggerFactory.Instance, time, new(NoAgents<IAgentDialer>), new(NoAgents<IAgentDirectory>)));
        await plugins.StartAsync(both.Token);
        var failures = new List<string>();
        try
        {
            if (await Joining.RedeemAsync(ticket, key, plugins.FindTransport, failures, Entropy.System, time, both.Token) is { } answer)
            {
                return Redemption.TryRead(answer, key.Id, time.GetUtcNow(), out var problem) ?? throw new CommandException($"The issuer did not let this node in: {problem}.");
            }
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            failures.Add($"no answer within {Patience.TotalSeconds:0} s");
        }

        throw new CommandException($"The issuer of the ticket could not be reached: {string.Join("; ", failures)}.");
    }

    private static T NoAgents<T>() => throw new InvalidOperationException("No agents run while a node joins.");
}
