namespace Dawn.Fuzz;

/// <summary>Something of Dawn that takes bytes from strangers, with what must hold whatever they are.</summary>
/// <remarks>One thread at a time; the same inputs in the same order do the same.</remarks>
public interface IFuzzTarget
{
    string Name { get; }

    /// <summary>Bytes that an input of this length may make the thread allocate.</summary>
    long AllocationLimit(int length) => 128 * 1024 + 64L * length;

    /// <summary>Feeds one input. What comes out as an exception is a finding.</summary>
    void Run(ReadOnlySpan<byte> input);

    /// <summary>Valid inputs, always the same.</summary>
    IEnumerable<byte[]> Seeds();
}

/// <summary>Something that must hold did not.</summary>
public sealed class PropertyException(string what) : Exception(what);

/// <summary>States what must hold.</summary>
internal static class Property
{
    public static void Holds(bool condition, string what)
    {
        if (!condition)
        {
            throw new PropertyException(what);
        }
    }

    /// <summary>What parses encodes to the same bytes: nothing has two forms.</summary>
    public static void Canonical(ReadOnlySpan<byte> input, ReadOnlySpan<byte> again) =>
        Holds(input.SequenceEqual(again), $"what parses encodes to other bytes: {Convert.ToHexStringLower(again)}");
}
