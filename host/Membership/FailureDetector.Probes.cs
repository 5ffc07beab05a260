namespace Dawn.Membership;

// Probes that come, and answers to those that went.
internal sealed partial class FailureDetector
{
    public void OnMessage(NodeId from, MembershipMessage message, TimeSpan now)
    {
        switch (message)
        {
            case Probe probe:
                Send(from, new ProbeAnswer(probe.Number));
                OnAlive(from);
                break;
            case ProbeAnswer answer:
                OnAnswer(from, answer.Number, now);
                break;
            case ProbeRequest request when request.Target == self:
                Send(from, new ProbeResult(request.Number, true));
                break;
            case ProbeRequest request when _helping.Count < MaxHelping:
                var helping = new Helping(from, request.Number, request.Target, now + ProbeTimeout);
                _helping.Add(helping);
                Help(helping);
                break;
            case ProbeResult { IsAlive: true } result when _probing.Find(p => p.Number == result.Number && p.Asked?.Contains(from) == true) is { } probing:
                _probing.Remove(probing);
                break;
            case ProbeResult { IsAlive: false } result when _probing.Find(p => p.Number == result.Number && p.Asked?.Contains(from) == true) is { } probing:
                // All helpers have spoken: no need to wait out the time.
                probing.Asked!.Remove(from);
                if (probing.Asked.Count == 0)
                {
                    _probing.Remove(probing);
                    Fail(probing.Target);
                }

                break;
        }
    }

    private void OnAnswer(NodeId from, uint number, TimeSpan now)
    {
        if (_probing.Find(p => p.Target == from && p.Number == number) is { } probing)
        {
            _probing.Remove(probing);
            _selfDoubt = Math.Max(0, _selfDoubt - 1);
            Measured?.Invoke(from, now - probing.Since);
        }

        foreach (var helping in _helping.Where(h => h.Target == from && h.Own == number).ToList())
        {
            _helping.Remove(helping);
            Send(helping.Requester, new ProbeResult(helping.Number, true));
        }

        OnAlive(from);
    }

    private void Help(Helping helping)
    {
        if (isLinked(helping.Target))
        {
            helping.Own = _number++;
            Send(helping.Target, new Probe(helping.Own.Value));
        }
        else
        {
            effects.Add(new Effect.Dial(helping.Target));
        }
    }

    private void Begin(NodeId target, TimeSpan now)
    {
        var probing = new Probing(target, _number++, now) { Due = now + Patience };
        _probing.Add(probing);
        Probes++;
        if (isLinked(target))
        {
            Send(target, new Probe(probing.Number));
        }
        else
        {
            AskOthers(probing, now);
        }
    }

    private void AskOthers(Probing probing, TimeSpan now)
    {
        List<NodeId> others = [.. neighbours().Where(n => n != probing.Target && isLinked(n) && HealthOf(n) == PeerHealth.Alive)];
        probing.Asked = [];
        while (probing.Asked.Count < Helpers && others.Count > 0)
        {
            var at = random.Next(others.Count);
            probing.Asked.Add(others[at]);
            Send(others[at], new ProbeRequest(probing.Number, probing.Target));
            others.RemoveAt(at);
        }

        // A helper has as long as this node had, and its answer must come back.
        probing.Due = probing.Asked.Count > 0 ? now + 2 * Patience : now;
        if (probing.Asked.Count == 0)
        {
            _probing.Remove(probing);
            Fail(probing.Target);
        }
    }

    private void Fail(NodeId target)
    {
        Failures++;
        _selfDoubt = Math.Min(MaxDoubt, _selfDoubt + 1);
        if (HealthOf(target) == PeerHealth.Alive)
        {
            effects.Add(new Effect.Accuse(target));
        }
    }

    private TimeSpan Patience => ProbeTimeout * (1 + _selfDoubt);

    // Round robin over a shuffled list, so that the time to notice is bounded (SWIM, 4.3).
    private NodeId? Next()
    {
        for (var refilled = false; ; refilled = true)
        {
            while (_round.Count > 0)
            {
                var next = _round[^1];
                _round.RemoveAt(_round.Count - 1);
                if (neighbours().Contains(next) && !_probing.Exists(p => p.Target == next))
                {
                    return next;
                }
            }

            if (refilled)
            {
                return null;
            }

            _round.AddRange(neighbours());
            for (var i = _round.Count - 1; i > 0; i--)
            {
                var j = random.Next(i + 1);
                (_round[i], _round[j]) = (_round[j], _round[i]);
            }
        }
    }

    // A statement that was lost on its first way would leave its suspect dead for this node alone, who never refutes what it does not hear.
    private void Remind(TimeSpan now)
    {
        if (_nextReminder > now)
        {
            return;
        }

        _nextReminder = now + RemindEvery;
        if (_doubted.Values.Where(d => d is { Health: PeerHealth.Dead, Statement: not null }).Select(d => d.Statement!).ToList() is { Count: > 0 } dead)
        {
            var statement = dead[random.Next(dead.Count)];
            effects.Add(new Effect.Spread(statement.Suspect, statement, null));
        }
    }
}
