using System.Text;
using Dawn.Gateway;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class ControlSocketLinesTests
{
    [Theory(Timeout = 30_000)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public async Task LinesComeWholeHoweverTheyAreCut(int chunk)
    {
        var lines = Enumerable.Range(0, 50).Select(i => new string((char)('a' + i % 26), 1 + i * i * 20)).ToList();
        var text = Encoding.UTF8.GetBytes(string.Join("\r\n\n", lines) + "\ntorn");
        var reader = new ControlSocketLines(new ChunkStream(text, chunk));
        foreach (var line in lines)
        {
            Assert.Equal(line, Encoding.UTF8.GetString((await reader.ReadAsync(lines[^1].Length, TestContext.Current.CancellationToken))!.Value.Span));
        }

        Assert.Null(await reader.ReadAsync(100, TestContext.Current.CancellationToken));

        var strict = new ControlSocketLines(new ChunkStream(text, chunk));
        await Assert.ThrowsAsync<InvalidDataException>(async () =>
        {
            while (await strict.ReadAsync(lines[^1].Length - 1, TestContext.Current.CancellationToken) is not null)
            {
            }
        });
        Assert.Equal("torn", Encoding.UTF8.GetString((await new ControlSocketLines(new ChunkStream("torn"u8.ToArray(), chunk), endsLine: true).ReadAsync(9, TestContext.Current.CancellationToken))!.Value.Span));
    }

    private sealed class ChunkStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => base.ReadAsync(buffer[..Math.Min(chunk, buffer.Length)], cancellationToken);
    }
}
