using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Fuzz.Targets;

/// <summary>A connection whose other end answers; everything happens on the calling thread, and no pipe is ever full.</summary>
internal sealed class LiveConnection : ConnectionContext, IDuplexPipe
{
    private static readonly PipeOptions Options = new(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0);

    private readonly Pipe _toLink = new(Options);
    private readonly Pipe _fromLink = new(Options);

    /// <summary>What the link will read.</summary>
    public PipeWriter Say => _toLink.Writer;

    /// <summary>What it has said.</summary>
    public PipeReader Hear => _fromLink.Reader;

    public override string ConnectionId { get; set; } = "fuzz";

    public override EndPoint? RemoteEndPoint { get; set; } = new IPEndPoint(IPAddress.Parse("198.51.100.1"), 1);

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public override IDuplexPipe Transport { get => this; set => throw new NotSupportedException(); }

    public PipeReader Input => _toLink.Reader;

    public PipeWriter Output => _fromLink.Writer;

    // The link cancels its own reads and flushes; nothing here waits.
    public override void Abort(ConnectionAbortedException abortReason)
    {
    }
}
