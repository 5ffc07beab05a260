using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using ModelContextProtocol.Server;

namespace Dawn.Agents.First;

/// <summary>Throws one die: 1 to <paramref name="sides"/>, each as likely.</summary>
public delegate int Die(int sides);

/// <summary>What the attributes on the tools can't say; the host finds this class by its name.</summary>
public static class McpServerSetup
{
    public static void ConfigureServices(IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<Die>(sides => RandomNumberGenerator.GetInt32(1, sides + 1));
    }

    public static void Configure(McpServerOptions options, IServiceProvider services) =>
        options.ServerInstructions = "Use ping to check that calls arrive, echo to see what arrives, time to ask for a clock, roll to throw dice. Nothing here changes anything.";
}
