using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Dawn.Identity;

namespace Dawn.Gateway;

/// <summary>
/// The names of tools (or prompts) in the aggregate: <c>agent__tool</c>, unique, <c>[a-zA-Z0-9_-]{1,64}</c>. A name once given stays with its tool
/// while the process lives, whatever comes and goes, because people and models remember it. Thread-safe.
/// </summary>
internal sealed class PublicNames
{
    /// <summary>What the popular desktop clients take.</summary>
    public const int MaxLength = 64;

    // A bound for hostile agents that rename their tools for ever; a thousand agents of sixty-four tools stay below it.
    private const int MaxNames = 65_536;

    private const int HashLength = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<(AgentAddress Agent, string Name), string> _given = [];
    private readonly Dictionary<string, (AgentAddress Agent, string Name)> _owners = new(StringComparer.Ordinal);

    /// <summary>The public name, given now if it has none; null where there are too many.</summary>
    public string? NameOf(AgentAddress agent, string name)
    {
        lock (_lock)
        {
            if (_given.TryGetValue((agent, name), out var known))
            {
                return known;
            }

            if (_given.Count >= MaxNames)
            {
                return null;
            }

            // The plain name; for a newcomer that clashes with another node's a short NodeId; and what still clashes differs in its hash.
            var given = Candidates(agent, name).First(candidate => !_owners.ContainsKey(candidate));
            _given.Add((agent, name), given);
            _owners.Add(given, (agent, name));
            return given;
        }
    }

    public bool TryResolve(string publicName, [NotNullWhen(true)] out AgentAddress? agent, [NotNullWhen(true)] out string? name)
    {
        lock (_lock)
        {
            if (_owners.TryGetValue(publicName, out var owner))
            {
                (agent, name) = owner;
                return true;
            }

            (agent, name) = (null, null);
            return false;
        }
    }

    private static IEnumerable<string> Candidates(AgentAddress agent, string name)
    {
        var plain = $"{agent.Agent}__{name}";
        yield return Fit(plain, agent, name, hashed: false);
        var withNode = $"{agent.Agent}-{agent.Node.ToString()[..NodeId.MinPrefixLength]}__{name}";
        yield return Fit(withNode, agent, name, hashed: false);
        for (var salt = 0; ; salt++)
        {
            yield return Fit(plain, agent, $"{name}{(salt == 0 ? "" : $"\n{salt}")}", hashed: true);
        }
    }

    private static string Fit(string name, AgentAddress agent, string original, bool hashed)
    {
        var legal = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? c : '_'));
        if (!hashed && legal.Length <= MaxLength)
        {
            return legal;
        }

        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{agent}\n{original}")))[..HashLength];
        return $"{legal[..Math.Min(legal.Length, MaxLength - HashLength - 1)]}_{hash}";
    }
}
