using Dawn.Identity;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>A machine: its identity and disk outlive the processes that run on it.</summary>
internal sealed class SimulatedNode(int number, SimulatedIdentity identity, TimeSpan skew)
{
    public int Number => number;

    public NodeId Id { get; } = identity.Id;

    public SimulatedIdentity Identity => identity;

    public Uri Address { get; } = SimulatedNetwork.AddressOf(number);

    /// <summary>How far its wall clock is off.</summary>
    public TimeSpan Skew => skew;

    public SimulatedDisk Disk { get; } = new();

    public SimulatedLogFile Log { get; } = new();

    /// <summary>Does what it shouldn't; what it says of itself is no measure of anything.</summary>
    public bool IsByzantine { get; init; }

    /// <summary>It listens nowhere: it is reached over the links that it opens itself.</summary>
    public bool IsHidden { get; init; }

    public int Lives { get; set; }

    public SimulatedProcess? Process { get; set; }

    /// <summary>Null while it is down.</summary>
    public NodeParts? Parts { get; set; }

    public bool IsUp => Parts is not null;

    /// <summary>Who must know what this node signs of itself, before anybody can see it.</summary>
    public required Action<SimulatedNode, NodeRecord> Publishing { get; init; }

    public void OnPublishing(NodeRecord record) => Publishing(this, record);
}
