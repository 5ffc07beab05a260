using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Plugins;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Membership;

/// <summary>Binds the addresses of <c>Dawn:Listen</c>, binds them again when their transport is replaced, and works out where others can dial this node.</summary>
internal sealed partial class Listeners(DawnSettings settings, PluginHost plugins, LinkListener links, TimeProvider time, ILogger<Listeners> logger) : IHostedService, IAsyncDisposable
{
    // For a transport to let go of what it is told to close.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly List<Bound> _bound = [];
    private bool _stopped;

    private sealed record Bound(Uri Wanted, Uri Actual, IPeerTransport Transport, IConnectionListener Listener, Task Accepting, CancellationTokenSource Stop);

    /// <summary>The addresses to dial; empty until started.</summary>
    public ImmutableArray<Uri> Addresses { get; private set; } = [];

    /// <summary>Places to dial on this machine alone; nobody is told of them.</summary>
    public ImmutableArray<Uri> Local { get; private set; } = [];

    /// <summary>Raised after <see cref="Addresses"/> changed, once started.</summary>
    public event Action? Changed;

    /// <exception cref="StartException">No transport for a scheme, or a port is taken.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var uri in settings.Listen)
        {
            var transport = plugins.FindTransport(uri.Scheme) ?? throw new StartException(
                $"Dawn:Listen is '{PeerAddress.Text(uri)}', and no installed transport has the scheme '{uri.Scheme}'. Installed in {settings.PluginDirectory}: {(plugins.Schemes.Count == 0 ? "none" : string.Join(", ", plugins.Schemes))}.");
            try
            {
                _bound.Add(await BindAsync(uri, transport, cancellationToken));
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new StartException(
                    PeerAddress.IsLocal(uri) ? $"Dawn:Listen '{PeerAddress.Text(uri)}' can't be opened: {e.Message}"
                    : $"Port {uri.Port} can't be opened for Dawn:Listen '{uri.GetLeftPart(UriPartial.Authority)}': {e.Message.TrimEnd('.')}. {Cure(e)}",
                    e);
            }
        }

