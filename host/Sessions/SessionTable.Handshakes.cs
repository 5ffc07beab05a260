using Dawn.Noise;
using Dawn.Routing;

namespace Dawn.Sessions;

internal sealed partial class SessionTable
{
    // For a path to come before a new channel is refused.
    private static readonly TimeSpan PathPatience = TimeSpan.FromSeconds(2);

    // A link that is just being dialled again is worth a moment; after it, the caller had better know at once that nothing was sent.
    private async ValueTask WaitForPathAsync(NodeId target, CancellationToken cancellationToken)
    {
        if (target == identity.Id || port.CanReach(target))
        {
            return;
        }

        var problem = await OpenPathAsync(target, cancellationToken);
        using var patience = new CancellationTokenSource(PathPatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken, _stopping.Token);
        try
        {
            await port.WaitForRoomAsync(target, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw _stopping.IsCancellationRequested
                ? new MeshException(MeshError.Stopping, "The node is stopping.")
                : problem ?? new MeshException(MeshError.Unreachable, $"There is no way to node {target.ToShortString()} now, so nothing was sent. 'dawn peers' shows who is connected.");
        }
    }

    // What can't be dialled may still dial this node.
    private async ValueTask<MeshException?> OpenPathAsync(NodeId target, CancellationToken cancellationToken)
    {
        if (paths is null)
        {
            return null;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        try
        {
            await paths.OpenPathAsync(target, either.Token);
            return null;
        }
        catch (MeshException e)
        {
            return e;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new MeshException(MeshError.Stopping, "The node is stopping.");
        }
    }

    // Begins and repeats until there is a session or time is up.
    private async Task OpenAsync(OpeningSession opening)
    {
        await Task.Yield();
        using var giveUp = new CancellationTokenSource(SessionHandshakes.GiveUp, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(giveUp.Token, _stopping.Token);
        try
        {
            for (var i = 0; !opening.Done.IsCompleted;)
            {
                either.Token.ThrowIfCancellationRequested();
                if (i > 0)
                {
                    // No answer to the one before.
                    _outlet.OnStalled(opening.Target);
                }

                if (opening.TrySend(_outlet))
                {
                    await PauseAsync(Repetitions[Math.Min(i++, Repetitions.Length - 1)], opening.Over, either.Token);
                }
                else
                {
                    await _outlet.WaitForRoomAsync(opening.Target, either.Token);
                    await PauseAsync(RoomPause, opening.Over, either.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            opening.Fail(_stopping.IsCancellationRequested ? new(MeshError.Stopping, "The node is stopping.") : new(MeshError.Unreachable, opening.Describe()));
        }
        catch (MeshException e)
        {
            opening.Fail(e);
        }
        catch (Exception e)
        {
            // Whoever waits must hear of it, whatever it is: such as no memory for another key.
            opening.Fail(new(MeshError.Unreachable, $"No session with node {opening.Target.ToShortString()}: {e.Message}", e));
        }
        finally
        {
            lock (_gate)
            {
                _opening.Remove(opening.Target);
            }

            opening.Dispose();
        }
    }

    // The other end answered: with message 3 this end is done.
    private void OnAnswer(NodeId source, ulong tag, ReadOnlySpan<byte> message)
    {
        OpeningSession? opening;
        lock (_gate)
        {
            _opening.TryGetValue(source, out opening);
        }

        try
        {
            if (opening?.TakeAnswer(tag, message) is not var (peer, keys, last))
            {
                return;
            }

            var session = NewSession((peer, keys));
            if (!TryAdd(session))
            {
                session.End(MeshError.Limit, "There is no place for it.", tell: false);
                throw TooMany();
            }

            var sent = _outlet.TrySend(EnvelopeKind.Handshake, source, tag, last);
            opening.Succeed(session);
            _ = ConfirmAsync(session, last, sent);
        }
        catch (MeshException e)
        {
            LogHandshakeFailed(source, e.Message);
            opening!.Fail(e);
        }
    }

    // Repeats message 3 until something from the other end authenticates; a ping makes sure that something comes.
    // The session's own time-out decides: message 3 may have arrived before, and what the session carries been executed.
    private async Task ConfirmAsync(Session session, byte[] last, bool sent)
    {
        using var giveUp = new CancellationTokenSource(Session.ProgressTimeOut, time);
        try
        {
            for (var i = 0; !session.IsConfirmed && !session.Ended.IsCompleted;)
            {
                if (sent)
                {
                    await PauseAsync(Repetitions[Math.Min(i++, Repetitions.Length - 1)], session.Over, giveUp.Token);
                }
                else
                {
                    await _outlet.WaitForRoomAsync(session.Remote, giveUp.Token);
                    await PauseAsync(RoomPause, session.Over, giveUp.Token);
                }

                if (!session.IsConfirmed && !session.Ended.IsCompleted)
                {
                    sent = _outlet.TrySend(EnvelopeKind.Handshake, session.Remote, session.Tag, last);
                    session.Ping();
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or MeshException)
        {
            // No way for too long.
        }

        if (!session.IsConfirmed)
        {
            session.End(MeshError.Lost, $"Node {session.Remote.ToShortString()} did not finish the handshake.", tell: false);
        }
    }

    private void OnFirst(NodeId source, ulong tag, ReadOnlySpan<byte> message)
    {
        HalfOpenSession? halfOpen;
        lock (_gate)
        {
            if (_byTag.ContainsKey((source, tag)))
            {
                return;
            }

            halfOpen = FindHalfOpen(source, tag);
            if (halfOpen is null)
            {
                if (_sessions.Count >= MaxSessions && !_sessions.Exists(session => session.IsIdle))
                {
                    return;
                }

                MakePlaceFor(source);
                _halfOpen.Add(halfOpen = new(source, tag, time.GetTimestamp()));
            }
        }

        try
        {
            if (halfOpen.TakeFirst(message, _handshakes, out var isRepeated) is { } answer)
            {
                if (isRepeated)
                {
                    // The answer before did not arrive, or is slow.
                    _outlet.OnStalled(source);
                }

                _outlet.TrySend(EnvelopeKind.Handshake, source, tag, answer);
            }
        }
        catch (HandshakeException e)
        {
            LogHandshakeFailed(source, e.Message);
            Drop(halfOpen);
        }
    }

    private void OnLast(NodeId source, ulong tag, ReadOnlySpan<byte> message)
    {
        HalfOpenSession? halfOpen;
        lock (_gate)
        {
            halfOpen = FindHalfOpen(source, tag);
        }

        try
        {
            if (halfOpen?.TakeLast(message, _handshakes) is not { } agreed)
            {
                return;
            }

            var session = NewSession(agreed);
            if (!TryAdd(session))
            {
                session.End(MeshError.Limit, $"The node has {MaxSessions} sessions, as many as are allowed.", tell: true);
            }

            halfOpen.Become(session);
            Drop(halfOpen);
        }
        catch (HandshakeException e)
        {
            LogHandshakeFailed(source, e.Message);
            Drop(halfOpen!);
        }
    }

    // Under the gate; a list of at most MaxHalfOpen, oldest first, needs no index.
    private void MakePlaceFor(NodeId source)
    {
        var oldest = _halfOpen.Count(halfOpen => halfOpen.Source == source) >= MaxHalfOpenPerNode ? _halfOpen.Find(halfOpen => halfOpen.Source == source)
            : _halfOpen.Count >= MaxHalfOpen ? _halfOpen[0]
            : null;
        if (oldest is not null)
        {
            _halfOpen.Remove(oldest);
            Discard(oldest);
        }
    }

    // Those whose time is up go first.
    private HalfOpenSession? FindHalfOpen(NodeId source, ulong tag)
    {
        for (var i = _halfOpen.Count - 1; i >= 0; i--)
        {
            if (time.GetElapsedTime(_halfOpen[i].Since) >= SessionHandshakes.HalfOpenFor)
            {
                Discard(_halfOpen[i]);
                _halfOpen.RemoveAt(i);
            }
        }

        foreach (var halfOpen in _halfOpen)
        {
            if (halfOpen.Tag == tag && halfOpen.Source == source)
            {
                return halfOpen;
            }
        }

        return null;
    }

    private void Drop(HalfOpenSession halfOpen)
    {
        lock (_gate)
        {
            _halfOpen.Remove(halfOpen);
        }

        Discard(halfOpen);
    }

    private void Discard(HalfOpenSession halfOpen)
    {
        halfOpen.Release(_early);
        halfOpen.Dispose();
    }

    // Ends early when there is nothing to wait for any more.
    private async Task PauseAsync(TimeSpan pause, CancellationToken until, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(until, cancellationToken);
        await Task.Delay(pause, time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        cancellationToken.ThrowIfCancellationRequested();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Session with {Node} was broken off: {Reason}")]
    private partial void LogBroken(NodeId node, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "A session handshake with {Node} failed: {Reason}")]
    private partial void LogHandshakeFailed(NodeId node, string reason);

    // The other end may not know that this node was restarted. Few such words will do, and none are owed.
    private void TellNoSession(in EnvelopeHeader header)
    {
        lock (_gate)
        {
            if (time.GetElapsedTime(_lastTold) < RoomPause)
            {
                return;
            }

            _lastTold = time.GetTimestamp();
        }

        Span<byte> payload = stackalloc byte[Undeliverable.Size];
        Undeliverable.Write(payload, header.Id, UndeliverableCode.NoSession);
        _outlet.TrySend(EnvelopeKind.Undeliverable, header.Source, header.Tag, payload);
    }
}
