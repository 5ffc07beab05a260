using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Xunit;

namespace Dawn.Testing.Transports;

public abstract partial class TransportTestKit
{
    [Fact(Timeout = Limit)]
    public async Task Much_goes_both_ways_at_once_unharmed()
    {
        const int Megabytes = 32;
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        var sums = await Task.WhenAll(
            PourAsync(dialled, 1, Megabytes), PourAsync(accepted, 2, Megabytes),
            DrainAsync(accepted, Megabytes), DrainAsync(dialled, Megabytes)).WaitAsync(Cancelled);
        Assert.Equal(sums[0], sums[2]);
        Assert.Equal(sums[1], sums[3]);
    }

    [Fact(Timeout = Limit)]
    public async Task One_great_write_arrives_whole()
    {
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        var bytes = Bytes(3, 1024 * 1024 + 1);
        var receiving = ReceiveAsync(accepted, bytes.Length);
        await SendAsync(dialled, bytes);
        Assert.Equal(bytes, await receiving);
    }

    [Fact(Timeout = Limit)]
    public async Task Many_small_writes_stay_in_order()
    {
        const int Count = 20_000;
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        var writing = Task.Run(
            async () =>
            {
                var number = new byte[4];
                for (var i = 0; i < Count; i++)
                {
                    BinaryPrimitives.WriteInt32BigEndian(number, i);
                    await SendAsync(dialled, number);
                }
            },
            Cancelled);
        var heard = await ReceiveAsync(accepted, 4 * Count, Patience * 4);
        await writing;
        for (var i = 0; i < Count; i++)
        {
            Assert.Equal(i, BinaryPrimitives.ReadInt32BigEndian(heard.AsSpan(4 * i)));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Fifty_connections_at_once_do_not_mix()
    {
        const int Count = 50;
        var listener = await ListenAsync();
        var serving = Task.Run(
            async () =>
            {
                var echoes = new List<Task>();
                for (var i = 0; i < Count; i++)
                {
                    echoes.Add(EchoAsync(Keep((await listener.AcceptAsync(Cancelled))!), 1000));
                }

                await Task.WhenAll(echoes);
            },
            Cancelled);
        await Task.WhenAll(Enumerable.Range(0, Count).Select(async i =>
        {
            var dialled = Keep(await Transport.ConnectAsync(listener.EndPoint, Cancelled));
            var said = Bytes(i, 1000);
            await SendAsync(dialled, said);
            Assert.Equal(said, await ReceiveAsync(dialled, said.Length, Patience * 2));
        }));
        await serving;
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_writer_waits_for_a_reader_that_does_not_read(bool byDialler)
    {
        // More than the buffers of both kernels may grow to; a transport that takes it all holds it all in memory.
        const int TooMuch = 64 * 1024 * 1024;
        var (here, there) = await PairAsync(await ListenAsync(), byDialler);
        var chunk = Bytes(5, 64 * 1024);
        var written = 0L;
        Task writing;
        do
        {
            Assert.True(written < TooMuch, "Nothing holds the writer back.");
            writing = here.Transport.Output.WriteAsync(chunk, Cancelled).AsTask();
            written += chunk.Length;
        }
        while (await Task.WhenAny(writing, Task.Delay(TimeSpan.FromSeconds(1), Cancelled)) == writing);

        var heard = await ReceiveAsync(there, (int)written, Patience * 2);
        await writing.WaitAsync(Patience, Cancelled);
        for (var at = 0; at < heard.Length; at += chunk.Length)
        {
            Assert.True(heard.AsSpan(at, chunk.Length).SequenceEqual(chunk));
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_abort_frees_a_writer_that_waits(bool byDialler)
    {
        var (here, _) = await PairAsync(await ListenAsync(), byDialler);
        var chunk = new byte[64 * 1024];
        var writing = Task.Run(
            async () =>
            {
                try
                {
                    while (!(await here.Transport.Output.WriteAsync(chunk, Cancelled)).IsCompleted)
                    {
                    }
                }
                catch (IOException)
                {
                    // One of the two ways to be told.
                }
            },
            Cancelled);
        here.Abort();
        await writing.WaitAsync(Patience, Cancelled);
    }

    [Fact(Timeout = Limit)]
    public async Task Small_questions_are_answered_without_delay()
    {
        // Nagle's algorithm (RFC 896) with delayed acknowledgements costs 40 ms for each write that follows a write.
        const int Rounds = 200;
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        var serving = Task.Run(
            async () =>
            {
                for (var i = 0; i < Rounds; i++)
                {
                    var question = await ReceiveAsync(accepted, 200);
                    await SendAsync(accepted, question[..4]);
                    await SendAsync(accepted, question[4..]);
                }
            },
            Cancelled);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < Rounds; i++)
        {
            var question = Bytes(i, 200);
            await SendAsync(dialled, question[..4]);
            await SendAsync(dialled, question[4..]);
            Assert.Equal(question, await ReceiveAsync(dialled, 200));
        }

        await serving;
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(4), $"{Rounds} rounds took {clock.Elapsed}.");
    }

    /// <summary>Listens at <see cref="Address"/> until the case ends.</summary>
    protected async Task<IConnectionListener> ListenAsync() => Keep(await Transport.BindAsync(new UriEndPoint(new Uri(Address)), Cancelled));

    /// <summary>Dials and accepts one connection.</summary>
    /// <param name="hereDials">Which end comes first in the result.</param>
    protected async Task<(ConnectionContext Here, ConnectionContext There)> PairAsync(IConnectionListener listener, bool hereDials = true)
    {
        var accepting = listener.AcceptAsync(Cancelled).AsTask();
        var dialled = Keep(await Transport.ConnectAsync(listener.EndPoint, Cancelled).AsTask().WaitAsync(Patience, Cancelled));
        var accepted = Keep((await accepting.WaitAsync(Patience, Cancelled))!);
        return hereDials ? (dialled, accepted) : (accepted, dialled);
    }

    /// <summary>Writes and flushes.</summary>
    protected static async Task SendAsync(ConnectionContext to, byte[] bytes) =>
        await to.Transport.Output.WriteAsync(bytes, Cancelled).AsTask().WaitAsync(Patience, Cancelled);

    /// <summary>Reads exactly so many bytes.</summary>
    protected static async Task<byte[]> ReceiveAsync(ConnectionContext from, int count, TimeSpan? patience = null)
    {
        using var patient = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        patient.CancelAfter(patience ?? Patience);
        var bytes = new byte[count];
        var at = 0;
        while (at < count)
        {
            var read = await from.Transport.Input.ReadAsync(patient.Token);
            var part = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, count - at));
            part.CopyTo(bytes.AsSpan(at));
            at += (int)part.Length;
            from.Transport.Input.AdvanceTo(part.End);
            Assert.True(at == count || !read.IsCompleted, $"The stream ended after {at} of {count} bytes.");
        }

        return bytes;
    }

    private static async Task EndOfStreamAsync(ConnectionContext of)
    {
        try
        {
            while (true)
            {
                var read = await of.Transport.Input.ReadAsync(Cancelled);
                of.Transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException)
        {
            // An end as well: that of a connection that broke.
        }
    }

    private static async Task EchoAsync(ConnectionContext connection, int count) => await SendAsync(connection, await ReceiveAsync(connection, count, Patience * 2));

    private static async Task<string> PourAsync(ConnectionContext to, int seed, int megabytes)
    {
        await Task.Yield();
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var i = 0; i < megabytes * 16; i++)
        {
            var bytes = Bytes(seed * 1000 + i, 64 * 1024);
            sum.AppendData(bytes);
            await to.Transport.Output.WriteAsync(bytes, Cancelled);
        }

        return Convert.ToHexString(sum.GetHashAndReset());
    }

    private static async Task<string> DrainAsync(ConnectionContext from, int megabytes)
    {
        await Task.Yield();
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var left = (long)megabytes * 1024 * 1024; left > 0;)
        {
            var read = await from.Transport.Input.ReadAsync(Cancelled);
            foreach (var part in read.Buffer)
            {
                sum.AppendData(part.Span);
            }

            left -= read.Buffer.Length;
            from.Transport.Input.AdvanceTo(read.Buffer.End);
            Assert.True(left <= 0 || !read.IsCompleted, $"The stream ended {left} bytes too soon.");
        }

        return Convert.ToHexString(sum.GetHashAndReset());
    }

    private static Task Fired(CancellationToken token)
    {
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        token.UnsafeRegister(static f => ((TaskCompletionSource)f!).TrySetResult(), fired);
        return fired.Task;
    }

    private static byte[] Bytes(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private T Keep<T>(T made) where T : IAsyncDisposable
    {
        lock (_made)
        {
            _made.Add(made);
        }

        return made;
    }
}
