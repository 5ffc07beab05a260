using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Dawn.Testing.Transports;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Dawn.Transports.Tests;

public class WebSocketTransportTests : TransportTestKit
{
    protected override string Address => "ws://127.0.0.1:0";

    protected override IPeerTransport CreateTransport() => PluginServices.Of(Assembly.Load("Dawn.Transports.WebSockets")).GetRequiredService<IPeerTransport>();
}

public class SecureWebSocketTransportTests : TransportTestKit
{
    private readonly CertificateFolder _files = new();

    protected override string Address => "wss://127.0.0.1:0";

    protected override IPeerTransport CreateTransport() =>
        PluginServices.Of(Assembly.Load("Dawn.Transports.WebSockets"), _files.Pfx).GetRequiredService<IPeerTransport>();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _files.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>What is of this transport alone: HTTP, certificates, settings.</summary>
public sealed class WebSocketDetailsTests : IDisposable
{
    private readonly CertificateFolder _files = new();
    private readonly List<ServiceProvider> _services = [];

    public void Dispose()
    {
        _services.ForEach(s => s.Dispose());
        _files.Dispose();
    }

    [Fact]
    public async Task Wss_without_a_certificate_names_the_setting()
    {
        var error = await Assert.ThrowsAsync<IOException>(async () => await Transport().BindAsync(At("wss://127.0.0.1:0"), TestContext.Current.CancellationToken));
        Assert.Contains("Dawn:Plugins:transport-websocket:Certificate", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_is_none_names_the_file()
    {
        var error = await Assert.ThrowsAsync<IOException>(async () => await Transport([new("Certificate", _files.Path + "/missing.pem")]).BindAsync(At("wss://127.0.0.1:0"), TestContext.Current.CancellationToken));
        Assert.Contains("missing.pem", error.Message, StringComparison.Ordinal);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("Any", true)]
    [InlineData("System", false)]
    [InlineData("Listed", true)]
    public async Task A_self_made_certificate_is_taken_as_the_settings_say(string trust, bool taken)
    {
        var transport = Transport([.. _files.Pem, new("Trust", trust), new("TrustedCertificates", _files.Path + "/cert.pem")]);
        await using var listener = await transport.BindAsync(At("wss://127.0.0.1:0"), TestContext.Current.CancellationToken);
        var dialling = transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken).AsTask();
        if (taken)
        {
            await (await dialling).DisposeAsync();
        }
        else
        {
            await Assert.ThrowsAsync<IOException>(() => dialling);
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task Wss_speaks_tls()
    {
        await using var listener = await Transport(_files.Pfx).BindAsync(At("wss://127.0.0.1:0"), TestContext.Current.CancellationToken);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, ((UriEndPoint)listener.EndPoint).Uri.Port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(tcp.GetStream(), false, (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync("127.0.0.1");
        Assert.Equal("CN=dawn-test", tls.RemoteCertificate!.Subject);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("GET /", "426")]
    [InlineData("GET /dawn", "404")]
    public async Task Ordinary_requests_are_told_what_this_is(string request, string status)
    {
        await using var listener = await Transport().BindAsync(At("ws://127.0.0.1:0"), TestContext.Current.CancellationToken);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, ((UriEndPoint)listener.EndPoint).Uri.Port, TestContext.Current.CancellationToken);
        await tcp.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"{request} HTTP/1.1\r\nHost: x\r\n\r\n"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(tcp.GetStream());
        Assert.StartsWith($"HTTP/1.1 {status}", await reader.ReadLineAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task More_than_the_backlog_is_told_to_come_again()
    {
        var transport = Transport([new("Backlog", "1")]);
        await using var listener = await transport.BindAsync(At("ws://127.0.0.1:0"), TestContext.Current.CancellationToken);
        await using var waiting = await transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
        // The place is taken once the first is in the queue, which the second can't know: so both may be in their way for a moment.
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            await using var second = await transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
            var read = await second.Transport.Input.ReadAsync(TestContext.Current.CancellationToken);
            throw read.IsCompleted ? new IOException("closed at once") : new InvalidOperationException("taken");
        });
    }

    [Theory]
    [InlineData("Backlog", "0")]
    [InlineData("Trust", "Listed")]
    [InlineData("Trust", "Perhaps")]
    [InlineData("Colour", "blue")]
    public void Wrong_settings_are_named(string key, string value)
    {
        var error = Assert.ThrowsAny<Exception>(() => Transport([new(key, value)]));
        Assert.True(error is OptionsValidationException or InvalidOperationException);
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    private static UriEndPoint At(string address) => new(new Uri(address));

    private IPeerTransport Transport(KeyValuePair<string, string?>[]? settings = null)
    {
        _services.Add(PluginServices.Of(Assembly.Load("Dawn.Transports.WebSockets"), settings));
        return _services[^1].GetRequiredService<IPeerTransport>();
    }
}

internal sealed class CertificateFolder : IDisposable
{
    public CertificateFolder()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=dawn-test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllBytes(Path + "/cert.pfx", certificate.Export(X509ContentType.Pfx, "secret"));
        File.WriteAllText(Path + "/cert.pem", certificate.ExportCertificatePem());
        File.WriteAllText(Path + "/key.pem", key.ExportPkcs8PrivateKeyPem());
    }

    public string Path { get; } = Directory.CreateTempSubdirectory("dawn-certificates-").FullName;

    public KeyValuePair<string, string?>[] Pfx => [new("Certificate", Path + "/cert.pfx"), new("CertificatePassword", "secret")];

    public KeyValuePair<string, string?>[] Pem => [new("Certificate", Path + "/cert.pem"), new("CertificateKey", Path + "/key.pem")];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
