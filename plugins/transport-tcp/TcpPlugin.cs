using Dawn;
using Dawn.Transports.Tcp;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

[assembly: DawnPlugin(typeof(TcpPlugin))]

namespace Dawn.Transports.Tcp;

/// <summary>Offers the scheme tcp.</summary>
internal sealed class TcpPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        services.AddOptions<TcpSettings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => s.Backlog is >= 1 and <= 65_535, "Backlog must be 1 to 65535.")
            .Validate(s => s.ConnectTimeout > TimeSpan.Zero, "ConnectTimeout must be longer than nothing.");
        services.AddSingleton<IPeerTransport, TcpTransport>();
    }
}

/// <summary>The settings of the TCP transport.</summary>
internal sealed class TcpSettings
{
    /// <summary>How many connections the operating system holds until they are accepted.</summary>
    public int Backlog { get; set; } = 512;

    /// <summary>How long a dial may take, where the caller allows more.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);
}
