using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>Tests that measure the process's memory: no others run meanwhile.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MeasuresMemory
{
    public const string Name = "measures memory";
}
