using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Dawn;

/// <summary>Carries bytes between two nodes: Kestrel's own listener and dialer, under the names of its URI schemes.</summary>
/// <remarks>
/// <para>All endpoints are <see cref="UriEndPoint"/>s. A transport promises a reliable, ordered stream of bytes and no more:
/// who the peer is, and secrecy, are the business of the link above it.</para>
/// <para>An address is <c>scheme://host:port</c>, which nodes tell each other, or <c>scheme:///path</c>, a place on this machine, which stands
/// in settings alone. Other endpoints are refused with <see cref="NotSupportedException"/>.</para>
/// <para>Implementations are thread-safe: <c>BindAsync</c> and <c>ConnectAsync</c> run at once, any number of times. <c>BindAsync</c> with port 0 chooses a port, and the listener's <c>EndPoint</c> names it.
/// A failed bind throws <see cref="AddressInUseException"/> or another <see cref="IOException"/>; a failed dial throws an
/// <see cref="IOException"/> or <see cref="System.Net.Sockets.SocketException"/>; both honour their cancellation token.
/// Each <see cref="ConnectionContext"/> ends by disposal on either side, by <see cref="ConnectionContext.Abort()"/>, or with the peer;
/// its <c>ConnectionClosed</c> fires then. A writer whose reader does not read waits: what is held for it is bounded.</para>
/// <para>Unbinding or disposing a listener leaves accepted connections alone. Disposing the transport, which a container does when its
/// plugin is unloaded, ends them.</para>
/// <para>The transport test kit checks these promises.</para>
/// </remarks>
public interface IPeerTransport : IConnectionListenerFactory, IConnectionListenerFactorySelector, IConnectionFactory
{
    /// <summary>The URI schemes that belong to this transport, one or more, in lower case, such as <c>ws</c> and <c>wss</c> (RFC 3986, 3.1). They never change; one that another plugin has already marks this plugin as failed.</summary>
    IReadOnlyCollection<string> Schemes { get; }

    /// <summary>True where the endpoint is a <see cref="UriEndPoint"/> of one of <see cref="Schemes"/>.</summary>
    /// <param name="endpoint">Any endpoint; those of other kinds are not for this transport.</param>
    bool IConnectionListenerFactorySelector.CanBind(EndPoint endpoint) =>
        endpoint is UriEndPoint { Uri: { } uri } && Schemes.Contains(uri.Scheme, StringComparer.OrdinalIgnoreCase);
}
