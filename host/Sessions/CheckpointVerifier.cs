using System.Security.Cryptography;
using Dawn.Identity;

namespace Dawn.Sessions;

/// <summary>Checks the signatures over what one direction of a session brings. Belongs to whoever opens the session's segments.</summary>
/// <param name="certificate">The sender's.</param>
/// <param name="evidence">Keeps what has verified; null where nobody does.</param>
internal sealed class CheckpointVerifier(SessionDirection direction, Certificate certificate, byte[] saltKey, IEvidenceSink? evidence) : IDisposable
{
    /// <summary>Frames without a signature, at most: a sender that signs as it should is never further behind than what fits into a segment and a checkpoint.</summary>
    public const int MaxUncovered = 8_192;

    private readonly Salts _salts = new(saltKey);
    private readonly LeafHash _hash = new();
    private readonly byte[] _previous = new byte[Checkpoint.HashSize];
    private readonly EvidenceDraft? _draft = evidence is null ? null : new();
    private (ulong Sequence, long At)[] _uncovered = [];
    private byte[] _leaves = [];
    private int _count;
    private ulong _number;
    private ulong _time;

    /// <summary>The one that the sender showed last.</summary>
    public Certificate Certificate { get; set; } = certificate;

    /// <summary>When the oldest frame without a signature came; null where all have one.</summary>
    public long? UncoveredSince => _count > 0 ? _uncovered[0].At : null;

    /// <summary>Takes a frame in the order of sequence; returns what the other end did wrong, in words, or null.</summary>
    public string? Add(ulong sequence, ReadOnlySpan<byte> frame, long now)
    {
        if (_count == MaxUncovered)
        {
            return $"more than {MaxUncovered} frames without a signature";
        }

        if (_count == _uncovered.Length)
        {
            var size = Math.Max(4, 2 * _count);
            Array.Resize(ref _uncovered, size);
            Array.Resize(ref _leaves, size * Checkpoint.HashSize);
        }

        var salt = _salts.Of(sequence);
        _hash.Leaf(salt, frame, _leaves.AsSpan(_count * Checkpoint.HashSize));
        _uncovered[_count++] = (sequence, now);
        _draft?.Add(salt, frame);
        return null;
    }

    /// <summary>Takes the body of a checkpoint; returns what is wrong with it, in words, or null.</summary>
    public string? Take(ReadOnlySpan<byte> body)
    {
        if (!Checkpoint.TryRead(body, out var checkpoint, out var signature))
        {
            return $"a checkpoint of {body.Length} bytes";
        }

        var (number, first, count, time) = checkpoint;
        if (number != _number)
        {
            return $"checkpoint {number} where {_number} was due";
        }

        if (count is 0 or > Checkpoint.MaxCount || count > _count)
        {
            return $"checkpoint {number} covers {count} frames where {_count} have come";
        }

        if (first != _uncovered[0].Sequence)
        {
            return $"checkpoint {number} begins with frame {first} where {_uncovered[0].Sequence} was due";
        }

        if (time < _time || time > Checkpoint.MaxTime)
        {
            return $"checkpoint {number} is from before the last, or from no time at all";
        }

        Span<byte> root = stackalloc byte[Checkpoint.HashSize];
        var leaves = _leaves.AsSpan(0, count * Checkpoint.HashSize);
        _hash.Root(leaves, root);
        var signed = checkpoint.Signed(direction, _previous, root);
        if (!Signatures.Verify(direction.Sender, SigningLabel.Checkpoint, signed, signature))
        {
            return $"the signature of checkpoint {number} is not over what came";
        }

        _hash.Chain(signed, signature, _previous);
        (_number, _time) = (number + 1, time);
        _draft?.Finish(evidence!, new(Certificate, signed, signature, leaves), count);
        Forget(count);
        return null;
    }

    public void Dispose()
    {
        _salts.Dispose();
        _hash.Dispose();
        _draft?.Dispose();
        CryptographicOperations.ZeroMemory(saltKey);
    }

    private void Forget(int count)
    {
        _count -= count;
        Array.Copy(_uncovered, count, _uncovered, 0, _count);
        _leaves.AsSpan(count * Checkpoint.HashSize, _count * Checkpoint.HashSize).CopyTo(_leaves);
        if (_uncovered.Length > 2 * Checkpoint.MaxCount && _count < Checkpoint.MaxCount)
        {
            // After a flood the room goes back.
            Array.Resize(ref _uncovered, Checkpoint.MaxCount);
            Array.Resize(ref _leaves, Checkpoint.MaxCount * Checkpoint.HashSize);
        }
    }
}
