using Dawn.Registries.OrSet;
using Dawn.Testing.Registries;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace Dawn.Registries.Tests;

/// <summary>Registries of this plugin, with what its own tests set and look at.</summary>
public abstract class RegistryTestBase : IAsyncLifetime
{
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<AgentRegistry> _open = [];

    internal string Root { get; } = Directory.CreateTempSubdirectory("registry-").FullName;

    internal WatchedTime Time { get; } = new(new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    internal LogLines Lines { get; } = new();

    internal RegistrySettings Settings { get; } = new();

    internal string Database => Path.Combine(Root, "registry.db");

    internal static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var registry in _open)
        {
            await registry.DisposeAsync();
        }

        Directory.Delete(Root, true);
    }

    internal AgentRegistry Create()
    {
        using var logging = LoggerFactory.Create(builder => builder.AddProvider(Lines));
        var registry = new AgentRegistry(
            Options.Create(Settings), new TestRecordReader(Time), new RegistrySurroundings(Root, new TestRecordReader(Time), Time), Time, logging.CreateLogger<AgentRegistry>());
        _open.Add(registry);
        return registry;
    }

    internal async Task<AgentRegistry> StartAsync()
    {
        var registry = Create();
        await registry.StartAsync(Cancelled).WaitAsync(Patience, Cancelled);
        return registry;
    }

    /// <summary>Waits until a log that failed, and could go on now, has done so: the writer pauses by the fake clock.</summary>
    internal async Task RecoveredAsync()
    {
        var recovered = Lines.ComesAsync("is written again");
        while (!recovered.IsCompleted)
        {
            await Task.WhenAny(recovered, Time.Waiting).WaitAsync(Patience, Cancelled);
            Time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    internal Task CommitAsync(AgentRegistry registry) => registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);

    internal TestRecord Record(int node, ulong sequence = 1, int size = 0) => new(TestRecord.NodeOf(node), sequence, Time.GetUtcNow(), TimeSpan.FromHours(24), new byte[size]);

    internal async Task<List<RegistryEvent>> LogAsync(AgentRegistry registry)
    {
        var lines = new List<RegistryEvent>();
        await foreach (var line in registry.ReadLogAsync(null, Cancelled))
        {
            lines.Add(line);
        }

        return lines;
    }
}
