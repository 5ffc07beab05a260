using System.Buffers;
using System.Buffers.Binary;

namespace Dawn.Sessions;

/// <summary>Frames that may become evidence once their signature is there.</summary>
internal sealed class EvidenceDraft : IDisposable
{
    // What a sender that signs as it should has under way; more is held for nobody, since a peer that never signs must not fill the memory.
    private const int MaxBytes = 4 * 1024 * 1024;

    private readonly Queue<int> _lengths = [];
    private byte[] _bytes = [];
    private int _used;

    public void Add(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> frame)
    {
        var length = Salts.Size + sizeof(ushort) + frame.Length;
        if (_used + length > MaxBytes)
        {
            _lengths.Enqueue(0);
            return;
        }

        if (_used + length > _bytes.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(4_096, 2 * (_used + length)));
            _bytes.AsSpan(0, _used).CopyTo(larger);
            Release();
            _bytes = larger;
        }

        var to = _bytes.AsSpan(_used);
        salt.CopyTo(to);
        BinaryPrimitives.WriteUInt16BigEndian(to[Salts.Size..], (ushort)frame.Length);
        frame.CopyTo(to[(Salts.Size + sizeof(ushort))..]);
        _lengths.Enqueue(length);
        _used += length;
    }

    /// <summary>The first frames are signed: hands them on and forgets them.</summary>
    public void Finish(IEvidenceSink evidence, in VerifiedCheckpoint checkpoint, int count)
    {
        var (length, isWhole) = (0, true);
        for (; count > 0; count--)
        {
            var next = _lengths.Dequeue();
            (length, isWhole) = (length + next, isWhole && next > 0);
        }

        if (isWhole)
        {
            evidence.Keep(checkpoint, _bytes.AsSpan(0, length));
        }
        else
        {
            evidence.Missed();
        }

        _used -= length;
        _bytes.AsSpan(length, _used).CopyTo(_bytes);
        if (_used == 0)
        {
            // Nothing is held for a session that is silent.
            Release();
            _bytes = [];
        }
    }

    public void Dispose()
    {
        Release();
        (_bytes, _used) = ([], 0);
    }

    private void Release()
    {
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }
    }
}
