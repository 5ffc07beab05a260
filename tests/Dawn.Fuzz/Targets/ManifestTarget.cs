using System.Text;
using Dawn.Identity;
using Dawn.Plugins;

namespace Dawn.Fuzz.Targets;

/// <summary>An <c>agent.json</c>, as it comes with a plugin from anywhere.</summary>
internal sealed class ManifestTarget : IFuzzTarget
{
    public string Name => "manifest";

    // Strings, and settings whose keys are spelled out in full: at most 512 characters each.
    public long AllocationLimit(int length) => 256 * 1024 + 4_096L * Math.Min(length, 64 * 1024);

    public void Run(ReadOnlySpan<byte> input)
    {
        try
        {
            var manifest = AgentManifest.Parse(input.ToArray(), "folder");
            Property.Holds(AgentId.IsValid(manifest.Id) && !AgentId.IsReserved(manifest.Id), $"'{manifest.Id}' is no agent's name");
        }
        catch (PluginException e)
        {
            // The documented way to refuse: with a cure.
            Property.Holds(e.Cure.Length > 0, "a refusal without a cure");
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        foreach (var json in new[]
        {
            "{}",
            """{"id":"first","title":"First","description":"An agent","enabled":true,"share":"members","tools":{"ping":"owners"},"settings":{"A":{"B":[1,true,null,"x"]}}}""",
            """
            { // comment
              "enabled": false, "settings": { "List": ["a", "b",], "Deep": {"a":{"b":{"c":{"d":{}}}}} },
            }
            """,
            """{"id":"\u0061gent","title":"\ud83d\ude00 é","tools":{"\u00e9":"members"}}""",
            """{"settings":{"a:b":1.5e300,"":""}}""",
            """{"id":"node"}""",
            """{"id":"a","description":"\ud83d","settings":{"\ude00":"\ud83d"}}""",
        })
        {
            yield return Encoding.UTF8.GetBytes(json);
        }
    }
}
