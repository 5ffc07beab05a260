using System.ComponentModel;
using System.Globalization;
using System.Text.RegularExpressions;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.First;

public sealed record Throw(
    [property: Description("The expression, in its usual spelling.")] string Dice,
    [property: Description("What each die showed.")] IReadOnlyList<int> Rolls,
    [property: Description("What was added to them.")] int Modifier,
    [property: Description("The sum.")] int Total);

[McpServerToolType]
public sealed partial class DiceTools(Die die)
{
    // Bounds on what one call may cost, far above what games need.
    private const int MaxDice = 100;
    private const int MaxSides = 1000;
    private const int MaxModifier = 10_000;

    [McpServerTool(Name = "roll", Title = "Roll dice", ReadOnly = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Throws dice: 2d6 is two dice of six sides, d20 one of twenty, 3d8+2 adds two to the sum.")]
    public Throw Roll([Description("How many dice of how many sides, such as 2d6, d20 or 3d8+2.")] string dice = "2d6")
    {
        var parts = Expression.Match(dice.Length <= 32 ? dice : "");
        if (!parts.Success)
        {
            throw new McpException("Not a dice expression. Write count, d, sides and an optional modifier, such as 2d6, d20 or 3d8+2.");
        }

        var count = parts.Groups["count"].Length == 0 ? 1 : Number("count", 1, MaxDice);
        var sides = Number("sides", 2, MaxSides);
        var modifier = parts.Groups["modifier"].Length == 0 ? 0 : Number("modifier", -MaxModifier, MaxModifier);
        var rolls = new int[count];
        for (var i = 0; i < rolls.Length; i++)
        {
            rolls[i] = die(sides);
        }

        return new($"{count}d{sides}{(modifier == 0 ? "" : modifier.ToString("+0;-0", CultureInfo.InvariantCulture))}", rolls, modifier, rolls.Sum() + modifier);

        int Number(string name, int least, int most) =>
            int.TryParse(parts.Groups[name].ValueSpan, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                ? number
                : throw new McpException($"The {name} of '{dice}' must be between {least} and {most}.");
    }

    [GeneratedRegex(@"\A(?<count>[0-9]{0,9})[dD](?<sides>[0-9]{1,9})(?<modifier>[+-][0-9]{1,9})?\z")]
    private static partial Regex Expression { get; }
}
