using Dawn.Identity;
using Dawn.Sessions;
using Dawn.Telemetry;

namespace Dawn.Agents;

/// <summary>Hosts the node's agents and hands each conversation to the one it is meant for, as far as that agent's policy allows.</summary>
internal sealed partial class AgentHost(ILogger<AgentHost> logger, TimeProvider time) : IAgentHost, IChannelAcceptor, IAsyncDisposable
{
    /// <summary>Conversations of one agent: several for each client of a busy gateway.</summary>
    public const int MaxPerAgent = 256;

    /// <summary>Conversations that one other node may have here: half of what its session could open.</summary>
    public const int MaxPerNode = 512;

    // What an agent gets to end its conversations, and then to end itself; whoever needs longer is left behind.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Hosting> _hostings = new(StringComparer.Ordinal);
    private readonly Dictionary<NodeId, int> _perNode = [];
    private bool _stopping;

    public event Action? Changed;

    public IReadOnlyList<IHostedAgent> Agents
    {
        get
        {
            lock (_gate)
            {
                return [.. _hostings.Values.Select(hosting => hosting.Agent).OrderBy(agent => agent.Id, StringComparer.Ordinal)];
            }
        }
    }

    public bool TryAdd(IHostedAgent agent)
    {
        if (!AgentId.IsValid(agent.Id))
        {
            throw new ArgumentException($"'{agent.Id}' is no name of an agent: a-z, 0-9 and -, at most {AgentId.MaxLength} characters, not - first.", nameof(agent));
        }

        if (agent.Id != AgentId.Node && AgentId.WhyReserved(agent.Id) is { } reason)
        {
            throw new ArgumentException($"'{agent.Id}' is reserved: {reason}. Give the agent another name.", nameof(agent));
        }

        lock (_gate)
        {
            if (_stopping || !_hostings.TryAdd(agent.Id, new(agent)))
            {
                return false;
            }
        }

        agent.Changed += RaiseChanged;
        RaiseChanged();
        return true;
    }

    public async ValueTask RemoveAsync(IHostedAgent agent)
    {
        Hosting? hosting;
        Task[] conversations;
        lock (_gate)
        {
            if (!_hostings.TryGetValue(agent.Id, out hosting) || hosting.Agent != agent)
            {
                return;
            }

            _hostings.Remove(agent.Id);
            conversations = [.. hosting.Conversations];
        }

        agent.Changed -= RaiseChanged;
        await hosting.Removed.CancelAsync();
        if (!await EndsInTimeAsync(Task.WhenAll(conversations)))
        {
            LogSlowConversations(agent.Id, Patience.TotalSeconds);
        }

        if (!await EndsInTimeAsync(DisposeAsync(agent)))
        {
            LogSlowDispose(agent.Id, Patience.TotalSeconds);
        }

        RaiseChanged();
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _stopping = true;
        }

