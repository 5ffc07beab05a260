namespace Dawn.Agents.Tests.Samples;

public sealed class UnitsTests
{
    [Theory(Timeout = 10_000)]
    [InlineData(26.2, "mi", "km", 42.1648128)]
    [InlineData(100, "C", "F", 212)]
    [InlineData(-40, "F", "C", -40)]
    [InlineData(1, "lb", "g", 453.59237)]
    public async Task Values_are_converted(double value, string from, string to, double expected)
    {
        await using var agent = LoadedAgent.Sample();
        await using var conversation = await agent.OpenAsync();
        var result = (await conversation.CallAsync("convert", ("value", value), ("from", from), ("to", to))).StructuredContent!.Value;
        Assert.Equal(expected, result.GetProperty("value").GetDouble(), 6);
        Assert.Equal(to, result.GetProperty("unit").GetString());
    }

    [Theory(Timeout = 10_000)]
    [InlineData(1, "mi", "kg", "two of the same")]
    [InlineData(1, "furlong", "km", "Known are")]
    [InlineData(1e308, "km", "mm", "too large")]
    public async Task What_cannot_be_converted_is_refused_with_advice(double value, string from, string to, string advice)
    {
        await using var agent = LoadedAgent.Sample();
        await using var conversation = await agent.OpenAsync();
        Assert.Contains(advice, (await conversation.CallAsync("convert", ("value", value), ("from", from), ("to", to))).Error(), StringComparison.Ordinal);
        Assert.Contains("length, mass", (await conversation.CallAsync("units", ("quantity", "joy"))).Error(), StringComparison.Ordinal);
        Assert.Contains("kelvin", (await conversation.CallAsync("units", ("quantity", "temperature"))).Text(), StringComparison.Ordinal);
    }
}
