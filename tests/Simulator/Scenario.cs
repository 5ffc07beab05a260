namespace Dawn.Simulator;

/// <summary>What goes wrong in a run, between a fifth and half of its time; where and when exactly, the seed says.</summary>
internal sealed record Scenario(string Name)
{
    public FrameFaultRates? Frames { get; init; }

    /// <summary>How often a connection breaks, a minute.</summary>
    public double ResetsPerMinute { get; init; }

    /// <summary>How often a stream stands still for some seconds, a minute.</summary>
    public double StallsPerMinute { get; init; }

    /// <summary>The network falls in two; for a part of that time only one of them hears nothing.</summary>
    public bool IsPartitioned { get; init; }

    /// <summary>Part of the nodes that crash, and come back from their disk.</summary>
    public double Crashes { get; init; }

    /// <summary>Part of the nodes on a line a thousand times slower.</summary>
    public double Slow { get; init; }

    /// <summary>Members that lie, repeat and flood.</summary>
    public int Byzantine { get; init; }

    /// <summary>One node in so many listens, and the others are linked to some of these alone; all call all. 0 where every node listens.</summary>
    public int OneRelayIn { get; init; }

    /// <summary>How far wall clocks are off, at most.</summary>
    public TimeSpan Skew { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>What happens to frames goes on to the end, so that the run fails.</summary>
    public bool NeverEnds { get; init; }

    private static FrameFaultRates Lossy { get; } = new() { EnvelopeLost = 0.02, EnvelopeDoubled = 0.01, EnvelopeLate = 0.02, RecordLost = 0.01, RecordDoubled = 0.01, RecordLate = 0.02 };

    public static Scenario[] All { get; } =
    [
        new("calm"),
        new("lossy") { Frames = Lossy, ResetsPerMinute = 0.5, StallsPerMinute = 0.2, Slow = 0.05 },
        new("partition") { Frames = Lossy, ResetsPerMinute = 0.1, IsPartitioned = true },
        new("crashes") { Crashes = 0.1, ResetsPerMinute = 0.1 },
        new("byzantine") { Byzantine = 1 },
        new("relays") { OneRelayIn = 6, Crashes = 1, ResetsPerMinute = 0.3 },
        new("everything") { Frames = Lossy, ResetsPerMinute = 0.3, StallsPerMinute = 0.1, IsPartitioned = true, Crashes = 0.05, Slow = 0.05, Byzantine = 1 },
        // Gossip is lost for good: to see what a run looks like that fails, and that it does.
        new("broken") { Frames = new() { RecordLost = 1 }, NeverEnds = true },
    ];
}

/// <summary>One run, to the last bit.</summary>
internal sealed record RunSettings(Scenario Scenario, int Nodes, int Seconds, ulong Seed)
{
    public bool IsFifo { get; init; }

    /// <summary>Others that each node dials besides the next one of the ring.</summary>
    public int Chords { get; init; } = 2;

    /// <summary>How often each node calls another.</summary>
    public TimeSpan CallEvery { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan FaultsBegin => TimeSpan.FromSeconds(Seconds * 0.22);

    public TimeSpan FaultsEnd => TimeSpan.FromSeconds(Seconds * 0.5);

    /// <summary>By when all is as if nothing had been: a link that died in silence is noticed after 15 s, and dialled again within 8 s.</summary>
    public TimeSpan Settled => FaultsEnd + TimeSpan.FromSeconds(30);

    /// <summary>The one command that does it all again.</summary>
    public string Command =>
        $"dotnet run -c Release --project tests/Simulator -- --scenario {Scenario.Name} --nodes {Nodes} --seconds {Seconds} --seed {Seed}{(IsFifo ? " --fifo" : "")}";
}
