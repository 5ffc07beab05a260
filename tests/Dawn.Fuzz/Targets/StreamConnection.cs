using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Fuzz.Targets;

/// <summary>A connection whose other end has said all it will say; what this end says is kept.</summary>
/// <param name="piece">Into pieces of how many bytes what came is cut.</param>
internal sealed class StreamConnection(byte[] received, int piece = int.MaxValue) : ConnectionContext, IDuplexPipe
{
    private readonly MemoryStream _sent = new();

    public byte[] Sent => _sent.ToArray();

    public bool IsAborted { get; private set; }

    public override string ConnectionId { get; set; } = "fuzz";

    public override EndPoint? RemoteEndPoint { get; set; } = new IPEndPoint(IPAddress.Parse("198.51.100.1"), 1);

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public override IDuplexPipe Transport { get => this; set => throw new NotSupportedException(); }

    public PipeReader Input => field ??= PipeReader.Create(Cut(received, piece));

    public PipeWriter Output => field ??= PipeWriter.Create(_sent, new(leaveOpen: true));

    public override void Abort(ConnectionAbortedException abortReason) => IsAborted = true;

    private static ReadOnlySequence<byte> Cut(byte[] bytes, int piece)
    {
        if (bytes.Length <= piece)
        {
            return new(bytes);
        }

        var first = new Piece(bytes.AsMemory(0, piece), 0);
        var last = first;
        for (var at = piece; at < bytes.Length; at += piece)
        {
            last = last.Add(bytes.AsMemory(at, Math.Min(piece, bytes.Length - at)));
        }

        return new(first, 0, last, last.Memory.Length);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, long at) => (Memory, RunningIndex) = (memory, at);

        public Piece Add(ReadOnlyMemory<byte> memory)
        {
            var next = new Piece(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
