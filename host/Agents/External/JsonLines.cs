using System.Text.Json;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>JSON-RPC messages as lines of UTF-8, MCP's stdio framing. One reader and one writer at a time.</summary>
/// <param name="input">What the server says.</param>
/// <param name="output">What it is told.</param>
/// <param name="garbage">Told each line that is no message, cut to its beginning; such lines are skipped.</param>
internal sealed class JsonLines(Stream input, Stream output, Action<string> garbage)
{
    private const int InitialBuffer = 64 * 1024;

    // A line's beginning, for a log.
    private const int Excerpt = 120;

    private static readonly byte[] Newline = "\n"u8.ToArray();

    private byte[] _buffer = new byte[InitialBuffer];
    private int _start;
    private int _end;
    private bool _skipping;

    public long GarbageLines { get; private set; }

    /// <returns>Null at the end of the stream.</returns>
    public async ValueTask<JsonRpcMessage?> ReceiveAsync(CancellationToken cancellationToken)
    {
        var scanned = _start;
        while (true)
        {
            var newline = _buffer.AsSpan(scanned, _end - scanned).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                var line = new Range(_start, scanned + newline);
                _start = scanned = line.End.Value + 1;
                if (_skipping)
                {
                    _skipping = false;
                }
                else if (Parse(_buffer.AsSpan(line)) is { } message)
                {
                    return message;
                }

                continue;
            }

            MakeRoom();
            scanned = _end;
            var read = await input.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
            {
                return null;
            }

            _end += read;
        }
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        // System.Text.Json writes no raw line feed, so the message is one line.
        await output.WriteAsync(message, cancellationToken);
        await output.WriteAsync(Newline, cancellationToken);
        await output.FlushAsync(cancellationToken);
    }

    private JsonRpcMessage? Parse(ReadOnlySpan<byte> line)
    {
        line = line.TrimEnd((byte)'\r').Trim((byte)' ');
        if (line.StartsWith("\uFEFF"u8))
        {
            line = line[3..];
        }

        if (line.IsEmpty)
        {
            return null;
        }

        try
        {
            return JsonRpc.Deserialize(line);
        }
        catch (JsonException)
        {
            CountGarbage(line);
            return null;
        }
    }

    /// <summary>After this there is room behind <c>_end</c>; a line longer than any message may be is given up.</summary>
    private void MakeRoom()
    {
        if (_start == _end)
        {
            (_start, _end) = (0, 0);
            if (_buffer.Length > InitialBuffer)
            {
                // A large message came by; its memory is not kept for the small ones.
                _buffer = new byte[InitialBuffer];
            }
        }

        if (_end < _buffer.Length)
        {
            return;
        }

        if (_skipping || _end - _start >= MeshChannel.MaxMessage)
        {
            if (!_skipping)
            {
                CountGarbage(_buffer.AsSpan(_start, _end - _start));
            }

            _skipping = true;
            (_start, _end) = (0, 0);
            return;
        }

        var grown = _start > 0 ? _buffer : new byte[_buffer.Length * 2];
        _buffer.AsSpan(_start, _end - _start).CopyTo(grown);
        (_buffer, _start, _end) = (grown, 0, _end - _start);
    }

    private void CountGarbage(ReadOnlySpan<byte> line)
    {
        GarbageLines++;
        garbage(System.Text.Encoding.UTF8.GetString(line[..Math.Min(line.Length, Excerpt)]));
    }
}
