using System.Buffers;
using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Sessions;

// Fresh keys in band, by a handshake like the first (docs/protocol.md, "Rekeying a session"). Sequences go on; only nonces start anew.
internal sealed partial class Session
{
    /// <summary>How long the key of the epoch before still opens what comes late.</summary>
    private const long OldKeyKept = 30 * TimeSpan.TicksPerSecond;

    // Longer than a path may be gone, which is what mostly delays it.
    private const long RekeyTimeOut = 60 * TimeSpan.TicksPerSecond;

    // An initiator begins at most this often; a responder allows for its clock.
    private const long RekeyPause = TimeSpan.TicksPerSecond;
    private const long RekeyPauseAllowed = RekeyPause / 2;

    // The responder gives the initiator time to begin by itself, so that they rarely both act.
    private const long ResponderMargin = 15 * TimeSpan.TicksPerSecond;

    private readonly List<Aead> _retired = [];
    private EpochKeys _keys;

    // Receiving only, and guarded by _receiving as well: what comes late, and, at the initiator, what proves that the other end has switched.
    private EpochKeys? _oldKeys;
    private EpochKeys? _nextKeys;
    private long _oldUntil = Never;

    private ReadOnlyMemory<byte> _hash;
    private Certificate _certificate;
    private Certificate _shown;
    private long _epochSince;
    private long _epochBytesFrom;
    private long _expiresAt;

    private RekeyState _rekey;
    private long _rekeySince;
    private bool _rekeyAsked;
    private PeerHandshake? _handshake;
    private byte[]? _rekeyStep;

    private enum RekeyState : byte
    {
        None,

        /// <summary>Responder: asked the initiator to begin.</summary>
        Asked,

        /// <summary>Initiator: sent message 1.</summary>
        Begun,

        /// <summary>Responder: sent message 2.</summary>
        Answered,

        /// <summary>Initiator: sent message 3, under the old key; a segment under the new one will say that it arrived.</summary>
        Finishing,

        /// <summary>A message is being worked on, outside of locks.</summary>
        Working,
    }

    // Under the gate: what the timer must not miss.
    private long RekeyDue =>
        _rekey != RekeyState.None ? _rekeySince + RekeyTimeOut
        : _rekeyAsked || IsEpochSpent ? _epochSince + RekeyPause
        : _epochSince + _context.Handshakes.RekeyAfter.Ticks + (IsInitiator ? 0 : ResponderMargin);

    private bool IsEpochSpent => Interlocked.Read(ref _bytesSent) + _bytesReceived - _epochBytesFrom >= _context.Handshakes.RekeyAfterBytes;

    // Under the gate, when the timer looks. True where this end is to begin, which is work for outside of the gate.
    private bool PlanRekey(long now)
    {
        if (_rekey != RekeyState.None || now - _epochSince < RekeyPause || !IsConfirmed)
        {
            return false;
        }

        // A renewed certificate is no use to the other end until it is shown.
        if (now < RekeyDue && _context.Handshakes.Certificate == _shown)
        {
            return false;
        }

        (_rekeySince, _rekeyAsked) = (now, false);
        if (IsInitiator)
        {
            _rekey = RekeyState.Working;
            return true;
        }

        _rekey = RekeyState.Asked;
        EnqueueRekey(0, default);
        return false;
    }

    private void BeginRekey()
    {
        var handshake = _context.Handshakes.CreateNext(HandshakeRole.Initiator, Remote, _hash);
        var message = handshake.WriteMessage();
        lock (Gate)
        {
            if (_end is null)
            {
                (_handshake, _rekey) = (handshake, RekeyState.Begun);
                EnqueueRekey(1, message);
                return;
            }
        }

        handshake.Dispose();
    }

    // Under the gate: a rekey frame in its order. What takes time is left for outside.
    private string? TakeRekey(ReadOnlySpan<byte> body)
    {
        var number = body.IsEmpty ? byte.MaxValue : body[0];
        switch (number, _rekey)
        {
            case (0, _) when IsInitiator && body.Length == 1:
                // While one is under way it is what was asked for.
                _rekeyAsked = _rekey == RekeyState.None;
                Schedule(Now);
                return null;
            case (1, RekeyState.None or RekeyState.Asked) when !IsInitiator && Now - _epochSince >= RekeyPauseAllowed:
            case (2, RekeyState.Begun):
            case (3, RekeyState.Answered):
                if (body.Length > SessionHandshakes.NumberSize + PeerHandshake.MaxMessage)
                {
                    break;
                }

                _rekeySince = _rekey == RekeyState.None ? Now : _rekeySince;
                (_rekeyStep, _rekey) = (body.ToArray(), RekeyState.Working);
                return null;
        }

        return $"a rekey message {number} of {body.Length} bytes out of turn";
    }

