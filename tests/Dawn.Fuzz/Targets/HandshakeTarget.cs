using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Tests;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>
/// All that one end says before a link is up, as the other end reads it; entropy repeats, so that recorded streams are valid. The first byte of the input says which end:
/// 0 and 2 the listener, 1 the dialer; 3 a member's message 3 whose proof is the rest of the input, sealed under the right keys.
/// </summary>
/// <remarks>Nothing but what the other end really said may be taken: that is what the handshake is for.</remarks>
internal sealed class HandshakeTarget : IFuzzTarget, ITicketPsks
{
    private readonly FakeTimeProvider _time = World.Time();
    private readonly Pump _pump;
    private readonly byte[] _dialerSays;
    private readonly byte[] _listenerSays;
    private readonly byte[] _newcomerSays;

    public HandshakeTarget()
    {
        _pump = new(_time);
        (_dialerSays, _listenerSays) = Record(null);
        (_newcomerSays, _) = Record(new(World.TicketId, World.TicketPsk));
    }

    public string Name => "handshake";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var rest = input[1..].ToArray();
        switch (input[0] & 3)
        {
            case 1:
                Dial(rest);
                break;
            case 3:
                Seal(rest);
                break;
            default:
                Listen(rest);
                break;
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        // Short ones more often: what breaks off early costs little, and strangers get no further.
        var first = 40 + 2 + BinaryPrimitives.ReadUInt16BigEndian(_dialerSays.AsSpan(40));
        for (var i = 0; i < 24; i++)
        {
            yield return [0, .. _dialerSays.AsSpan(0, 10 + i)];
            yield return [0, .. _dialerSays.AsSpan(0, first - 1 - i)];
            yield return [1, .. _listenerSays.AsSpan(0, 40 + i)];
        }

        yield return [0, .. _dialerSays];
        yield return [1, .. _listenerSays];
        yield return [0, .. _newcomerSays];
        yield return [3, .. ProofTarget.Proof(new byte[32], World.Peer.Certificate.Encoded.Span, default)];
    }

    bool ITicketPsks.TryGetPsk(ReadOnlySpan<byte> ticketId, Span<byte> psk)
    {
        World.TicketPsk.CopyTo(psk);
        return ticketId.SequenceEqual(World.TicketId);
    }

    private LinkHandshake Self() => new(World.Self, World.SelfStatic, new(), new SeededEntropy(21), _time, this);

    private LinkHandshake Peer() => new(World.Peer, World.PeerStatic, new(), new SeededEntropy(22), _time);

    private void Listen(byte[] said)
    {
        var connection = new StreamConnection(said);
        var peer = Finish(() => Self().AcceptAsync(connection, CancellationToken.None));
        var hello = said.Length >= Hello.HeadSize && Hello.RestOf(said.AsSpan(0, Hello.HeadSize)) is { } more && said.Length >= Hello.HeadSize + more
            ? Hello.TryRead(said.AsSpan(0, Hello.HeadSize + more)) : null;
        Property.Holds(hello is not null || connection.Sent.Length == 0, "a stranger without a hello was answered");
        if (peer is not null)
        {
            Property.Holds(said.AsSpan().StartsWith(_dialerSays) || said.AsSpan().StartsWith(_newcomerSays), "a handshake was taken that nobody held");
            Property.Holds(peer.Remote == World.Peer.Id && peer.Send is not null, "another peer than the one that dialled");
        }

        Dispose(peer);
    }

    private void Dial(byte[] said)
    {
        var peer = Finish(() => Self().DialAsync(new StreamConnection(said), World.Peer.Id, null, CancellationToken.None));
        Property.Holds(peer is null || said.AsSpan().StartsWith(_listenerSays), "an answer was taken that nobody gave");
        Dispose(peer);
    }

    // As a member would who speaks Noise well and lies about itself.
    private void Seal(byte[] proof)
    {
        if (proof.Length > PeerHandshake.MaxMessage - 32 - 2 * Aead.TagSize)
        {
            return;
        }

        var settings = new HandshakeSettings(SigningLabel.Link.ToArray(), "fuzz"u8.ToArray(), World.Self.Network.Psk, EncryptionMode.Required);
        using var noise = new HandshakeState(HandshakePattern.XXpsk0psk3, true, settings.Prologue.Span, World.PeerStatic, null, [settings.Psk, settings.Psk], new SeededEntropy(23));
        using var responder = new PeerHandshake(HandshakeRole.Responder, settings, World.SelfStatic, World.Self, new SeededEntropy(24), _time);
        responder.ReadMessage(noise.WriteMessage(_ => default));
        Span<byte> hash = stackalloc byte[SymmetricState.HashSize];
        noise.ReadMessage(responder.WriteMessage(), hash);
        try
        {
            responder.ReadMessage(noise.WriteMessage(h =>
            {
                // Where the proof is long enough to have a signature, it is a true one.
                if (proof.Length >= ProofTarget.SignatureAt + Signatures.Size)
                {
                    ProofTarget.Sign(h).CopyTo(proof.AsSpan(ProofTarget.SignatureAt));
                }

                return proof;
            }));
            Property.Holds(responder.Remote == World.Peer.Id && responder.Certificate is not null, "a proof was taken of somebody else");
        }
        catch (HandshakeException)
        {
            Property.Holds(responder.Certificate is null, "a refused proof left its certificate");
        }
    }

    private LinkPeer? Finish(Func<Task<LinkPeer>> handshake)
    {
        LinkPeer? peer = null;
        _pump.Run(async () =>
        {
            try
            {
                peer = await handshake();
            }
            catch (HandshakeException)
            {
                // The documented way to fail.
            }
        });
        return peer;
    }

    private static void Dispose(LinkPeer? peer)
    {
        peer?.Send?.Dispose();
        peer?.Receive?.Dispose();
    }

    // Both ends in turn: each is run anew on all that the other has said so far, until nothing new comes.
    private (byte[] Dialer, byte[] Listener) Record(TicketKey? ticket)
    {
        byte[] dialer = [], listener = [];
        for (var round = 0; round < 4; round++)
        {
            var dials = new StreamConnection(listener);
            Dispose(Finish(() => Peer().DialAsync(dials, World.Self.Id, ticket, CancellationToken.None)));
            dialer = dials.Sent;
            var listens = new StreamConnection(dialer);
            Dispose(Finish(() => Self().AcceptAsync(listens, CancellationToken.None)));
            listener = listens.Sent;
        }

        if (ticket is not null)
        {
            return (dialer, listener);
        }

        // What Self hears where it dials is what Peer says where it listens.
        byte[] heard = [], said = [];
        for (var round = 0; round < 4; round++)
        {
            var dials = new StreamConnection(heard);
            Dispose(Finish(() => Self().DialAsync(dials, World.Peer.Id, null, CancellationToken.None)));
            said = dials.Sent;
            var listens = new StreamConnection(said);
            Dispose(Finish(() => Peer().AcceptAsync(listens, CancellationToken.None)));
            heard = listens.Sent;
        }

        return (dialer, heard);
    }
}
