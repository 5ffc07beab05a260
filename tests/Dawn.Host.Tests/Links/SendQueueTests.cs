using System.Buffers;
using CsCheck;
using Dawn.Links;
using Dawn.Noise;
using Xunit;

namespace Dawn.Tests.Links;

public class SendQueueTests
{
    [Fact]
    public void Whatever_is_added_and_taken_each_frame_leaves_once_in_order_under_its_own_key() =>
        // 0 to 6 add a frame of that size, 7 switches, 8 and 9 take.
        Gen.Int[0, 9].Array[0, 200].Sample(steps =>
        {
            var queue = new SendQueue(1 << 20, SendScheduler.Inline);
            var (added, left) = (new List<byte[]>(), new List<byte[]>());
            var (epoch, writerEpoch) = ((byte)0, (byte)0);
            var keys = new Queue<Aead>();
            var isPending = false;
            foreach (var step in steps.Append(8).Append(8))
            {
                if (step < 7)
                {
                    byte[] body = [epoch, (byte)added.Count, .. new byte[step]];
                    Assert.True(queue.TryAdd(LinkFrame.Envelope, default, body));
                    added.Add(body);
                }
                else if (step == 7 && isPending)
                {
                    Assert.Throws<InvalidOperationException>(() => queue.TrySwitch(null));
                }
                else if (step == 7)
                {
                    keys.Enqueue(Aead.CreateBrief(new byte[32]));
                    Assert.True(queue.TrySwitch(keys.Last()));
                    (epoch, isPending) = ((byte)(epoch + 1), true);
                }
                else
                {
                    var waiting = queue.WaitAsync().AsTask();
                    if (!waiting.IsCompleted)
                    {
                        // An abort would answer it; so does a frame.
                        Assert.True(queue.TryAdd(LinkFrame.Padding, default, default));
                    }

                    Assert.True(waiting.Wait(Eventually.Patience, TestContext.Current.CancellationToken));
                    Take();
                }
            }

            Take();
            Assert.Equal(added, left);

            void Take()
            {
                var batch = queue.Take();
                if (batch.Frames.Array is null)
                {
                    return;
                }

                ReadOnlySpan<byte> frames = batch.Frames;
                var isSwitched = false;
                while (!frames.IsEmpty)
                {
                    Assert.False(isSwitched);
                    var body = frames[3..(3 + (frames[1] << 8) + frames[2])];
                    isSwitched = (LinkFrame)frames[0] == LinkFrame.Switch;
                    if ((LinkFrame)frames[0] == LinkFrame.Envelope)
                    {
                        Assert.Equal(writerEpoch, body[0]);
                        left.Add(body.ToArray());
                    }

                    frames = frames[(3 + body.Length)..];
                }

                Assert.Equal(isSwitched, batch.EndsEpoch);
                if (batch.EndsEpoch)
                {
                    Assert.Same(keys.Dequeue(), batch.Next);
                    batch.Next!.Dispose();
                    (writerEpoch, isPending) = ((byte)(writerEpoch + 1), false);
                }

                ArrayPool<byte>.Shared.Return(batch.Frames.Array);
                queue.OnFlushed();
            }
        }, iter: 300, threads: 1);

    [Fact]
    public void A_full_queue_has_room_for_new_keys_and_a_close_whatever_pongs_have_taken()
    {
        var queue = new SendQueue(10_000, SendScheduler.Inline);
        Fill(LinkFrame.Envelope, 500);
        Fill(LinkFrame.Pong, 8);
        Assert.False(queue.TryAdd(LinkFrame.Pong, default, new byte[8]));
        Assert.True(queue.TryAdd(LinkFrame.Rekey, [2], new byte[PeerHandshake.MaxMessage]));
        Assert.True(queue.TrySwitch(null));
        Fill(LinkFrame.Rekey, 100);
        Assert.True(queue.TryAdd(LinkFrame.Close, CloseFrame.Encode(LinkEnd.Limit, new string('x', 300)), default, isLast: true));
        Assert.False(queue.TrySwitch(null));
        Assert.True(queue.Take().EndsEpoch);
        Assert.False(queue.Take().EndsEpoch);

        void Fill(LinkFrame type, int size)
        {
            while (queue.TryAdd(type, default, new byte[size]))
            {
            }
        }
    }

    [Fact]
    public async Task An_abort_disposes_a_key_that_nobody_took()
    {
        var queue = new SendQueue(10_000, SendScheduler.Inline);
        var key = Aead.CreateBrief(new byte[32]);
        Assert.True(queue.TrySwitch(key));
        queue.Abort();
        Assert.Throws<ObjectDisposedException>(() => key.Seal(0, default, default, new byte[Aead.TagSize]));
        Assert.Null(queue.Take().Frames.Array);
        Assert.False(await queue.WaitAsync());
    }
}
