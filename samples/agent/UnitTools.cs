using System.ComponentModel;
using System.Globalization;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Units;

public sealed record Conversion(double Value, string Unit);

[McpServerToolType]
public static class UnitTools
{
    [McpServerTool(Name = "convert", Title = "Convert", ReadOnly = true, Idempotent = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Converts a value from one unit to another of the same quantity.")]
    public static Conversion Convert(
        [Description("The value.")] double value,
        [Description("The symbol of its unit, such as km.")] string from,
        [Description("The symbol of the unit wanted, such as mi.")] string to)
    {
        var (source, target) = (Find(from), Find(to));
        if (source.Quantity != target.Quantity)
        {
            throw new McpException($"{source.Name} is a unit of {source.Quantity}, {target.Name} one of {target.Quantity}: choose two of the same.");
        }

        // Twelve digits: what binary fractions leave behind them is noise.
        var result = ((value * source.Factor) + source.Offset - target.Offset) / target.Factor;
        return double.IsFinite(result) ? new(double.Parse(result.ToString("G12", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture), target.Symbol) : throw new McpException("The result is too large.");
    }

    [McpServerTool(Name = "units", Title = "List units", ReadOnly = true, Idempotent = true, OpenWorld = false)]
    [Description("Lists the units known, all or those of one quantity.")]
    public static string List([Description("length, mass, volume or temperature; all when left out.")] string? quantity = null)
    {
        var units = UnitTable.BySymbol.Values.Where(unit => quantity is null || unit.Quantity == quantity).ToList();
        return units.Count > 0
            ? string.Join('\n', units.Select(unit => $"{unit.Symbol}: {unit.Name} ({unit.Quantity})"))
            : throw new McpException("The quantities known are length, mass, volume and temperature.");
    }

    private static Unit Find(string symbol) =>
        UnitTable.BySymbol.TryGetValue(symbol, out var unit)
            ? unit
            : throw new McpException($"No unit with that symbol. Known are {string.Join(", ", UnitTable.BySymbol.Keys)}.");
}
