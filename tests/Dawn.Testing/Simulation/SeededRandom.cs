namespace Dawn.Testing.Simulation;

/// <summary>SplitMix64: small, fast, and the same numbers for a seed on every machine and runtime, which <see cref="Random"/> doesn't promise.</summary>
internal sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next() => Mix(_state += 0x9E3779B97F4A7C15);

    public int Below(int count) => (int)(Next() % (ulong)count);

    /// <summary>From 0 up to, but not including, 1.</summary>
    public double Unit() => (Next() >> 11) * (1.0 / (1UL << 53));

    public bool Chance(double probability) => probability > 0 && Unit() < probability;

    public double Exponential(double mean) => -mean * Math.Log(1 - Unit());

    /// <summary>A stream of its own, so that more draws in one place change nothing in another.</summary>
    public static SeededRandom Of(ulong seed, ulong purpose) => new(Mix(Mix(seed + 0x9E3779B97F4A7C15) ^ Mix(purpose)));

    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
