using System.Buffers;
using Dawn.Identity;

namespace Dawn.Sessions;

/// <summary>Who is at the calling end of a channel: <c>node_id:agent_id</c> and what its certificate says.</summary>
/// <param name="Node">Proven by the session's handshake.</param>
/// <param name="Agent">Said by that node: an agent it hosts, or <see cref="AgentId.Owner"/> or <see cref="AgentId.Gateway"/>.</param>
/// <param name="Role">From the certificate.</param>
/// <param name="IsLocal">True where the call starts on this very node.</param>
/// <param name="IsSealed">False where the session carries it in the clear (encryption off at both ends); true for local calls.</param>
/// <param name="For">Whom an agent of this node says that it acts for, a caller from elsewhere: what policy keeps from either of the two, it keeps from both.</param>
internal sealed record Caller(NodeId Node, string Agent, CertificateRole Role, bool IsLocal, bool IsSealed = true, Caller? For = null)
{
    public AgentAddress Address => new(Node, Agent);
}

/// <summary>One received message; dispose to give its memory back to the pool, and don't touch it afterwards.</summary>
internal readonly struct MessageBuffer(byte[] rented, int length) : IDisposable
{
    public ReadOnlyMemory<byte> Memory => rented.AsMemory(0, length);

    public ReadOnlySpan<byte> Span => rented.AsSpan(0, length);

    public static MessageBuffer CopyOf(ReadOnlySpan<byte> message)
    {
        var rented = ArrayPool<byte>.Shared.Rent(Math.Max(1, message.Length));
        message.CopyTo(rented);
        return new(rented, message.Length);
    }

    public void Dispose()
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}

/// <summary>
/// One MCP conversation between a caller and an agent: an ordered stream of whole messages in both directions, each one JSON-RPC message in UTF-8.
/// Within a session it crosses the network; <see cref="LocalChannel"/> stays in the process.
/// </summary>
/// <remarks>Any number of senders, whose messages never mix, and one receiver at a time; sending, receiving and closing may run side by side.</remarks>
internal abstract class MeshChannel : IAsyncDisposable
{
    /// <summary>Bytes in the longest message: what a JSON-RPC message with a large embedded resource may need, and what memory allows to assemble.</summary>
    public const int MaxMessage = 64 * 1024 * 1024;

    /// <summary>Sends one message and waits only for room in the window, never for the other end to read it.</summary>
    /// <returns>The message's number in this direction, from 0.</returns>
    /// <exception cref="MeshException">The channel is closed or broke.</exception>
    /// <exception cref="ArgumentException">The message is longer than <see cref="MaxMessage"/>.</exception>
    public abstract ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken);

    /// <summary>Waits for the next message.</summary>
    /// <returns>Null once the other end has closed the channel and everything before was read.</returns>
    /// <exception cref="MeshException">The channel was refused or broke; <see cref="MeshException.Error"/> says how.</exception>
    public abstract ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken);

    /// <summary>
    /// True where any byte of that message may have reached the other end, or may still: what was queued when this end closed leaves all the same.
    /// False once the channel is closed or broken means that it was surely not executed.
    /// </summary>
    public abstract bool WasTransmitted(long messageNumber);

    /// <summary>Closes both directions and tells the other end; a second close does nothing.</summary>
    public abstract ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null);

    public ValueTask DisposeAsync() => CloseAsync();
}
