using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Dawn.Gateway;

/// <summary>Parts of the catalog that clients watch separately.</summary>
[Flags]
internal enum CatalogParts
{
    None = 0,
    Tools = 1,
    Prompts = 2,
    Resources = 4,
}

/// <summary>The lists of the aggregate at one moment, with public names and wrapped URIs. The objects belong to the view: copy before changing.</summary>
internal sealed record CatalogView(ImmutableArray<JsonObject> Tools, ImmutableArray<JsonObject> Prompts, ImmutableArray<JsonObject> Resources, ImmutableArray<JsonObject> Templates)
{
    public static CatalogView Empty { get; } = new([], [], [], []);
}
