namespace Dawn.Benchmarks.Compare;

/// <summary>One contestant of a round.</summary>
internal sealed record Leg(string Name, Func<double, CancellationToken, Task<LoadResult>> RunAsync);

/// <summary>A number that Dawn is held to, or that is reported beside.</summary>
/// <param name="Comparator">Null where the number stands for itself.</param>
/// <param name="Ratio">Dawn's over the comparator's; null without one.</param>
/// <param name="Reach">What is to be reached; <c>none</c> where the figure is only reported.</param>
/// <param name="Spread">The largest of Dawn's rounds over the smallest, less one; how quiet the machine was.</param>
internal sealed record Figure(
    string Name, string Unit, double Dawn, double? Comparator, string? Against, double? Ratio, string Reach, bool Holds, double? Spread, double? ComparatorSpread);

/// <summary>What a figure must reach: at most, or at least.</summary>
internal sealed record Reach(double? RatioAtMost = null, double? RatioAtLeast = null, double? AtMost = null, double? AtLeast = null)
{
    public static Reach None { get; } = new();

    public bool Holds(double value, double? ratio) =>
        (RatioAtMost is not { } most || ratio <= most) && (RatioAtLeast is not { } least || ratio >= least)
        && (AtMost is not { } highest || value <= highest) && (AtLeast is not { } lowest || value >= lowest);

    public string Text(string unit)
    {
        List<string> parts = [];
        Add(RatioAtMost, "<= {0:0.00}x");
        Add(RatioAtLeast, ">= {0:0.00}x");
        Add(AtMost, "<= {0:0.##} " + unit);
        Add(AtLeast, ">= {0:0.##} " + unit);
        return parts.Count > 0 ? string.Join(" and ", parts) : "none";

        void Add(double? bound, string format)
        {
            if (bound is { } value)
            {
                parts.Add(string.Format(System.Globalization.CultureInfo.InvariantCulture, format, value));
            }
        }
    }
}

/// <summary>The values of one contestant, a number for each round.</summary>
internal sealed record Rounds(IReadOnlyList<double> Values)
{
    public double Median
    {
        get
        {
            double[] sorted = [.. Values.Order()];
            return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
        }
    }

    public double? Spread => Values.Count > 1 && Values.Min() > 0 ? Values.Max() / Values.Min() - 1 : null;

    /// <summary>As a figure against another contestant of the same rounds, or none.</summary>
    public Figure Against(Rounds? comparator, string name, string unit, string? against, Reach reach)
    {
        var ratio = comparator is null ? (double?)null : Median / comparator.Median;
        return new(name, unit, Median, comparator?.Median, against, ratio, reach.Text(unit), reach.Holds(Median, ratio), Spread, comparator?.Spread);
    }
}
