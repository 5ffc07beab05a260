using System.Net.WebSockets;
using Dawn.Noise;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Links;

/// <summary>Why a dial failed.</summary>
internal enum DialFault
{
    /// <summary>No transport has the address's scheme.</summary>
    NoTransport,

    /// <summary>Nothing listens there, or there is no way.</summary>
    Unreachable,

    /// <summary>Time ran out.</summary>
    Timeout,

    /// <summary>Whatever answers is no Dawn node of this version.</summary>
    NotDawn,

    /// <summary>The network secrets differ, or the ticket is spent.</summary>
    Secret,

    /// <summary>Another node answers than the one that was meant, or one that can't prove who it is.</summary>
    OtherNode,

    /// <summary>The address leads back to this node.</summary>
    Self,

    /// <summary>One of the two certificates doesn't hold.</summary>
    Certificate,

    /// <summary>The encryption modes don't agree.</summary>
    Encryption,

    /// <summary>The other end took up the link and closed it.</summary>
    Refused,
}

/// <summary>A failed dial, in words for a person.</summary>
internal sealed class LinkDialException(DialFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    public DialFault Fault { get; } = fault;
}

/// <summary>Dials addresses and makes links of them. Thread-safe.</summary>
/// <param name="transports">Finds the transport of a URI scheme among those that are loaded now.</param>
internal sealed class LinkDialer(Func<string, IPeerTransport?> transports, LinkHandshake handshake, LinkTable table, LinkOptions options, TimeProvider time)
{
    /// <summary>Dials, and returns when the link is up.</summary>
    /// <param name="expected">The node that is meant; null takes any member.</param>
    /// <returns>The link to the node that answered; where an older one is kept by the rule of duplicates, that one.</returns>
    /// <exception cref="LinkDialException">The link did not come about.</exception>
    public Task<ILink> DialAsync(Uri address, NodeId? expected, CancellationToken cancellationToken) => DialAsync(address, expected, null, cancellationToken);

    /// <summary>Dials a ticket's issuer as a newcomer. The link carries <see cref="LinkFrame.Redeem"/> and its answer alone, and lives briefly.</summary>
    /// <exception cref="LinkDialException">The link did not come about.</exception>
    public Task<ILink> DialNewcomerAsync(Uri address, NodeId issuer, TicketKey ticket, CancellationToken cancellationToken) =>
        DialAsync(address, issuer, ticket, cancellationToken);

    private async Task<ILink> DialAsync(Uri address, NodeId? expected, TicketKey? ticket, CancellationToken cancellationToken)
    {
        var transport = transports(address.Scheme) ?? throw new LinkDialException(
            DialFault.NoTransport, $"{address} can't be dialled: no transport plugin has the scheme '{address.Scheme}'; see `dawn plugins`.");
        var connection = await ConnectAsync(transport, address, cancellationToken);
        var number = table.NextNumber();
        LinkPeer peer;
        try
        {
            peer = await handshake.DialAsync(connection, expected, ticket, cancellationToken);
        }
        catch (Exception e)
        {
            connection.Abort();
            await connection.DisposeAsync();
            throw e switch
            {
                HandshakeException failed => Explain(address, failed, ticket is not null),
                OperationCanceledException when cancellationToken.IsCancellationRequested => e,
                _ => new LinkDialException(DialFault.Unreachable, $"The connection to {address} failed: {e.Message}", e),
            };
        }

        var (link, _) = table.Start(connection, peer, isInitiator: true, address, number);
        try
        {
            // The link itself gives up when no record comes in time.
            if (await link.Up.WaitAsync(cancellationToken) && link.IsAdmitted)
            {
                return link;
            }
        }
        catch (OperationCanceledException)
        {
            link.BeginClose(LinkEnd.Done);
            throw;
        }

        if (table.TryGet(link.Remote, out var kept))
        {
            return kept;
        }

        throw await link.Ended.WaitAsync(cancellationToken) switch
        {
            LinkEnd.Broken => new LinkDialException(
                DialFault.Certificate, $"{address} refused this node's proof: its certificate may have expired, or belong to another network; check the clocks and `dawn id` at both ends."),
            LinkEnd.Silent => new LinkDialException(DialFault.Timeout, $"{address} did not finish the handshake in time."),
            var end => new LinkDialException(DialFault.Refused, $"{address} took up the link and closed it: {end}."),
        };
    }

    private async Task<ConnectionContext> ConnectAsync(IPeerTransport transport, Uri address, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.ConnectTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        Task<ConnectionContext>? connecting = null;
        ConnectionContext? connection = null;
        try
        {
            connecting = transport.ConnectAsync(new UriEndPoint(address), both.Token).AsTask();
            // Waited for apart, since a plugin need not heed the token.
            return connection = await connecting.WaitAsync(both.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new LinkDialException(DialFault.Timeout, $"{address} did not answer within {options.ConnectTimeout.TotalSeconds:0.#} s.");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e)
        {
            // Transports are plugins: whatever one throws is a dial that failed, and no reason for a caller to fall.
            throw new LinkDialException(DialFault.Unreachable, $"Nothing can be reached at {address}: {Words(e)}", e);
        }
        finally
        {
            if (connection is null && connecting is not null)
            {
                _ = DropAsync(connecting);
            }
        }
    }

    // A transport's own words; the framework's wrappers say nothing, and their cause does.
    private static string Words(Exception e) => (e is WebSocketException or HttpRequestException ? e.GetBaseException() : e).Message;

    private static async Task DropAsync(Task<ConnectionContext> connecting)
    {
        try
        {
            await using var late = await connecting;
            late.Abort();
        }
        catch (Exception)
        {
            // It failed, which whoever dialled has been told, or gave up waiting for.
        }
    }

    private static LinkDialException Explain(Uri address, HandshakeException failed, bool byTicket)
    {
        var (fault, words) = failed.Fault switch
        {
            HandshakeFault.Timeout => (DialFault.Timeout, failed.Message),
            HandshakeFault.Closed => (DialFault.NotDawn, $"{failed.Message}; it may be no Dawn node, or limit new connections"),
            HandshakeFault.Malformed => (DialFault.NotDawn, failed.Message),
            HandshakeFault.Secret when byTicket => (DialFault.Secret, "it does not take this ticket: spent, expired, or another node's; ask for a new one"),
            HandshakeFault.Secret => (DialFault.Secret, $"{failed.Message}; check Dawn:Network:Secret at both ends"),
            HandshakeFault.OtherNode or HandshakeFault.Signature => (DialFault.OtherNode, failed.Message),
            HandshakeFault.Self => (DialFault.Self, failed.Message),
            HandshakeFault.Certificate => (DialFault.Certificate, failed.Message),
            _ => (DialFault.Encryption, failed.Message),
        };
        return new(fault, $"No link with {address}: {words}.", failed);
    }
}
