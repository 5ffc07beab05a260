using System.Security.Cryptography;
using Dawn.Identity;

namespace Dawn.Sessions;

/// <summary>Signs what one direction of a session sends. Belongs to whoever flushes the session.</summary>
/// <param name="every">Frames to a signature, 1 to <see cref="Checkpoint.MaxCount"/>.</param>
internal sealed class CheckpointSigner(INodeIdentity identity, SessionDirection direction, byte[] saltKey, int every) : IDisposable
{
    private readonly Salts _salts = new(saltKey);
    private readonly LeafHash _hash = new();
    private readonly byte[] _previous = new byte[Checkpoint.HashSize];
    private byte[] _leaves = [];
    private int _count;
    private ulong _first;
    private ulong _number;
    private ulong _time;

    public bool HasLeaves => _count > 0;

    public bool IsFull => _count >= every;

    /// <summary>Takes a frame as it is sent for the first time, in the order of sequence.</summary>
    public void Add(ulong sequence, ReadOnlySpan<byte> frame)
    {
        if (_leaves.Length == _count * Checkpoint.HashSize)
        {
            // Small at first: most sessions say little, and there may be many.
            Array.Resize(ref _leaves, Math.Min(every, Math.Max(4, 2 * _count)) * Checkpoint.HashSize);
        }

        _first = _count == 0 ? sequence : _first;
        _hash.Leaf(_salts.Of(sequence), frame, _leaves.AsSpan(_count++ * Checkpoint.HashSize));
    }

    /// <summary>Signs what was taken since the last time, into a frame of <see cref="Checkpoint.FrameSize"/> bytes.</summary>
    public void Sign(Span<byte> frame, DateTimeOffset now)
    {
        Span<byte> root = stackalloc byte[Checkpoint.HashSize];
        _hash.Root(_leaves.AsSpan(0, _count * Checkpoint.HashSize), root);

        // The other end takes no time before the last, and clocks are set back now and then.
        _time = Math.Max(_time, (ulong)Math.Max(0, now.ToUnixTimeMilliseconds()));
        var checkpoint = new Checkpoint(_number++, _first, _count, _time);
        var signed = checkpoint.Signed(direction, _previous, root);
        var signature = identity.Sign(SigningLabel.Checkpoint, signed);
        _hash.Chain(signed, signature, _previous);
        checkpoint.WriteFrame(frame, signature);
        _count = 0;
    }

    public void Dispose()
    {
        _salts.Dispose();
        _hash.Dispose();
        CryptographicOperations.ZeroMemory(saltKey);
    }
}