        Publish();
        plugins.Changed += OnPluginsChanged;
    }

    private static string Cure(Exception e) => (e.GetBaseException() as SocketException)?.SocketErrorCode switch
    {
        SocketError.AddressNotAvailable => "No interface has this address now: 0.0.0.0 or [::] takes all there are.",
        SocketError.AccessDenied => "Ports below 1024 are the system's: take a higher one, or give the program the right to (CAP_NET_BIND_SERVICE).",
        _ => "If another node runs here, give this one another --data and another Dawn:Listen port (0 takes a free one).",
    };

    /// <summary>Lets nobody in any more. Links that are up live on until whoever stops the node has closed them: disposing a listener may end its connections.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        plugins.Changed -= OnPluginsChanged;
        await _gate.WaitAsync(cancellationToken);
        try
        {
            _stopped = true;
            foreach (var bound in _bound)
            {
                await EndAsync(bound, bound.Listener.UnbindAsync(cancellationToken));
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stopped)
        {
            await StopAsync(CancellationToken.None);
        }

        foreach (var bound in _bound)
        {
            await EndAsync(bound, bound.Listener.DisposeAsync());
        }

        _bound.Clear();
    }

    /// <summary>Looks anew at what addresses this machine has, and has the node tell them.</summary>
    public void Refresh()
    {
        Publish();
        Changed?.Invoke();
    }

    /// <summary>Puts this machine's addresses in place of wildcards; loopback stays only where nothing else is.</summary>
    internal static ImmutableArray<Uri> Expand(ImmutableArray<Uri> bound, IReadOnlyList<IPAddress> local)
    {
        var all = new List<(Uri Uri, bool IsLoopback)>();
        foreach (var uri in bound)
        {
            if (!IPAddress.TryParse(uri.DnsSafeHost, out var host) || !(host.Equals(IPAddress.Any) || host.Equals(IPAddress.IPv6Any)))
            {
                all.Add((uri, uri.IsLoopback));
                continue;
            }

            // An IPv6 wildcard takes IPv4 too (RFC 3493, 5.3).
            foreach (var address in local.Where(a => a.AddressFamily == AddressFamily.InterNetwork || host.Equals(IPAddress.IPv6Any)))
            {
                all.Add((new UriBuilder(uri) { Host = address.ToString() }.Uri, IPAddress.IsLoopback(address)));
            }
        }

        List<Uri> outside = [.. all.Where(a => !a.IsLoopback).Select(a => a.Uri)];
        return [.. (outside.Count > 0 ? outside : all.Select(a => a.Uri)).Distinct().Take(NodeRecord.MaxAddresses)];
    }

    /// <summary>This machine's addresses, those that others may reach first.</summary>
    internal static List<IPAddress> LocalAddresses() =>
        [.. from nic in NetworkInterface.GetAllNetworkInterfaces()
            where nic.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown
            from unicast in nic.GetIPProperties().UnicastAddresses
            let address = unicast.Address
            where !address.IsIPv6LinkLocal
            orderby IPAddress.IsLoopback(address), address.AddressFamily
            select address];

    // Returns at once, as the event asks; what hangs in a transport holds up nobody.
    private void OnPluginsChanged() => _ = RebindAsync();

    private async Task RebindAsync()
    {
        await _gate.WaitAsync();
        try
        {
            if (_stopped)
            {
                return;
            }

            foreach (var bound in _bound.Where(b => !ReferenceEquals(plugins.FindTransport(b.Wanted.Scheme), b.Transport)).ToList())
            {
                LogGone(bound.Actual);
                await EndAsync(bound, bound.Listener.DisposeAsync());
                _bound.Remove(bound);
            }

            foreach (var wanted in settings.Listen.Where(w => !_bound.Exists(b => b.Wanted == w)))
            {
                if (plugins.FindTransport(wanted.Scheme) is { } transport)
                {
                    try
                    {
                        _bound.Add(await BindAsync(wanted, transport, CancellationToken.None));
                    }
                    catch (Exception e)
                    {
                        LogRebindFailed(wanted, e.Message);
                    }
                }
            }

            Publish();
        }
        catch (Exception e)
        {
            // Nobody awaits this; what isn't foreseen must not pass in silence.
            LogRebindingFailed(e);
        }
        finally
        {
            _gate.Release();
        }

        Changed?.Invoke();
    }

    private async Task<Bound> BindAsync(Uri wanted, IPeerTransport transport, CancellationToken cancellationToken)
    {
        var listener = await transport.BindAsync(new UriEndPoint(wanted), cancellationToken);
        var stop = new CancellationTokenSource();
        var actual = ((UriEndPoint)listener.EndPoint).Uri;
        LogListening(actual);
        return new(wanted, actual, transport, listener, links.RunAsync(listener, stop.Token), stop);
    }

    private async Task EndAsync(Bound bound, ValueTask closing)
    {
        try
        {
            await bound.Stop.CancelAsync();
            await closing.AsTask().WaitAsync(Patience, time);
            await bound.Accepting.WaitAsync(Patience, time);
        }
        catch (Exception e)
        {
            // A transport that can't even close is none that this node needs any more.
            LogCloseFailed(bound.Actual, e.Message);
        }
    }

    private void Publish()
    {
        Local = [.. _bound.Select(b => b.Actual).Where(PeerAddress.IsLocal)];
        Addresses = settings.Advertise.IsEmpty ? Expand([.. _bound.Select(b => b.Actual).Except(Local)], LocalAddresses()) : settings.Advertise;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Listens at {Address}")]
    private partial void LogListening(Uri address);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Listens no more at {Address}: its transport was replaced or removed")]
    private partial void LogGone(Uri address);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Address} of Dawn:Listen can't be opened again: {Cause}")]
    private partial void LogRebindFailed(Uri address, string cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "Following a change of the transports failed")]
    private partial void LogRebindingFailed(Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The listener at {Address} did not close cleanly: {Cause}")]
    private partial void LogCloseFailed(Uri address, string cause);
}
