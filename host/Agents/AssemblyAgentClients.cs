using System.Security.Claims;
using Dawn.Sessions;
using Dawn.Telemetry;
using ModelContextProtocol;
using ModelContextProtocol.Client;

namespace Dawn.Agents;

/// <summary>What lets an agent call others: an MCP client for any address, as that agent. Disposal ends the conversations that it left open.</summary>
internal sealed class AssemblyAgentClients(string agent, Lazy<IAgentDialer> dialer, Lazy<IAgentDirectory> directory, ILoggerFactory loggers) : IAsyncDisposable
{
    // An agent that opens clients and forgets them would otherwise take the session's channels from all others.
    private const int MaxOpen = 256;

    private readonly HashSet<MeshChannel> _open = [];
    private bool _disposed;

    /// <exception cref="McpException">No such agent, or no way to it. An agent that lets it through thereby tells its caller, in the words meant for people.</exception>
    public Task<McpClient> DialAsync(string address, CancellationToken cancellationToken) => DialCoreAsync(address, null, cancellationToken);

    /// <summary>The same for somebody who called the agent: reaches what both may call.</summary>
    /// <exception cref="McpException">As above, or that caller may not.</exception>
    public Task<McpClient> DialForAsync(string address, ClaimsPrincipal caller, CancellationToken cancellationToken) =>
        DialCoreAsync(address, AssemblyAgent.CallerOf(caller) ?? throw new ArgumentException("That is nobody whom the network knows: pass on the ClaimsPrincipal that a method got.", nameof(caller)), cancellationToken);

    private async Task<McpClient> DialCoreAsync(string address, Caller? behalf, CancellationToken cancellationToken)
    {
        try
        {
            var target = directory.Value.Resolve(address);
            var channel = behalf is null ? dialer.Value.DialAsync(target, agent, cancellationToken) : dialer.Value.DialForAsync(target, agent, behalf, cancellationToken);
            return await OpenAsync(address, TracedChannel.OfCaller(await channel, target), cancellationToken);
        }
        catch (MeshException e)
        {
            throw new McpException($"{address}: {e.Message}", e);
        }
    }

    private async Task<McpClient> OpenAsync(string address, MeshChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            Add(channel);
            var client = await McpClient.CreateAsync(
                new ChannelClientTransport(address, channel), new() { ClientInfo = new() { Name = agent, Version = "1" } }, loggers, cancellationToken);
            _ = client.Completion.ContinueWith(
                (_, state) => Remove((MeshChannel)state!), channel, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            return client;
        }
        catch
        {
            Remove(channel);
            await channel.CloseAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        MeshChannel[] left;
        lock (_open)
        {
            _disposed = true;
            left = [.. _open];
            _open.Clear();
        }

        foreach (var channel in left)
        {
            await channel.CloseAsync(MeshError.Stopping, $"{agent} is stopping.");
        }
    }

    private void Add(MeshChannel channel)
    {
        lock (_open)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_open.Count >= MaxOpen)
            {
                throw new MeshException(MeshError.Limit, $"{agent} has {MaxOpen} clients open: dispose each McpClient after use.");
            }

            _open.Add(channel);
        }
    }

    private void Remove(MeshChannel channel)
    {
        lock (_open)
        {
            _open.Remove(channel);
        }
    }
}
