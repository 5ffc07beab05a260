using System.Buffers;
using System.Text.Json;
using Dawn.Agents;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>Lines over a byte stream: MCP's stdio framing, UTF-8, one message a line. One reader at a time; writers take turns.</summary>
/// <param name="endsLine">True where the end of the stream ends a line too: a pipe that somebody typed into. Else a torn line is dropped.</param>
internal sealed class ControlSocketLines(Stream stream, bool endsLine = false) : IAsyncDisposable
{
    private const int Usual = 16 * 1024;

    private readonly SemaphoreSlim _writing = new(1, 1);
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(Usual);
    private int _start, _end;

    /// <summary>Reads the next line that is not empty, without its end; good until the next read. Null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">The line is longer than <paramref name="max"/> bytes; the stream is of no use afterwards.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(int max, CancellationToken cancellationToken)
    {
        var scanned = _start;
        while (true)
        {
            var at = _buffer.AsSpan(scanned, _end - scanned).IndexOf((byte)'\n');
            if (at >= 0 || _end - _start > max)
            {
                // One byte of grace for the carriage return that some clients send.
                var length = (at < 0 ? _end : scanned + at) - _start;
                var line = Trim(_buffer.AsMemory(_start, length));
                if (line.Length > max)
                {
                    throw new InvalidDataException($"A line is longer than the limit of {max:N0} bytes.");
                }

                if (at >= 0)
                {
                    scanned = _start += length + 1;
                    if (line.IsEmpty)
                    {
                        continue;
                    }

                    return line;
                }
            }

            scanned = MakeRoom(max);
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
            {
                var rest = Trim(_buffer.AsMemory(_start, _end - _start));
                _start = _end;
                return endsLine && !rest.IsEmpty ? (ReadOnlyMemory<byte>?)rest : null;
            }

            _end += read;
        }
    }

    /// <summary>Writes one message as one line. Line breaks in it can only be white space between JSON tokens, and become blanks.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        var line = ArrayPool<byte>.Shared.Rent(message.Length + 1);
        await _writing.WaitAsync(cancellationToken);
        try
        {
            message.CopyTo(line);
            var written = line.AsSpan(0, message.Length);
            written.Replace((byte)'\n', (byte)' ');
            written.Replace((byte)'\r', (byte)' ');
            line[message.Length] = (byte)'\n';
            await stream.WriteAsync(line.AsMemory(0, message.Length + 1), cancellationToken);
            await stream.FlushAsync(cancellationToken);
        }
        finally
        {
            _writing.Release();
            ArrayPool<byte>.Shared.Return(line);
        }
    }

    public async ValueTask DisposeAsync() => await stream.DisposeAsync();

    private static Memory<byte> Trim(Memory<byte> line) => line is { IsEmpty: false } && line.Span[^1] == '\r' ? line[..^1] : line;

    /// <summary>Moves what is left to the front of a buffer with room; returns where the scan goes on.</summary>
    private int MakeRoom(int max)
    {
        var held = _end - _start;
        if (held == 0 && _buffer.Length > 64 * Usual)
        {
            // A long message has passed: its memory is not kept for the rest of the conversation.
            ArrayPool<byte>.Shared.Return(_buffer);
            (_buffer, _start, _end) = (ArrayPool<byte>.Shared.Rent(Usual), 0, 0);
        }
        else if (held == _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(2L * held, (long)max + 2));
            _buffer.AsSpan(_start, held).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            (_buffer, _start, _end) = (larger, 0, held);
            return held;
        }

        if (_start > 0)
        {
            _buffer.AsSpan(_start, held).CopyTo(_buffer);
            (_start, _end) = (0, held);
        }

        return held;
    }
}

/// <summary>Lines as the MCP SDK's transport. Disposing it closes the stream.</summary>
internal sealed class ControlSocketTransport : TransportBase
{
    private readonly ControlSocketLines _lines;
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _reading;

    public ControlSocketTransport(string name, ControlSocketLines lines, ILoggerFactory? loggers = null) : base(name, loggers)
    {
        _lines = lines;
        SetConnected();
        _reading = Task.Run(ReadAsync);
    }

    public override async Task SendMessageAsync(JsonRpcMessage message, CancellationToken cancellationToken = default) =>
        await _lines.WriteAsync(JsonRpc.Serialize(message), cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _lines.DisposeAsync();
        await _reading;
        SetDisconnected();
    }

    private async Task ReadAsync()
    {
        Exception? error = null;
        try
        {
            while (await _lines.ReadAsync(MeshChannel.MaxMessage, _ended.Token) is { } line)
            {
                JsonRpcMessage message;
                try
                {
                    message = JsonRpc.Deserialize(line.Span);
                }
                catch (JsonException e)
                {
                    // JSON-RPC 2.0, 5.1: a parse error has no id.
                    await SendMessageAsync(JsonRpcErrors.Create(default, JsonRpcErrors.ParseError, BoundedText.Cut(e.Message, BoundedText.MaxReason)), _ended.Token);
                    continue;
                }

                await WriteMessageAsync(message, _ended.Token);
            }
        }
        catch (Exception) when (_ended.IsCancellationRequested)
        {
            // Disposed while reading: the ordinary end.
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            error = e;
        }
        finally
        {
            SetDisconnected(error);
        }
    }
}
