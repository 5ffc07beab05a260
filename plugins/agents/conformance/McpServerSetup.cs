using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>What the attributes on tools, prompts and resources can't say; the host finds this class by its name.</summary>
public static class McpServerSetup
{
    // The lists change by test_trigger_… alone, and whoever listens hears of it.
    private static readonly TimeSpan ListLifetime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ContentLifetime = TimeSpan.FromSeconds(10);

    public static void ConfigureServices(IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<Changes>();
        services.TryAddSingleton<Catalog>();
        services.TryAddSingleton(provider =>
        {
            // The algorithm makes its own random key.
            using var hmac = new HMACSHA256();
            return new RequestState(hmac.Key, provider.GetRequiredService<TimeProvider>());
        });
    }

    public static void Configure(McpServerOptions options, IServiceProvider services)
    {
        services.GetRequiredService<Catalog>().Adopt(options);
        if (options.ToolCollection!.TryGetPrimitive(SchemaTools.JsonSchema202012, out var tool))
        {
            tool.ProtocolTool.InputSchema = SchemaTools.Schema202012;
        }

        options.Handlers.CompleteHandler = (request, _) => ValueTask.FromResult(Completions.For(request.Params));

        options.Capabilities ??= new();
        (options.Capabilities.Resources ??= new()).Subscribe = true;

        // One set for each conversation: Configure runs once for each.
        var changes = services.GetRequiredService<Changes>();
        var subscriptions = new Subscriptions(changes, services.GetRequiredService<TimeProvider>());
        options.Handlers.SubscribeToResourcesHandler = (request, _) => ValueTask.FromResult(subscriptions.Add(request.Server, request.Params.Uri));
        options.Handlers.UnsubscribeFromResourcesHandler = (request, _) => ValueTask.FromResult(subscriptions.Remove(request.Params.Uri));
        options.Handlers.SubscriptionsListenHandler = (request, ct) => ListenStream.ServeAsync(request, changes, ct);
        AddFilters(options.Filters.Request);
    }

    /// <summary>Cache hints are required from 2026-07-28 on (SEP-2549); older clients ignore them.</summary>
    private static void AddFilters(McpRequestFilters filters)
    {
        filters.ListToolsFilters.Add(next => async (request, ct) => Hint(await next(request, ct), ListLifetime));
        filters.ListPromptsFilters.Add(next => async (request, ct) => Hint(await next(request, ct), ListLifetime));
        filters.ListResourcesFilters.Add(next => async (request, ct) => Hint(await next(request, ct), ListLifetime));
        filters.ListResourceTemplatesFilters.Add(next => async (request, ct) => Hint(await next(request, ct), ListLifetime));
        filters.ReadResourceFilters.Add(next => async (request, ct) =>
        {
            try
            {
                return Hint(await next(request, ct), ContentLifetime);
            }
            catch (McpProtocolException e) when (e.ErrorCode is McpErrorCode.InvalidParams or McpErrorCode.ResourceNotFound)
            {
                // The error's data names the resource that was not found (SEP-2164).
                e.Data["uri"] = request.Params.Uri;
                throw;
            }
        });
    }

    private static T Hint<T>(T result, TimeSpan lifetime)
        where T : ICacheableResult
    {
        (result.TimeToLive, result.CacheScope) = (lifetime, CacheScope.Public);
        return result;
    }
}
