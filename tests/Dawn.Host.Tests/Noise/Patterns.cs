using Dawn.Noise;

namespace Dawn.Tests.Noise;

/// <summary>The other patterns of Noise, revision 34 (sections 7.4, 7.5 and 18.1), which the public vectors use.</summary>
internal static class Patterns
{
    // Pre-messages before "...": > for the initiator's static key, < for the responder's. Messages are divided by "/".
    private static readonly Dictionary<string, string> Table = new()
    {
        ["N"] = "< ... e,es",
        ["K"] = "> < ... e,es,ss",
        ["X"] = "< ... e,es,s,ss",
        ["NN"] = "e/e,ee",
        ["NK"] = "< ... e,es/e,ee",
        ["NX"] = "e/e,ee,s,es",
        ["XN"] = "e/e,ee/s,se",
        ["XK"] = "< ... e,es/e,ee/s,se",
        ["XX"] = "e/e,ee,s,es/s,se",
        ["KN"] = "> ... e/e,ee,se",
        ["KK"] = "> < ... e,es,ss/e,ee,se",
        ["KX"] = "> ... e/e,ee,se,s,es",
        ["IN"] = "e,s/e,ee,se",
        ["IK"] = "< ... e,es,s,ss/e,ee,se",
        ["IX"] = "e,s/e,ee,se,s,es",
        ["NK1"] = "< ... e/e,ee,es",
        ["NX1"] = "e/e,ee,s/es",
        ["X1N"] = "e/e,ee/s/se",
        ["X1K"] = "< ... e,es/e,ee/s/se",
        ["XK1"] = "< ... e/e,ee,es/s,se",
        ["X1K1"] = "< ... e/e,ee,es/s/se",
        ["X1X"] = "e/e,ee,s,es/s/se",
        ["XX1"] = "e/e,ee,s/es,s,se",
        ["X1X1"] = "e/e,ee,s/es,s/se",
        ["K1N"] = "> ... e/e,ee/se",
        ["K1K"] = "> < ... e,es/e,ee/se",
        ["KK1"] = "> < ... e/e,ee,se,es",
        ["K1K1"] = "> < ... e/e,ee,es/se",
        ["K1X"] = "> ... e/e,ee,s,es/se",
        ["KX1"] = "> ... e/e,ee,se,s/es",
        ["K1X1"] = "> ... e/e,ee,s/se,es",
        ["I1N"] = "e,s/e,ee/se",
        ["I1K"] = "< ... e,es,s/e,ee/se",
        ["IK1"] = "< ... e,s/e,ee,se,es",
        ["I1K1"] = "< ... e,s/e,ee,es/se",
        ["I1X"] = "e,s/e,ee,s,es/se",
        ["IX1"] = "e,s/e,ee,se,s/es",
        ["I1X1"] = "e,s/e,ee,s/se,es",
    };

    /// <summary>The pattern of a name such as <c>XXpsk0+psk3</c>.</summary>
    public static HandshakePattern Parse(string name)
    {
        var modifiers = name.IndexOf("psk", StringComparison.Ordinal);
        var (known, messages) = Table[modifiers < 0 ? name : name[..modifiers]].Split(" ... ") is [var before, var rest] ? (before, rest) : ("", Table[modifiers < 0 ? name : name[..modifiers]]);
        var tokens = messages.Split('/').Select(message => message.Split(',').Select(token => Enum.Parse<NoiseToken>(token, ignoreCase: true)).ToList()).ToArray();
        foreach (var modifier in modifiers < 0 ? [] : name[modifiers..].Split('+'))
        {
            var position = int.Parse(modifier["psk".Length..], System.Globalization.CultureInfo.InvariantCulture);
            tokens[Math.Max(0, position - 1)].Insert(position == 0 ? 0 : tokens[position - 1].Count, NoiseToken.Psk);
        }

        return new HandshakePattern(name, known.Contains('>'), known.Contains('<'), [.. tokens.Select(message => message.ToArray())]);
    }
}
