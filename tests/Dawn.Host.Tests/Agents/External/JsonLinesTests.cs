using System.IO.Pipelines;
using System.Text;
using CsCheck;
using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Agents.External;

public sealed class JsonLinesTests
{
    [Fact]
    public async Task Messages_survive_any_split_and_any_garbage_between_them()
    {
        var line = Gen.OneOf(
            Gen.Int[0, 100_000].Select(length => (IsMessage: true, Text: """{"method":"m","params":{"x":""" + $"\"{new string('x', length)}\"}},\"jsonrpc\":\"2.0\"}}")),
            Gen.OneOf(new[] { "", " ", "\r", "hello", "{", "[]", "null", "1", "{\"jsonrpc\":\"2.0\"}", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"m\"}", "\0\u0001" }.Select(text => Gen.Const(text)).ToArray()).Select(text => (IsMessage: false, Text: text)));
        await Gen.Select(line.Array[0, 20], Gen.Int[1, 70_000]).SampleAsync(
            async (lines, size) =>
            {
                var bytes = Encoding.UTF8.GetBytes(string.Concat(lines.Select(one => one.Text + "\n")));
                var garbage = 0;
                var reader = new JsonLines(new SlicedStream(bytes, size), Stream.Null, _ => garbage++);
                foreach (var expected in lines.Where(one => one.IsMessage))
                {
                    var message = Assert.IsType<JsonRpcNotification>(await reader.ReceiveAsync(CancellationToken.None));
                    Assert.Equal(expected.Text, Encoding.UTF8.GetString(JsonRpc.Serialize(message)));
                }

                Assert.Null(await reader.ReceiveAsync(CancellationToken.None));
                Assert.Equal(lines.Count(one => !one.IsMessage && one.Text.Trim().Length > 0), garbage);
            },
            iter: 200);
    }

    [Fact]
    public async Task A_line_longer_than_any_message_is_given_up_without_holding_it()
    {
        var pipe = new Pipe(new(pauseWriterThreshold: 0));
        var garbage = new List<string>();
        var reader = new JsonLines(pipe.Reader.AsStream(), Stream.Null, garbage.Add);
        var chunk = Enumerable.Repeat((byte)'x', 1 << 20).ToArray();
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i <= MeshChannel.MaxMessage / chunk.Length * 2; i++)
            {
                await pipe.Writer.WriteAsync(chunk, CancellationToken.None);
            }

            await pipe.Writer.WriteAsync("\n{\"jsonrpc\":\"2.0\",\"method\":\"m\"}\n"u8.ToArray(), CancellationToken.None);
            await pipe.Writer.CompleteAsync();
        }, TestContext.Current.CancellationToken);
        Assert.IsType<JsonRpcNotification>(await reader.ReceiveAsync(TestContext.Current.CancellationToken));
        await writing;
        Assert.Single(garbage);
        Assert.Equal(120, garbage[0].Length);
    }

    [Fact]
    public async Task A_message_is_one_line()
    {
        using var stream = new MemoryStream();
        var writer = new JsonLines(Stream.Null, stream, _ => { });
        await writer.SendAsync(JsonRpc.Serialize(JsonRpc.Deserialize("""{"jsonrpc":"2.0","method":"a\nb","params":{"x":"\n\r"}}"""u8)), TestContext.Current.CancellationToken);
        Assert.Equal((byte)'\n', stream.ToArray()[^1]);
        Assert.Equal(1, stream.ToArray().Count(one => one == (byte)'\n'));
    }

    /// <summary>Gives its bytes in reads of one size at most.</summary>
    private sealed class SlicedStream(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(size, buffer.Length)], cancellationToken);
    }
}
