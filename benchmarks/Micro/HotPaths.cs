using System.IO.Pipelines;
using System.Text.Json.Nodes;
using BenchmarkDotNet.Attributes;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Benchmarks.Micro;

/// <summary>A link's records: sealed into a pipe, and taken out and opened again.</summary>
public class RecordBenchmarks
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private readonly byte[] _opened = new byte[RecordWriter.MaxRecord + Aead.TagSize];
    private byte[] _frames = [];
    private RecordWriter _writer = null!;
    private RecordReader _reader = null!;

    [Params(300, 16_600, 65_000)]
    public int Size { get; set; }

    [Params(true, false)]
    public bool Sealed { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var key = Entropy.System.Bytes(Aead.KeySize);
        _writer = new(_pipe.Writer, Sealed ? Aead.Create(key) : null);
        _reader = new(Sealed ? Aead.Create(key) : null);
        _frames = new byte[Size];
        (_frames[0], _frames[1], _frames[2]) = ((byte)LinkFrame.Padding, (byte)((Size - 3) >> 8), (byte)(Size - 3));
    }

    [Benchmark]
    public bool SealAndOpen()
    {
        _writer.Write(_frames);
        var flush = _pipe.Writer.FlushAsync();
        if (!flush.IsCompletedSuccessfully || !_pipe.Reader.TryRead(out var read))
        {
            throw new InvalidOperationException("The pipe waits.");
        }

        var buffer = read.Buffer;
        if (!RecordReader.TryTake(ref buffer, out var body))
        {
            throw new InvalidOperationException("The record is not whole.");
        }

        var length = (int)body.Length;
        System.Buffers.BuffersExtensions.CopyTo(body, _opened);
        _pipe.Reader.AdvanceTo(buffer.Start);
        return _reader.TryOpen(_opened.AsSpan(0, length), out _);
    }
}

/// <summary>What is done to headers and small parts for each message.</summary>
public class FramingBenchmarks
{
    private readonly byte[] _envelope = new byte[EnvelopeHeader.Size + 250];
    private readonly byte[] _data = new byte[200];
    private readonly byte[] _frame = new byte[Frame.DataOverhead + 200];
    private readonly ReplayWindow _window = new();
    private EnvelopeHeader _header;
    private ulong _nonce;

    [GlobalSetup]
    public void SetUp()
    {
        var (a, b) = (new NodeId(Entropy.System.Bytes(NodeId.Size)), new NodeId(Entropy.System.Bytes(NodeId.Size)));
        _header = new(EnvelopeKind.Segment, 0, EnvelopeHeader.DefaultHopLimit, 1, a, b, 2, 250);
        _header.Write(_envelope);
        Frame.WriteData(_frame, 1, 0, true, _data);
    }

    [Benchmark]
    public void EnvelopeWrite() => _header.Write(_envelope);

    [Benchmark]
    public bool EnvelopeRead() => EnvelopeHeader.TryRead(_envelope, out _);

    [Benchmark]
    public int FrameWrite() => Frame.WriteData(_frame, 1, 0, true, _data);

    [Benchmark]
    public int FrameRead()
    {
        ReadOnlySpan<byte> rest = _frame;
        return Frame.TryRead(ref rest, out var frame) ? frame.Body.Length : -1;
    }

    [Benchmark]
    public bool ReplayWindowTake()
    {
        var fresh = _window.IsFresh(_nonce);
        _window.Take(_nonce++);
        return fresh;
    }
}

/// <summary>A call as JSON, between the SDK's objects and a channel's bytes.</summary>
public class JsonBenchmarks
{
    private readonly JsonRpcRequest _request = new()
    {
        Id = new RequestId(1),
        Method = RequestMethods.ToolsCall,
        Params = new JsonObject { ["name"] = "echo", ["arguments"] = new JsonObject { ["text"] = new string('x', 200) } },
    };

    private byte[] _utf8 = [];

    [GlobalSetup]
    public void SetUp() => _utf8 = JsonRpc.Serialize(_request);

    [Benchmark]
    public byte[] Write() => JsonRpc.Serialize(_request);

    [Benchmark]
    public object Read() => JsonRpc.Deserialize(_utf8);
}
