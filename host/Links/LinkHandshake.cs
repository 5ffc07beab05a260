using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Noise;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Links;

/// <summary>The tickets of this node that can be redeemed now. Thread-safe.</summary>
internal interface ITicketPsks
{
    /// <summary>Writes the PSK (32 bytes) of a ticket; false for tickets that are unknown, spent or expired.</summary>
    bool TryGetPsk(ReadOnlySpan<byte> ticketId, Span<byte> psk);
}

/// <summary>What a newcomer has of a ticket: its id (16 bytes), and the PSK (32 bytes) that comes from its secret.</summary>
internal sealed record TicketKey(ReadOnlyMemory<byte> Id, ReadOnlyMemory<byte> Psk);

/// <summary>Who is at the other end of a connection, and the keys; null keys where both ends have turned encryption off.</summary>
internal sealed record LinkPeer(NodeId Remote, Certificate? Certificate, Aead? Send, Aead? Receive, ReadOnlyMemory<byte>? TicketId = null)
{
    /// <summary>For the handshakes that follow on the link; null on a ticket's link, which lives too briefly for any.</summary>
    public HandshakeOrigin? Origin { get; init; }
}

/// <summary>From a bare connection to a proven peer: hellos, then the handshake, within one deadline.</summary>
/// <remarks>Both sides throw <see cref="HandshakeException"/> and leave the connection to the caller, who ends it without a word.</remarks>
internal sealed class LinkHandshake(INodeIdentity identity, StaticKey staticKey, LinkOptions options, Entropy entropy, TimeProvider time, ITicketPsks? tickets = null)
{
    /// <param name="expected">Who must answer; null takes any member.</param>
    /// <param name="ticket">For a newcomer, who must say whom it expects.</param>
    public Task<LinkPeer> DialAsync(ConnectionContext connection, NodeId? expected, TicketKey? ticket, CancellationToken cancellationToken) =>
        WithinDeadlineAsync(token => DialCoreAsync(connection.Transport, expected, ticket, token), cancellationToken);

    public Task<LinkPeer> AcceptAsync(ConnectionContext connection, CancellationToken cancellationToken) =>
        WithinDeadlineAsync(token => AcceptCoreAsync(connection.Transport, token), cancellationToken);

    private async Task<LinkPeer> WithinDeadlineAsync(Func<CancellationToken, Task<LinkPeer>> run, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.HandshakeTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await run(both.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new HandshakeException(HandshakeFault.Timeout, $"it did not finish the handshake within {options.HandshakeTimeout.TotalSeconds:0.#} s");
        }
        catch (Exception e) when (e is IOException or SocketException or ConnectionAbortedException or InvalidOperationException && !cancellationToken.IsCancellationRequested)
        {
            // Whatever a transport throws for a connection that broke; InvalidOperationException is a pipe's word for one that was completed.
            throw new HandshakeException(HandshakeFault.Closed, $"the connection broke: {e.Message}", e);
        }
    }

    private async Task<LinkPeer> DialCoreAsync(IDuplexPipe pipe, NodeId? expected, TicketKey? ticket, CancellationToken cancellationToken)
    {
        var ours = Hello.Create(options.Encryption, ticket?.Id, entropy);
        await pipe.Output.WriteAsync(ours.Encoded, cancellationToken);
        var theirs = await ReadHelloAsync(pipe.Input, cancellationToken);
        var agreement = Agree(theirs.Offer, ticket is not null);
        using var handshake = new PeerHandshake(
            HandshakeRole.Initiator,
            Settings(ours, theirs, ticket?.Psk ?? identity.Network.Psk) with { Expected = expected, AsNewcomer = ticket is not null },
            staticKey, identity, entropy, time);
        await WriteMessageAsync(pipe.Output, handshake, cancellationToken);
        await ReadMessageAsync(pipe.Input, handshake, cancellationToken);
        await WriteMessageAsync(pipe.Output, handshake, cancellationToken);
        return Finish(HandshakeRole.Initiator, handshake, theirs, agreement);
    }

    private async Task<LinkPeer> AcceptCoreAsync(IDuplexPipe pipe, CancellationToken cancellationToken)
    {
        var theirs = await ReadHelloAsync(pipe.Input, cancellationToken);
        var ours = Hello.Create(options.Encryption, null, entropy);
        await pipe.Output.WriteAsync(ours.Encoded, cancellationToken);
        var agreement = Agree(theirs.Offer, theirs.TicketId is not null);
        var psk = theirs.TicketId is { } ticket ? TicketPsk(ticket.Span) : identity.Network.Psk;
        try
        {
            using var handshake = new PeerHandshake(
                HandshakeRole.Responder,
                Settings(theirs, ours, psk) with { AcceptNewcomer = theirs.TicketId is not null },
                staticKey, identity, entropy, time);
            await ReadMessageAsync(pipe.Input, handshake, cancellationToken);
            await WriteMessageAsync(pipe.Output, handshake, cancellationToken);
            await ReadMessageAsync(pipe.Input, handshake, cancellationToken);
            if (theirs.TicketId is not null && handshake.Certificate is not null)
            {
                // A ticket's PSK makes nobody a neighbour: a link under it is for redeeming alone.
                throw new HandshakeException(HandshakeFault.Malformed, $"node {handshake.Remote} redeems a ticket and shows a certificate");
            }

            return Finish(HandshakeRole.Responder, handshake, theirs, agreement) with { TicketId = theirs.TicketId };
        }
        finally
        {
            if (theirs.TicketId is not null)
            {
                CryptographicOperations.ZeroMemory(psk);
            }
        }
    }

