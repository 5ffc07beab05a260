using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Conformance;

/// <summary>The resources that one conversation watches, up to 2025-11-25.</summary>
internal sealed class Subscriptions
{
    // One resource here can be watched; more are remembered only as far as a client plausibly needs.
    private const int MaxUris = 64;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _uris = [];

    public EmptyResult Add(string uri)
    {
        lock (_lock)
        {
            if (_uris.Count == MaxUris && !_uris.Contains(uri))
            {
                throw new McpProtocolException($"A conversation watches at most {MaxUris} resources; unsubscribe from some.", McpErrorCode.InvalidParams);
            }

            _uris.Add(uri);
            return new();
        }
    }

    public EmptyResult Remove(string uri)
    {
        lock (_lock)
        {
            _uris.Remove(uri);
            return new();
        }
    }
}
