namespace Dawn.Sessions;

internal sealed partial class Session
{
    /// <summary>Does what is due now. The timer's; at any other time it does no harm.</summary>
    public void OnTimer()
    {
        (MeshError Error, string Text)? end = null;
        var (beginsRekey, isStalled) = (false, false);
        DropOldKeys();
        var hasPath = _context.Outlet.CanReach(Remote);
        lock (Gate)
        {
            if (_end is not null)
            {
                return;
            }

            var now = Now;
            _timerAt = Never;
            _pathlessAt = hasPath ? Never : _pathlessAt;
            if (_pathlessAt != Never && now - _pathlessAt >= ProgressTimeOut.Ticks)
            {
                end = (MeshError.Lost, $"No way to node {Remote.ToShortString()} for {ProgressTimeOut.TotalSeconds:0} s.");
            }
            else if (!_out.IsEmpty && now - _progressAt >= ProgressTimeOut.Ticks)
            {
                end = (MeshError.Lost, $"Node {Remote.ToShortString()} has acknowledged nothing for {ProgressTimeOut.TotalSeconds:0} s.");
            }
            else if (_doubtedAt != Never && now - _doubtedAt >= DoubtTimeOut)
            {
                end = (MeshError.Lost, $"Node {Remote.ToShortString()} no longer knows the session; it was probably restarted.");
            }
            else if (CoverBy(now) <= now)
            {
                end = (MeshError.Protocol, $"Node {Remote.ToShortString()} broke the protocol: what it sent has had no signature for {TimeSpan.FromTicks(now - _uncoveredAt).TotalSeconds:0} s.");
            }
            else if (_channels.Count > 0 && now - _heardAt >= SilenceTimeOut)
            {
                end = (MeshError.Lost, $"Nothing was heard from node {Remote.ToShortString()} for {TimeSpan.FromTicks(SilenceTimeOut).TotalMinutes:0} minutes.");
            }
            else if (_channels.Count == 0 && now - _idleSince >= IdleTimeOut)
            {
                end = (MeshError.None, "The session was idle.");
            }
            else if (_rekey != RekeyState.None && now - _rekeySince >= RekeyTimeOut)
            {
                end = (MeshError.Lost, $"Node {Remote.ToShortString()} did not finish renewing the session's keys within {TimeSpan.FromTicks(RekeyTimeOut).TotalSeconds:0} s.");
            }
            else if (_context.Time.GetUtcNow() >= Certificate.NotAfter)
            {
                end = (MeshError.Refused, $"The certificate of {Remote.ToShortString()} has expired.");
            }
            else
            {
                DoWhatIsDue(now);
                if (isStalled = hasPath && StallDue <= now)
                {
                    _stalledAt = now;
                }

                beginsRekey = PlanRekey(now);
                Schedule(now);
            }
        }

        if (end is var (error, text))
        {
            End(error, text, tell: true);
        }
        else
        {
            if (isStalled)
            {
                _context.Outlet.OnStalled(Remote);
            }

            if (beginsRekey)
            {
                BeginRekey();
            }

            Flush();
        }
    }

    // Once for each time-out: where no other path is better, the next one after this may be.
    private long StallDue => _out.IsEmpty ? Never : Math.Max(_progressAt, _stalledAt) + MoveAfter;

    private void DoWhatIsDue(long now)
    {
        _ackNow |= _ackAt <= now;
        if (_checkpointAt <= now)
        {
            (_checkpointDue, _checkpointAt) = (true, Never);
        }

        if (_lazyAt <= now)
        {
            _lazyAt = Never;
        }

        if (_doubtPingAt <= now)
        {
            (_pingDue, _doubtPingAt) = (true, now + DoubtPingEvery);
        }

        if (_channels.Count > 0 && _silencePingAt <= now)
        {
            (_pingDue, _silencePingAt) = (true, now + PingAfterSilence);
        }

        if (_resendAt <= now)
        {
            Resend(now);
        }

        if (_retransmitAt <= now && _blocked)
        {
            // Nothing can leave; what waits is sent as soon as it can.
            _retransmitAt = now + _roundTrip.TimeOut;
        }
        else if (_retransmitAt <= now)
        {
            var oldest = _out.MarkExpired(now - _roundTrip.TimeOut, out var any);
            if (any)
            {
                _roundTrip.BackOff();
            }

            _retransmitAt = _out.IsEmpty ? Never : Math.Min(now, oldest) + _roundTrip.TimeOut;
        }
    }

    private void Resend(long now)
    {
        _pingDue |= _out.InFlight == 0;
        _out.MarkAllLost();
        _roundTrip.EndBackOff();
        (_resendAt, _resentAt) = (Never, now);
    }

    // Under the gate. Moves the timer only forward in urgency: one that fires early looks and goes on, which is cheaper than changing it for each segment.
    private void Schedule(long now)
    {
        if (_end is not null)
        {
            return;
        }

        var due = Math.Min(Math.Min(_ackAt, _lazyAt), Math.Min(_retransmitAt, _resendAt));
        due = Math.Min(Math.Min(due, _doubtPingAt), Math.Min(_expiresAt, now + LongestWait));
        due = Math.Min(due, Math.Min(RekeyDue, _oldUntil));
        due = Math.Min(due, Math.Min(_checkpointAt, CoverBy(now)));
        due = _pathlessAt == Never ? due : Math.Min(due, _pathlessAt + ProgressTimeOut.Ticks);
        due = _out.IsEmpty ? due : Math.Min(due, Math.Min(StallDue, _progressAt + ProgressTimeOut.Ticks));
        due = Math.Min(due, _channels.Count > 0 ? Math.Min(_silencePingAt, _heardAt + SilenceTimeOut) : _idleSince + IdleTimeOut);
        if (due < _timerAt)
        {
            _timerAt = due;
            _timer.Change(TimeSpan.FromTicks(Math.Max(TimeSpan.TicksPerMillisecond, due - now)), Timeout.InfiniteTimeSpan);
        }
    }
}
