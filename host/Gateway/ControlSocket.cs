using System.Net.Sockets;
using System.Text.Json;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>
/// The way in for programs of this node's owner: a Unix domain socket in the data directory, mode 0600.
/// A client names an agent in one line, and then speaks MCP with it, one message a line, verbatim.
/// </summary>
/// <param name="aggregate">Serves a conversation with all agents as one; given the transport and the caller's agent id.</param>
/// <remarks>Who can open the socket is the owner. A client may ask for less (<c>as: gateway</c>), so that an AI client has no admin rights unless its user wants it.</remarks>
internal sealed partial class ControlSocket(
    string dataDirectory,
    IAgentDirectory directory,
    IAgentDialer dialer,
    Func<ITransport, string, CancellationToken, Task> aggregate,
    TimeProvider time,
    ILogger<ControlSocket> logger) : IHostedService, IAsyncDisposable
{
    // A desktop full of AI clients and a few loops of scripts; each may hold messages of 64 MiB.
    public const int MaxConnections = 64;

    private const int MaxFirstLine = 4096;
    private static readonly TimeSpan FirstLineTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan DialTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan GoodbyeTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly HashSet<Task> _connections = [];
    private Socket? _listener;
    private Task _accepting = Task.CompletedTask;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _listener = await ControlSocketPath.ListenAsync(dataDirectory, MaxConnections, cancellationToken);
        _accepting = Task.Run(() => AcceptAsync(_listener), CancellationToken.None);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        if (_listener is null)
        {
            return;
        }

        _listener.Dispose();
        await _accepting;
        Task[] open;
        lock (_connections)
        {
            open = [.. _connections];
        }

        try
        {
            await Task.WhenAll(open).WaitAsync(StopTimeout, time, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            LogSlowStop(open.Count(c => !c.IsCompleted));
        }

        _listener = null;
        ControlSocketPath.Remove(dataDirectory);
    }

    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None);

    private async Task AcceptAsync(Socket listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(_stopping.Token);
            }
            catch (Exception e) when (_stopping.IsCancellationRequested && e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Out of file descriptors, as a rule: others give some back in time.
                LogAcceptFailed(e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100), time, CancellationToken.None);
                continue;
            }

            lock (_connections)
            {
                var isFull = _connections.Count >= MaxConnections;
                var connection = Task.Run(() => ServeAsync(socket, isFull), CancellationToken.None);
                if (!isFull)
                {
                    _connections.Add(connection);
                    _ = connection.ContinueWith(Forget, TaskScheduler.Default);
                }
            }
        }
    }

    private void Forget(Task connection)
    {
        lock (_connections)
        {
            _connections.Remove(connection);
        }
    }

    private async Task ServeAsync(Socket socket, bool isFull)
    {
        await using var lines = new ControlSocketLines(new NetworkStream(socket, ownsSocket: true));
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            using var timer = new CancellationTokenSource(FirstLineTimeout, time);
            await using var _ = timer.Token.Register(deadline.Cancel);
            if (isFull)
            {
                await AnswerAsync(lines, new(Error: $"{MaxConnections} conversations are open on the control socket already; end one and try again.", Code: ControlCode.Limit), deadline.Token);
                return;
            }

            var request = await ReadRequestAsync(lines, deadline.Token);
            if (request is not null)
            {
                timer.Dispose();
                await OpenAsync(lines, request, _stopping.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The client left, was silent for too long, or the node stops: nobody is there to be told.
            LogEnded(e.Message);
        }
        catch (Exception e)
        {
            LogFailed(e);
        }
    }

    private async Task<ControlRequest?> ReadRequestAsync(ControlSocketLines lines, CancellationToken cancellationToken)
    {
        string problem;
        try
        {
            if (await lines.ReadAsync(MaxFirstLine, cancellationToken) is not { } line)
            {
                return null;
            }

            var request = JsonSerializer.Deserialize(line.Span, ControlJson.Default.ControlRequest);
            if (request is { Dawn: 1, Open: not null, As: AgentId.Owner or AgentId.Gateway })
            {
                return request;
            }

            problem = request is { Dawn: not 1 } ? $"The control socket speaks version 1, not {request.Dawn}; use the 'dawn' program of the running node." : "The first line needs dawn, open, and as (owner or gateway).";
        }
        catch (JsonException)
        {
            problem = """The first line is not {"dawn":1,"open":"address","as":"owner"}.""";
        }
        catch (InvalidDataException)
        {
            problem = $"The first line is longer than {MaxFirstLine} bytes.";
        }

        await AnswerAsync(lines, new(Error: problem, Code: ControlCode.BadRequest), cancellationToken);
        return null;
    }

    private async Task OpenAsync(ControlSocketLines lines, ControlRequest request, CancellationToken cancellationToken)
    {
        if (request.Open!.Length == 0)
        {
            await AnswerAsync(lines, new(Opened: ""), cancellationToken);
            await using var transport = new ControlSocketTransport("control socket", lines);
            await aggregate(transport, request.As!, cancellationToken);
            return;
        }

        MeshChannel channel;
        AgentAddress address;
        try
        {
            address = directory.Resolve(request.Open);
            using var timer = new CancellationTokenSource(DialTimeout, time);
            using var dialling = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
            try
            {
                channel = await dialer.DialAsync(address, request.As!, dialling.Token);
            }
            catch (OperationCanceledException) when (timer.IsCancellationRequested)
            {
                throw new MeshException(MeshError.Unreachable, $"{address} did not answer within {DialTimeout.TotalSeconds} s; see 'dawn peers'.");
            }
        }
        catch (MeshException e)
        {
            await AnswerAsync(lines, new(Error: e.Message, Code: ControlCode.Of(e.Error)), cancellationToken);
            return;
        }

        await using (channel)
        {
            await AnswerAsync(lines, new(Opened: address.ToString()), cancellationToken);
            await new Splice(lines, channel, time).RunAsync(cancellationToken);
        }
    }

    private static ValueTask AnswerAsync(ControlSocketLines lines, ControlAnswer answer, CancellationToken cancellationToken) =>
        lines.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer, ControlJson.Default.ControlAnswer), cancellationToken);

    [LoggerMessage(LogLevel.Warning, "The control socket could not accept a client: {Reason}")]
    private partial void LogAcceptFailed(string reason);

    [LoggerMessage(LogLevel.Debug, "A client of the control socket is gone: {Reason}")]
    private partial void LogEnded(string reason);

    [LoggerMessage(LogLevel.Error, "A conversation over the control socket failed")]
    private partial void LogFailed(Exception e);

    [LoggerMessage(LogLevel.Warning, "{Count} conversations over the control socket did not end in time")]
    private partial void LogSlowStop(int count);

    /// <summary>Joins a client's lines and a channel until either ends.</summary>
    private sealed class Splice(ControlSocketLines lines, MeshChannel channel, TimeProvider time)
    {
        // Messages handed to the channel, the one that is being sent included.
        private long _handed;

        public async Task RunAsync(CancellationToken stopping)
        {
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var (up, down) = (UpAsync(ended.Token), DownAsync(ended.Token));
            var first = await Task.WhenAny(up, down);
            try
            {
                await first;
            }
            catch (MeshException e)
            {
                await EndAsync(e.Message, ControlCode.Of(e.Error));
            }
            catch (InvalidDataException e)
            {
                await EndAsync(e.Message, ControlCode.Limit);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                await EndAsync("The node is stopping.", ControlCode.Of(MeshError.Stopping));
            }
            finally
            {
                await ended.CancelAsync();
                await channel.CloseAsync();
                await Task.WhenAll(up, down).ContinueWith(t => t.Exception?.Handle(_ => true), TaskScheduler.Default);
            }
        }

        private async Task UpAsync(CancellationToken cancellationToken)
        {
            while (await lines.ReadAsync(MeshChannel.MaxMessage, cancellationToken) is { } line)
            {
                Interlocked.Increment(ref _handed);
                await channel.SendAsync(line, cancellationToken);
            }
        }

        private async Task DownAsync(CancellationToken cancellationToken)
        {
            while (await channel.ReceiveAsync(cancellationToken) is { } message)
            {
                using (message)
                {
                    if (ControlEnd.Resembles(message.Span))
                    {
                        throw new MeshException(MeshError.Protocol, "The agent sent something that is not JSON-RPC.");
                    }

                    await lines.WriteAsync(message.Memory, cancellationToken);
                }
            }
        }

        // Not under the token that stops the node: why a conversation ends is said also, and most of all, then.
        private async Task EndAsync(string error, string code)
        {
            using var timer = new CancellationTokenSource(GoodbyeTimeout, time);
            var transmitted = Interlocked.Read(ref _handed);
            while (transmitted > 0 && !channel.WasTransmitted(transmitted - 1))
            {
                transmitted--;
            }

            await lines.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new ControlEnd(1, error, code, transmitted), ControlJson.Default.ControlEnd), timer.Token);
        }
    }
}
