namespace Dawn.Testing.Simulation;

/// <summary>One life of a node: the context in which all its code runs. After <see cref="Kill"/> none of it runs any more, not even a finally block, as after a power cut.</summary>
internal sealed class SimulatedProcess : SynchronizationContext
{
    private readonly Simulation _simulation;

    public SimulatedProcess(Simulation simulation, int node, TimeSpan skew)
    {
        (_simulation, Node) = (simulation, node);
        Clock = new(simulation, this, skew);
    }

    /// <summary>Whose life it is; negative for the world's own code.</summary>
    public int Node { get; }

    public VirtualTime Clock { get; }

    public bool IsDead { get; private set; }

    public void Kill() => IsDead = true;

    /// <summary>Runs something as code of this process, now.</summary>
    public void Run(Action action)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            action();
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    public override void Post(SendOrPostCallback d, object? state) => _simulation.Post(this, d, state);

    public override void Send(SendOrPostCallback d, object? state)
    {
        _simulation.Guard();
        d(state);
    }

    public override SynchronizationContext CreateCopy() => this;
}