    // Outside of locks: the handshake costs most of a millisecond.
    private void Rekey(byte[] step)
    {
        try
        {
            if (step[0] == 1)
            {
                _handshake = _context.Handshakes.CreateNext(HandshakeRole.Responder, Remote, _hash);
            }

            var handshake = _handshake!;
            handshake.ReadMessage(step.AsSpan(SessionHandshakes.NumberSize));
            if (step[0] > 1 && (EncryptionModes.Agree(_context.Handshakes.Encryption, handshake.RemoteOffer) == EncryptionAgreement.Sealed) != IsSealed)
            {
                throw new HandshakeException(HandshakeFault.Encryption, "it offers other encryption than the session was agreed with");
            }

            var answer = step[0] < 3 ? handshake.WriteMessage() : default;
            var keys = handshake.IsComplete ? _keys.Next(handshake.Split()) : null;
            lock (_receiving)
            {
                lock (Gate)
                {
                    Apply(step[0], answer, keys);
                }
            }
        }
        catch (Exception e)
        {
            // Without the next epoch there is no way on, whatever it is: a proof that doesn't hold, or no memory for another key.
            _handshake?.Dispose();
            _handshake = null;
            var error = e is not HandshakeException handshake ? MeshError.Lost : handshake.Fault == HandshakeFault.Certificate ? MeshError.Refused : MeshError.Protocol;
            End(error, $"The keys of the session with node {Remote.ToShortString()} could not be renewed: {e.Message}.", tell: true);
        }
    }

    private void Apply(byte step, byte[]? answer, EpochKeys? keys)
    {
        if (_end is not null)
        {
            keys?.Send.Dispose();
            keys?.Receive.Dispose();
            _handshake?.Dispose();
            _handshake = null;
            return;
        }

        switch (step)
        {
            case 1:
                _rekey = RekeyState.Answered;
                EnqueueRekey(2, answer);
                break;
            case 2:
                // Still under the old key, also when repeated: the other end has no other before it has this.
                (_rekey, _nextKeys) = (RekeyState.Finishing, keys);
                EnqueueRekey(3, answer);
                break;
            default:
                _nextKeys = keys;
                Switch();
                // The other end goes on under the old key until it sees the new one, so that now something must go.
                _oldUntil = Never;
                _ackPending = _ackNow = true;
                break;
        }
    }

    // Under both locks: the next epoch is the current one.
    private void Switch()
    {
        var now = Now;
        _retired.Add(_keys.Send);
        if (!_flushing)
        {
            DisposeRetired();
        }

        _oldKeys?.Receive.Dispose();
        (_oldKeys, _keys, _nextKeys, _oldUntil) = (_keys, _nextKeys!, null, now + OldKeyKept);
        using (var completed = _handshake!)
        {
            BeginEpoch(completed.Hash, completed.Certificate!, now);
        }

        (_handshake, _rekey) = (null, RekeyState.None);
        Schedule(now);
    }

    private void BeginEpoch(ReadOnlyMemory<byte> hash, Certificate certificate, long now)
    {
        (_hash, _certificate, _shown) = (hash, certificate, _context.Handshakes.Certificate);
        _verifier?.Certificate = certificate;
        (_epochSince, _epochBytesFrom) = (now, Interlocked.Read(ref _bytesSent) + _bytesReceived);
        _expiresAt = now + (certificate.NotAfter - _context.Time.GetUtcNow()).Ticks;
    }

    // Under _receiving.
    private EpochKeys? KeysOf(ushort epoch) =>
        epoch == _keys.Number ? _keys : epoch == _nextKeys?.Number ? _nextKeys : epoch == _oldKeys?.Number ? _oldKeys : null;

    // Under both locks: a segment authenticated under these.
    private void OnOpened(EpochKeys keys, long now)
    {
        if (keys == _nextKeys)
        {
            // Told at once, so that the other end can forget the old key even where nothing else is to be said.
            _pingDue = true;
            Switch();
        }
        else if (keys == _keys && _oldKeys is not null && _oldUntil == Never)
        {
            _oldUntil = now + OldKeyKept;
            Schedule(now);
        }
    }

    private void DropOldKeys()
    {
        lock (_receiving)
        {
            if (_oldKeys is { } old && _oldUntil <= Now)
            {
                old.Receive.Dispose();
                (_oldKeys, _oldUntil) = (null, Never);
            }
        }
    }

    // Under the gate, while nothing is being sealed.
    private void DisposeRetired()
    {
        _retired.ForEach(key => key.Dispose());
        _retired.Clear();
    }

    private void DisposeReceiveKeys()
    {
        lock (_receiving)
        {
            _keys.Receive.Dispose();
            _oldKeys?.Receive.Dispose();
            _nextKeys?.Receive.Dispose();
            _verifier?.Dispose();
            lock (Gate)
            {
                // One that is being worked on is disposed by whoever does that.
                if (_rekey != RekeyState.Working)
                {
                    _handshake?.Dispose();
                    _handshake = null;
                }
            }
        }
    }

    private void EnqueueRekey(byte number, ReadOnlySpan<byte> message)
    {
        var frame = ArrayPool<byte>.Shared.Rent(Frame.RekeyOverhead + message.Length);
        Enqueue(frame, Frame.WriteRekey(frame, 0, number, message));
    }
}