    // A ticket's link carries the network's secrets: it is sealed whatever the modes say.
    private EncryptionAgreement Agree(EncryptionMode theirs, bool forTicket) =>
        forTicket ? EncryptionAgreement.Sealed
        : EncryptionModes.Agree(options.Encryption, theirs) is not EncryptionAgreement.None and var agreement ? agreement
        : throw new HandshakeException(
            HandshakeFault.Encryption,
            $"its encryption is {theirs} and ours {options.Encryption}: set Dawn:Security:Encryption to Optional at one end, or to the same at both");

    private HandshakeSettings Settings(Hello dialer, Hello listener, ReadOnlyMemory<byte> psk) =>
        new(SigningLabel.Link.ToArray(), (byte[])[.. dialer.Encoded.Span, .. listener.Encoded.Span], psk, options.Encryption);

    // An unknown ticket gets a PSK that nobody has, so that it fails where and how a wrong PSK does.
    private byte[] TicketPsk(ReadOnlySpan<byte> ticket)
    {
        var psk = new byte[32];
        if (tickets?.TryGetPsk(ticket, psk) is not true)
        {
            entropy.Fill(psk);
        }

        return psk;
    }

    private LinkPeer Finish(HandshakeRole role, PeerHandshake handshake, Hello theirs, EncryptionAgreement agreement)
    {
        if (handshake.RemoteOffer != theirs.Offer)
        {
            throw new HandshakeException(HandshakeFault.Malformed, $"node {handshake.Remote} offers other encryption in its proof than in its hello");
        }

        var (send, receive) = agreement == EncryptionAgreement.Clear ? default((Aead?, Aead?)) : handshake.Split();
        var remote = handshake.Remote;
        return new(remote, handshake.Certificate, send, receive)
        {
            Origin = handshake is { Certificate: not null, Shown: { } shown } ? new(handshake.Hash, theirs.Offer, shown, Next) : null,
        };

        PeerHandshake Next(ReadOnlyMemory<byte> previous) =>
            new(role, new(SigningLabel.Link.ToArray(), previous, identity.Network.Psk, options.Encryption) { Expected = remote }, staticKey, identity, entropy, time);
    }

    private static async ValueTask<Hello> ReadHelloAsync(PipeReader input, CancellationToken cancellationToken)
    {
        var head = await ReadExactlyAsync(input, Hello.HeadSize, HandshakeFault.Closed, "it closed without a hello", cancellationToken);
        var rest = Hello.RestOf(head) ?? throw NoHello();
        var tail = await ReadExactlyAsync(input, rest, HandshakeFault.Closed, "it closed within its hello", cancellationToken);
        return Hello.TryRead([.. head, .. tail]) ?? throw NoHello();

        static HandshakeException NoHello() => new(HandshakeFault.Malformed, "what it says first is not a hello of this protocol's version");
    }

    private static async ValueTask ReadMessageAsync(PipeReader input, PeerHandshake handshake, CancellationToken cancellationToken)
    {
        const string Refused = "it closed within the handshake, as nodes do where the network secret differs";
        var length = BinaryPrimitives.ReadUInt16BigEndian(await ReadExactlyAsync(input, 2, HandshakeFault.Secret, Refused, cancellationToken));
        if (length > PeerHandshake.MaxMessage)
        {
            throw new HandshakeException(HandshakeFault.Malformed, $"it announced a handshake message of {length} bytes; {PeerHandshake.MaxMessage} are allowed");
        }

        handshake.ReadMessage(await ReadExactlyAsync(input, length, HandshakeFault.Secret, Refused, cancellationToken));
    }

    private static async ValueTask WriteMessageAsync(PipeWriter output, PeerHandshake handshake, CancellationToken cancellationToken)
    {
        var message = handshake.WriteMessage();
        await output.WriteAsync((byte[])[(byte)(message.Length >> 8), (byte)message.Length, .. message], cancellationToken);
    }

    // Takes no more than is asked for: what follows the handshake belongs to the link.
    private static async ValueTask<byte[]> ReadExactlyAsync(PipeReader input, int count, HandshakeFault fault, string closed, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await input.ReadAsync(cancellationToken);
            if (read.Buffer.Length >= count)
            {
                var bytes = read.Buffer.Slice(0, count).ToArray();
                input.AdvanceTo(read.Buffer.GetPosition(count));
                return bytes;
            }

            input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted || read.IsCanceled)
            {
                throw new HandshakeException(fault, closed);
            }
        }
    }
}
