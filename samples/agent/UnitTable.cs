namespace Units;

/// <summary>A unit: a value in it, times the factor, plus the offset, is the value in the quantity's base unit.</summary>
public sealed record Unit(string Symbol, string Name, string Quantity, double Factor, double Offset = 0);

public static class UnitTable
{
    public static IReadOnlyDictionary<string, Unit> BySymbol { get; } = new Unit[]
    {
        new("m", "metre", "length", 1),
        new("km", "kilometre", "length", 1000),
        new("cm", "centimetre", "length", 0.01),
        new("mm", "millimetre", "length", 0.001),
        new("in", "inch", "length", 0.0254),
        new("ft", "foot", "length", 0.3048),
        new("mi", "mile", "length", 1609.344),
        new("nmi", "nautical mile", "length", 1852),
        new("g", "gram", "mass", 0.001),
        new("kg", "kilogram", "mass", 1),
        new("t", "tonne", "mass", 1000),
        new("oz", "ounce", "mass", 0.028349523125),
        new("lb", "pound", "mass", 0.45359237),
        new("l", "litre", "volume", 1),
        new("ml", "millilitre", "volume", 0.001),
        new("gal", "US gallon", "volume", 3.785411784),
        new("K", "kelvin", "temperature", 1),
        new("C", "degree Celsius", "temperature", 1, 273.15),
        new("F", "degree Fahrenheit", "temperature", 5.0 / 9, 273.15 - (32 * 5.0 / 9)),
    }.ToDictionary(unit => unit.Symbol);
}
