using System.Security.Cryptography;
using Dawn;
using Dawn.Discovery.Mdns;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

[assembly: DawnPlugin(typeof(MdnsPlugin))]

namespace Dawn.Discovery.Mdns;

/// <summary>Offers discovery on the local links by multicast DNS.</summary>
internal sealed class MdnsPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        services.AddOptions<MdnsSettings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => s.Interfaces.Count <= MdnsSettings.MaxInterfaces, $"Interfaces may name at most {MdnsSettings.MaxInterfaces}.")
            .Validate(s => s.Interfaces.All(name => !string.IsNullOrWhiteSpace(name)), "Interfaces must hold names such as eth0, or \"loopback\"; leave it out for all that are up.");
        services.AddSingleton<IPeerDiscovery>(provider =>
        {
            var (options, loggers) = (provider.GetRequiredService<IOptions<MdnsSettings>>().Value, provider.GetRequiredService<ILoggerFactory>());
            return new MdnsDiscovery(() => MulticastSocket.Open(options, provider.GetRequiredService<TimeProvider>(), loggers.CreateLogger<MulticastSocket>()),
                provider.GetRequiredService<TimeProvider>(), new Random(RandomNumberGenerator.GetInt32(int.MaxValue)), loggers.CreateLogger<MdnsDiscovery>());
        });
    }
}

/// <summary>The settings of discovery by multicast DNS.</summary>
internal sealed class MdnsSettings
{
    public const int MaxInterfaces = 32;

    /// <summary>Stands for the machine's own interface, of whatever name.</summary>
    public const string Loopback = "loopback";

    /// <summary>By name, or <see cref="Loopback"/>; with none, all that are up, can multicast, and lead to more than one other.</summary>
    public List<string> Interfaces { get; set; } = [];

    /// <summary>Whether IPv6 is used beside IPv4.</summary>
    public bool IPv6 { get; set; } = true;
}
