using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Dawn.Registries.OrSet;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Dawn.Benchmarks.Micro;

/// <summary>A record of a usual size, unsigned: checking signatures is the host's, and measured on its own.</summary>
internal sealed record PlainRecord : RegistryRecord
{
    private const int Size = 600;

    [SetsRequiredMembers]
    public PlainRecord(int node, ulong sequence)
        : base(NodeOf(node), sequence, DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue)
    {
        var bytes = new byte[Size];
        Node.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(NodeId.Size), sequence);
        Encoded = bytes;
    }

    private static NodeId NodeOf(int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return new(SHA256.HashData(bytes));
    }
}

/// <summary>A registry of 10,000 records to which newer ones come.</summary>
public class RegistryMergeBenchmarks : IRecordReader, IPluginData
{
    private const int Records = 10_000;
    private const int OnePercent = Records / 100;

    private AgentRegistry _registry = null!;
    private PlainRecord[] _next = [];
    private ulong _sequence = 1;

    /// <summary>Whether the log is written meanwhile; else it takes lines up to its bound and leaves out the rest.</summary>
    [Params(false, true)]
    public bool Logged { get; set; }

    public string Directory { get; private set; } = "";

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("registry-").FullName;
        _registry = new(Options.Create(new RegistrySettings()), this, this, TimeProvider.System, NullLogger<AgentRegistry>.Instance);
        if (Logged)
        {
            await _registry.StartAsync(CancellationToken.None);
        }

        Next();
        Apply();
    }

    [GlobalCleanup]
    public async Task CleanUpAsync()
    {
        await _registry.DisposeAsync();
        System.IO.Directory.Delete(Directory, true);
    }

    [IterationSetup]
    public void Next()
    {
        _next = [.. Enumerable.Range(0, Records).Select(node => new PlainRecord(node, _sequence))];
        _sequence++;
    }

    /// <summary>One remote change.</summary>
    [Benchmark(OperationsPerInvoke = Records)]
    public void Apply()
    {
        foreach (var record in _next)
        {
            _registry.Merge(record);
        }
    }

    /// <summary>Newer records of one node in a hundred.</summary>
    [Benchmark]
    public void MergeOnePercent()
    {
        foreach (var record in _next.AsSpan(0, OnePercent))
        {
            _registry.Merge(record);
        }
    }

    /// <summary>The fingerprint of all, after each change.</summary>
    [Benchmark(OperationsPerInvoke = Records)]
    public int SummaryAfterChange()
    {
        var sum = 0;
        foreach (var record in _next)
        {
            _registry.Merge(record);
            sum += _registry.Summary.Span[0];
        }

        return sum;
    }

    public RegistryRecord? Read(ReadOnlyMemory<byte> encoded, out string? problem)
    {
        problem = "nothing is read again";
        return null;
    }
}

/// <summary>Two registries of 10,000 records find out what they lack: both ends' work, without that of the records.</summary>
public class RegistryReconcileBenchmarks
{
    private readonly RangeTree _one = new();
    private readonly RangeTree _two = new();

    [Params(0, 1, 10, 100)]
    public int Differences { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        for (var node = 0; node < 10_000; node++)
        {
            _one.Put(new(new PlainRecord(node, 1)));
            _two.Put(new(new PlainRecord(node, node < Differences ? 2ul : 1)));
        }
    }

    [Benchmark]
    public int Reconcile()
    {
        var (here, there, records) = (_one, _two, 0);
        for (var reply = Answer(here, []); ; reply = Answer(here, reply.Message.Span))
        {
            records += reply.Records.Count;
            if (reply.Message.IsEmpty)
            {
                return records;
            }

            (here, there) = (there, here);
        }
    }

    private static RegistryReply Answer(RangeTree tree, ReadOnlySpan<byte> message) => new Reconciler(tree, _ => null, _ => true, _ => true).Answer(message);
}