        await Task.WhenAll(Agents.Select(agent => RemoveAsync(agent).AsTask()));
    }

    public Task AcceptAsync(string agent, MeshChannel channel, Caller caller)
    {
        Hosting? hosting;
        var serving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (Refusal(agent, caller, out hosting) is { } refusal)
            {
                LogRefused(agent, caller.Address, refusal.Message);
                return channel.CloseAsync(refusal.Error, BoundedText.Cut(refusal.Message, BoundedText.MaxReason)).AsTask();
            }

            hosting!.Conversations.Add(serving.Task);
            if (!caller.IsLocal)
            {
                _perNode[caller.Node] = _perNode.GetValueOrDefault(caller.Node) + 1;
            }
        }

        _ = Task.Run(async () =>
        {
            try
            {
                await ServeAsync(hosting, channel, caller);
            }
            finally
            {
                Forget(hosting, serving.Task, caller);
                serving.SetResult();
            }
        });
        return serving.Task;
    }

    private async Task ServeAsync(Hosting hosting, MeshChannel channel, Caller caller)
    {
        var agent = hosting.Agent;
        var (error, reason) = (MeshError.None, (string?)null);
        // Spans outside of the filter, which judges what the caller itself sent.
        channel = TracedChannel.OfAgent(ToolFilter.Wrap(channel, agent.Policy, caller, agent.PolicySetting), agent.Id, caller);
        try
        {
            await agent.ServeAsync(channel, caller, hosting.Removed.Token);
            (error, reason) = hosting.Removed.IsCancellationRequested ? Stopped(agent) : (error, reason);
        }
        catch (Exception) when (hosting.Removed.IsCancellationRequested)
        {
            // However the conversation ended: it was told to.
            (error, reason) = Stopped(agent);
        }
        catch (MeshException e)
        {
            (error, reason) = (e.Error, e.Message);
            LogEnded(agent.Id, caller.Address, e.Error, e.Message);
        }
        catch (Exception e)
        {
            // Not AgentUnavailable, which says that nothing was executed.
            (error, reason) = (MeshError.Lost, $"The agent '{agent.Id}' failed: {e.Message}");
            LogFailed(agent.Id, caller.Address, e);
        }

        try
        {
            await channel.CloseAsync(error, reason is null ? null : BoundedText.Cut(reason, BoundedText.MaxReason));
        }
        catch (MeshException e)
        {
            // The session under the channel is gone, and with it whom to tell.
            LogEnded(agent.Id, caller.Address, e.Error, e.Message);
        }
    }

    /// <summary>Why this conversation can't begin; null where it can. Called under the lock.</summary>
    private MeshException? Refusal(string id, Caller caller, out Hosting? hosting)
    {
        if (_stopping)
        {
            hosting = null;
            return new(MeshError.Stopping, "The node is stopping.");
        }

        if (!_hostings.TryGetValue(id, out hosting))
        {
            var open = _hostings.Values.Select(one => one.Agent).Where(one => one.Policy.Allows(caller)).Select(one => one.Id).Order(StringComparer.Ordinal).ToArray();
            return new(MeshError.UnknownAgent, $"No agent '{BoundedText.Cut(id, AgentId.MaxLength)}' here; {(open is [] ? "none is open to you." : "there are: " + string.Join(", ", open))}");
        }

        var agent = hosting.Agent;
        if (!agent.Policy.Allows(caller))
        {
            return new(MeshError.Refused, $"The agent '{id}' is not open to you ({(caller.For ?? caller).Node.ToShortString()}…, {(caller.For ?? caller).Role}); its node's owner can change that in {agent.PolicySetting}.");
        }

        if (agent.Card is null)
        {
            return new(MeshError.AgentUnavailable, $"The agent '{id}' is not running: {agent.Problem ?? "it is starting; try again in a moment"}");
        }

        if (hosting.Conversations.Count >= MaxPerAgent)
        {
            return new(MeshError.Limit, $"The agent '{id}' has {MaxPerAgent} conversations already, the most it may have; end some.");
        }

        return !caller.IsLocal && _perNode.GetValueOrDefault(caller.Node) >= MaxPerNode
            ? new(MeshError.Limit, $"Your node has {MaxPerNode} conversations with this one already, the most it may have; end some.")
            : null;
    }

    private void Forget(Hosting hosting, Task conversation, Caller caller)
    {
        lock (_gate)
        {
            hosting.Conversations.Remove(conversation);
            if (!caller.IsLocal && (_perNode[caller.Node] -= 1) == 0)
            {
                _perNode.Remove(caller.Node);
            }
        }
    }

    private async Task<bool> EndsInTimeAsync(Task task)
    {
        try
        {
            await task.WaitAsync(Patience, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private async Task DisposeAsync(IHostedAgent agent)
    {
        try
        {
            await agent.DisposeAsync();
        }
        catch (Exception e)
        {
            // An agent's own code: it must not keep the host from going on.
            LogDisposeFailed(agent.Id, e);
        }
    }

    private void RaiseChanged() => Changed?.Invoke();

    private (MeshError, string?) Stopped(IHostedAgent agent) => (MeshError.Stopping, Volatile.Read(ref _stopping) ? "The node is stopping." : $"The agent '{agent.Id}' was stopped.");

    [LoggerMessage(LogLevel.Debug, "{Caller} was not let in to agent {Agent}: {Reason}")]
    private partial void LogRefused(string agent, AgentAddress caller, string reason);

    [LoggerMessage(LogLevel.Debug, "The conversation of {Caller} with agent {Agent} ended with {Error}: {Reason}")]
    private partial void LogEnded(string agent, AgentAddress caller, MeshError error, string reason);

    [LoggerMessage(LogLevel.Warning, "The conversation of {Caller} with agent {Agent} failed")]
    private partial void LogFailed(string agent, AgentAddress caller, Exception exception);

    [LoggerMessage(LogLevel.Warning, "Conversations of agent {Agent} had not ended {Seconds} s after it was taken out; they are left behind")]
    private partial void LogSlowConversations(string agent, double seconds);

    [LoggerMessage(LogLevel.Warning, "Agent {Agent} had not stopped {Seconds} s after it was told to; it is left behind")]
    private partial void LogSlowDispose(string agent, double seconds);

    [LoggerMessage(LogLevel.Warning, "Agent {Agent} failed while it stopped")]
    private partial void LogDisposeFailed(string agent, Exception exception);

    private sealed record Hosting(IHostedAgent Agent)
    {
        public CancellationTokenSource Removed { get; } = new();

        public HashSet<Task> Conversations { get; } = [];
    }
}
