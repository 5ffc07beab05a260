using Dawn;
using Dawn.Registries.OrSet;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

[assembly: DawnPlugin(typeof(OrSetPlugin))]

namespace Dawn.Registries.OrSet;

/// <summary>Offers the registry. The host gives the container <see cref="IRecordReader"/> and <see cref="IPluginData"/>.</summary>
internal sealed class OrSetPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        services.AddOptions<RegistrySettings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => s.MaxRecords is >= 1 and <= 1_000_000, "MaxRecords must be 1 to 1000000.")
            .Validate(s => s.MaxBytes is >= 32 * 1024 and <= 4L << 30, "MaxBytes must be 32768 to 4294967296.")
            .Validate(s => s.LogSize is >= 64 * 1024 and <= 64L << 30, "LogSize must be 65536 to 68719476736.")
            .Validate(s => s.LogAge >= TimeSpan.FromHours(1), "LogAge must be 1 hour at least.");
        services.AddSingleton<AgentRegistry>();
        services.AddSingleton<IAgentRegistry>(provider => provider.GetRequiredService<AgentRegistry>());
        services.AddHostedService(provider => provider.GetRequiredService<AgentRegistry>());
    }
}

/// <summary>The settings of the registry.</summary>
internal sealed class RegistrySettings
{
    /// <summary>Nodes whose records are held at once.</summary>
    public int MaxRecords { get; set; } = 10_000;

    /// <summary>Bytes of all records that are held.</summary>
    public long MaxBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>Bytes of the log from which on superseded lines go, the oldest first. The newest line of each node stays.</summary>
    public long LogSize { get; set; } = 64 * 1024 * 1024;

    /// <summary>The age at which superseded lines go.</summary>
    public TimeSpan LogAge { get; set; } = TimeSpan.FromDays(30);
}
