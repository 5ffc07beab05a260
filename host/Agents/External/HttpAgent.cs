using System.Threading.Channels;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>An MCP server behind a URL: a connection for each caller, and one of Dawn's own that watches over it.</summary>
internal sealed partial class HttpAgent : ExternalAgent
{
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(3);

    private readonly HttpClient _http;
    private readonly ILoggerFactory? _loggers;

    /// <param name="handler">Carries the requests; by default sockets.</param>
    public HttpAgent(ExternalServerSettings settings, ILogger logger, TimeProvider time, Entropy entropy, ILoggerFactory? loggers = null, HttpMessageHandler? handler = null)
        : base(settings, logger, time, entropy)
    {
        _loggers = loggers;

        // No redirects: they would carry the configured headers to another place. No cookies: they would join the callers' sessions.
        _http = new(handler ?? new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = ConnectTimeout, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MeshChannel.MaxMessage,
        };
    }

    public override async Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken)
    {
        var transport = await ConnectAsync(cancellationToken);
        try
        {
            await new HttpSplice(channel, transport, Settings, Time).RunAsync(cancellationToken);
        }
        finally
        {
            await CloseAsync(transport);
        }
    }

    protected override async Task RunAsync(CancellationToken cancellationToken)
    {
        var changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        var transport = await ConnectAsync(cancellationToken);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var peer = new HttpPeer(transport, Settings, Time, () => changes.Writer.TryWrite(true));
        var reading = peer.ReadAsync(ended.Token);
        try
        {
            var hello = await ServerHello.GreetAsync(peer, relaysRequests: false, cancellationToken);
            Report(await CardReader.ReadAsync(Settings, hello, peer, cancellationToken));
            while (true)
            {
                var changed = changes.Reader.WaitToReadAsync(cancellationToken).AsTask();
                using var probe = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                await Task.WhenAny(changed, reading, Task.Delay(ProbeInterval, Time, probe.Token));
                await probe.CancelAsync();
                cancellationToken.ThrowIfCancellationRequested();
                if (reading.IsCompleted)
                {
                    throw new ServerFailure($"{Settings.Origin} ended the session");
                }

                if (changes.Reader.TryRead(out _))
                {
                    await Task.Delay(Settle, Time, cancellationToken);
                    Report(await CardReader.ReadAsync(Settings, hello, peer, cancellationToken));
                }
                else if (hello.IsPerRequest)
                {
                    // That era has no ping, and tells of changes only who listens.
                    Report(await CardReader.ReadAsync(Settings, hello, peer, cancellationToken));
                }
                else
                {
                    await PingAsync(peer, cancellationToken);
                }
            }
        }
        catch (Exception e) when (e is TimeoutException or McpException or IOException)
        {
            throw HttpPeer.Explain(Settings, e);
        }
        finally
        {
            await ended.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await CloseAsync(transport);
        }
    }

    protected override void Stopped() => _http.Dispose();

    private static async Task PingAsync(HttpPeer peer, CancellationToken cancellationToken)
    {
        try
        {
            await peer.RequestAsync(RequestMethods.Ping, null, cancellationToken);
        }
        catch (McpProtocolException)
        {
            // Even a refusal is a sign of life.
        }
    }

    private async Task<ITransport> ConnectAsync(CancellationToken cancellationToken)
    {
        var options = new HttpClientTransportOptions { Name = Id, Endpoint = Settings.Url!, ConnectionTimeout = AnswerTimeout };
        if (!Settings.Headers.IsEmpty)
        {
            options.AdditionalHeaders = new Dictionary<string, string>(Settings.Headers);
        }

        return await new HttpClientTransport(options, _http, _loggers, ownsHttpClient: false).ConnectAsync(cancellationToken);
    }

    private async Task CloseAsync(ITransport transport)
    {
        try
        {
            // Says goodbye to the server, which may not listen.
            await transport.DisposeAsync().AsTask().WaitAsync(CloseTimeout, Time);
        }
        catch (Exception e)
        {
            LogNotClosed(Logger, Id, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Debug, "A connection of agent {Agent} did not close cleanly: {Problem}")]
    private static partial void LogNotClosed(ILogger logger, string agent, string problem);
}
