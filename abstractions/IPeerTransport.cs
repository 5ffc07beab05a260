using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Dawn;

/// <summary>Carries bytes between two nodes: Kestrel's own listener and dialer, under the names of its URI schemes.</summary>
/// <remarks>
/// <para>All endpoints are <see cref="UriEndPoint"/>s. A transport promises a reliable, ordered stream of bytes and no more:
/// who the peer is, and secrecy, are the business of the link above it.</para>
/// <para>Implementations are thread-safe. <c>BindAsync</c> with port 0 chooses a port, and the listener's <c>EndPoint</c> names it.
/// A failed bind throws <see cref="AddressInUseException"/> or another <see cref="IOException"/>; a failed dial throws an
/// <see cref="IOException"/> or <see cref="System.Net.Sockets.SocketException"/>; both honour their cancellation token.
/// Each <see cref="ConnectionContext"/> ends by disposal on either side, by <see cref="ConnectionContext.Abort()"/>, or with the peer.</para>
/// <para>The transport test kit checks these promises.</para>
/// </remarks>
public interface IPeerTransport : IConnectionListenerFactory, IConnectionListenerFactorySelector, IConnectionFactory
{
    /// <summary>The URI schemes that belong to this transport, in lower case, such as <c>ws</c> and <c>wss</c>.</summary>
    IReadOnlyCollection<string> Schemes { get; }

    /// <summary>True where the endpoint is a <see cref="UriEndPoint"/> of one of <see cref="Schemes"/>.</summary>
    bool IConnectionListenerFactorySelector.CanBind(EndPoint endpoint) =>
        endpoint is UriEndPoint { Uri: { } uri } && Schemes.Contains(uri.Scheme, StringComparer.OrdinalIgnoreCase);
}
