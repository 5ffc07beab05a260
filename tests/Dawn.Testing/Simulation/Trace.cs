using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Dawn.Testing.Simulation;

/// <summary>What can be seen of a run.</summary>
internal enum TraceKind : byte
{
    Timer,
    Dial,
    DialFailed,
    Accept,
    Send,
    Arrive,
    Reset,
    LinkUp,
    LinkDown,
    Record,
    Publish,
    Frame,
    FrameLost,
    FrameDoubled,
    FrameLate,
    CallBegins,
    CallEnds,
    Executes,
    Start,
    Crash,
    Fault,
    Attack,
}

/// <summary>One event.</summary>
/// <param name="Time">Ticks since the start.</param>
/// <param name="Node">Where; negative for the world itself.</param>
/// <param name="A">A size, or the other node: what the kind has.</param>
/// <param name="B">Likewise.</param>
internal readonly record struct TraceEvent(long Time, int Node, TraceKind Kind, int A, int B)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Time / 1e7,11:0.000000} s  node {Node,4}  {Kind,-12} {A,8} {B,8}");
}

/// <summary>Every event of a run as one hash, counts by kind, and of each node the last ones, which tell what led to a failure.</summary>
internal sealed class Trace(int nodes) : IDisposable
{
    /// <summary>Events that are kept of each node.</summary>
    public const int Kept = 200;

    private const int Size = 24;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _pending = new byte[4096 * Size];
    private readonly TraceEvent[][] _last = new TraceEvent[nodes][];
    private readonly int[] _seen = new int[nodes];
    private readonly long[] _counts = new long[Enum.GetValues<TraceKind>().Length];
    private int _length;

    public long Count { get; private set; }

    public long CountOf(TraceKind kind) => _counts[(int)kind];

    public void Add(in TraceEvent item)
    {
        var to = _pending.AsSpan(_length, Size);
        BinaryPrimitives.WriteInt64LittleEndian(to, item.Time);
        BinaryPrimitives.WriteInt32LittleEndian(to[8..], item.Node);
        BinaryPrimitives.WriteInt32LittleEndian(to[12..], (int)item.Kind);
        BinaryPrimitives.WriteInt32LittleEndian(to[16..], item.A);
        BinaryPrimitives.WriteInt32LittleEndian(to[20..], item.B);
        _length += Size;
        if (_length == _pending.Length)
        {
            _hash.AppendData(_pending);
            _length = 0;
        }

        Count++;
        _counts[(int)item.Kind]++;
        if (item.Node >= 0)
        {
            (_last[item.Node] ??= new TraceEvent[Kept])[_seen[item.Node]++ % Kept] = item;
        }
    }

    /// <summary>The hash over all so far, as hexadecimal text.</summary>
    public string Hash()
    {
        _hash.AppendData(_pending, 0, _length);
        _length = 0;
        return Convert.ToHexStringLower(_hash.GetCurrentHash());
    }

    /// <summary>The last events of these nodes, in the order of time.</summary>
    public string Story(params int[] of)
    {
        var events = of.Where(node => node >= 0 && _last[node] is not null).Distinct()
            .SelectMany(node => Enumerable.Range(Math.Max(0, _seen[node] - Kept), Math.Min(Kept, _seen[node])).Select(i => _last[node][i % Kept]))
            .OrderBy(e => e.Time).TakeLast(Kept);
        return new StringBuilder().AppendJoin('\n', events).ToString();
    }

    public void Dispose() => _hash.Dispose();
}
