using Dawn.Noise;

namespace Dawn.Links;

// New keys and renewed certificates, while frames go on flowing (docs/protocol.md, "Rekeying").
internal sealed partial class Link
{
    /// <summary>Begins new keys, or asks for them, where there is a reason to. At every tick; more often does no harm.</summary>
    /// <returns>False where the other end has taken too long for its next step.</returns>
    public bool TryRekey(TimeSpan tick)
    {
        try
        {
            return _rekeying is null || _rekeying.OnTick(tick, Math.Max(_records.Bytes, _reader.Bytes));
        }
        catch (Exception e)
        {
            // A fault of ours, on a timer's thread where nobody would catch it. The keys in use are as good as before: it is tried again.
            LogRekeyFailed(e, Remote.ToShortString());
            return true;
        }
    }

    private void Rekey(ReadOnlySpan<byte> body)
    {
        try
        {
            _rekeying!.OnMessage(body);
        }
        catch (HandshakeException e) when (e.Expired is { } expired)
        {
            _isDeaf = true;
            Expire(expired);
        }
        catch (HandshakeException e)
        {
            Fail(e.Message);
        }
    }

    private void Switch()
    {
        try
        {
            _reader.Switch(_rekeying!.OnSwitch());
            LogRekeyed(Remote.ToShortString(), _rekeying.Epoch);
        }
        catch (HandshakeException e)
        {
            Fail(e.Message);
        }
    }

    private void Expire(DateTimeOffset notAfter)
    {
        if (!IsClosing)
        {
            LogExpired(Remote.ToShortString(), notAfter);
            BeginClose(LinkEnd.CertificateExpired, $"your certificate expired at {notAfter:u}");
        }
    }
}
