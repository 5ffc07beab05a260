using System.Net.Sockets;
using System.Text.Json;
using Dawn.Gateway;

namespace Dawn.Commands;

/// <summary>The conversation did not come about, or broke.</summary>
/// <param name="code">A word of <see cref="ControlCode"/>, <see cref="NoNode"/> or <see cref="Closed"/>.</param>
internal sealed class ControlException(string code, string message, long? transmitted = null) : Exception(message)
{
    public const string NoNode = "no-node";

    /// <summary>The other end closed without a word.</summary>
    public const string Closed = "closed";

    public string Code { get; } = code;

    /// <summary>So many of our messages may have reached the agent; null where nobody said.</summary>
    public long? Transmitted { get; } = transmitted;
}

/// <summary>A program's end of the control socket: opened to one agent or to all of them, then lines of JSON-RPC.</summary>
internal sealed class ControlClient : IAsyncDisposable
{
    private const int MaxAnswer = 64 * 1024;

    private ControlClient(ControlSocketLines lines, string opened) => (Lines, Opened) = (lines, opened);

    /// <summary>Messages, both ways. A line that <see cref="ControlEnd.TryRead"/> knows is the last, and the node's own.</summary>
    public ControlSocketLines Lines { get; }

    /// <summary>The agent's full address; empty for the aggregate.</summary>
    public string Opened { get; }

    /// <param name="open">An address as people write it; empty for the aggregate of all agents.</param>
    /// <param name="caller"><c>owner</c> or <c>gateway</c>.</param>
    /// <exception cref="ControlException">No node runs there, or it has no such agent.</exception>
    public static async Task<ControlClient> OpenAsync(string dataDirectory, string open, string caller, CancellationToken cancellationToken)
    {
        var lines = new ControlSocketLines(await ConnectAsync(dataDirectory, cancellationToken));
        try
        {
            await AskAsync(lines, new(1, open, caller), cancellationToken);
            var line = await lines.ReadAsync(MaxAnswer, cancellationToken) ?? throw new ControlException(ControlException.Closed, "The node closed the control socket at once; see its log.");
            var answer = JsonSerializer.Deserialize(line.Span, ControlJson.Default.ControlAnswer);
            return answer?.Opened is { } opened
                ? new(lines, opened)
                : throw new ControlException(answer?.Code ?? ControlCode.BadRequest, answer?.Error ?? "The node's answer on the control socket is not understood; use the 'dawn' program of that node.");
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidDataException)
        {
            await lines.DisposeAsync();
            throw new ControlException(ControlException.Closed, $"The control socket of {dataDirectory} broke: {e.Message}");
        }
        catch
        {
            await lines.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => Lines.DisposeAsync();

    private static async Task AskAsync(ControlSocketLines lines, ControlRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await lines.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.ControlRequest), cancellationToken);
        }
        catch (IOException)
        {
            // A node that is full answers before it is asked, and closes: its reason is still there to be read.
        }
    }

    private static async Task<NetworkStream> ConnectAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(ControlSocketPath.Find(dataDirectory)), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or SocketException { SocketErrorCode: SocketError.AccessDenied })
        {
            socket.Dispose();
            throw new ControlException(ControlException.NoNode, $"The control socket of {dataDirectory} belongs to another user; run 'dawn' as that user.");
        }
        catch (Exception e) when (e is SocketException or IOException or ArgumentException)
        {
            // Nothing there, nobody listening, or a path too long for any socket: all the same to whoever asks.
            socket.Dispose();
            throw new ControlException(ControlException.NoNode, $"no node is running on {dataDirectory}; start one with 'dawn run' or name its directory with --data");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
