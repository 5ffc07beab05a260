using System.Text.Json;
using Dawn.Identity;
using Dawn.Noise;
using Xunit;

namespace Dawn.Tests.Noise;

public class NoiseVectorTests
{
    [Theory]
    [InlineData("noise_cacophony_*.json", 59)]
    [InlineData("noise_snow_*.json", 51)]
    public void Every_public_vector_comes_out(string files, int least)
    {
        var count = 0;
        foreach (var file in VectorFiles.Find(files))
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            foreach (var vector in document.RootElement.GetProperty("vectors").EnumerateArray())
            {
                Check(vector);
                count++;
            }
        }

        Assert.True(count >= least, $"{count} vectors instead of {least}");
    }

    private static void Check(JsonElement vector)
    {
        var protocol = vector.GetProperty("protocol_name").GetString()!;
        var pattern = Patterns.Parse(protocol.Split('_')[1]);
        Assert.Equal(protocol, pattern.ProtocolName);
        using var initiator = Side(vector, pattern, isInitiator: true);
        using var responder = Side(vector, pattern, isInitiator: false);
        var (writer, reader) = (initiator, responder);
        (Aead Send, Aead Receive)? atInitiator = null, atResponder = null;
        var (fromInitiator, sent) = (pattern.Messages.Length % 2 == 0 || pattern.Messages.Length == 1, new ulong[2]);
        Span<byte> hash = stackalloc byte[32];
        foreach (var message in vector.GetProperty("messages").EnumerateArray())
        {
            var (payload, expected) = (message.Hex("payload"), message.Hex("ciphertext"));
            if (!initiator.IsComplete)
            {
                var written = writer.WriteMessage(_ => payload);
                Assert.True(expected.AsSpan().SequenceEqual(written), protocol);
                Assert.True(payload.AsSpan().SequenceEqual(reader.ReadMessage(written, hash)), protocol);
                (writer, reader) = (reader, writer);
                continue;
            }

            if (atInitiator is null)
            {
                (atInitiator, atResponder) = (initiator.Split(), responder.Split());
                Assert.True(initiator.Hash.SequenceEqual(responder.Hash), protocol);
                if (vector.HexOrNull("handshake_hash") is { } handshakeHash)
                {
                    Assert.True(initiator.Hash.SequenceEqual(handshakeHash), protocol);
                }
            }

            var (seal, open) = fromInitiator ? (atInitiator.Value.Send, atResponder!.Value.Receive) : (atResponder!.Value.Send, atInitiator.Value.Receive);
            var nonce = sent[fromInitiator ? 0 : 1]++;
            var ciphertext = new byte[payload.Length + Aead.TagSize];
            seal.Seal(nonce, default, payload, ciphertext);
            Assert.True(expected.AsSpan().SequenceEqual(ciphertext), protocol);
            var opened = new byte[payload.Length];
            Assert.True(open.TryOpen(nonce, default, ciphertext, opened), protocol);
            Assert.True(payload.AsSpan().SequenceEqual(opened), protocol);
            // One-way patterns have one sender.
            fromInitiator = pattern.Messages.Length == 1 || !fromInitiator;
        }

        foreach (var keys in new[] { atInitiator, atResponder })
        {
            keys?.Send.Dispose();
            keys?.Receive.Dispose();
        }
    }

    private static HandshakeState Side(JsonElement vector, HandshakePattern pattern, bool isInitiator)
    {
        var side = isInitiator ? "init" : "resp";
        var psks = vector.TryGetProperty($"{side}_psks", out var list) ? list.EnumerateArray().Select(psk => Convert.FromHexString(psk.GetString()!)) : [];
        var key = vector.HexOrNull($"{side}_static") is { } secret ? new X25519Key(secret) : null;
        return new HandshakeState(
            pattern, isInitiator, vector.Hex($"{side}_prologue"), key, vector.HexOrNull($"{side}_remote_static"),
            psks.Select(psk => (ReadOnlyMemory<byte>)psk), new FixedEntropy(vector.Hex($"{side}_ephemeral")));
    }

    private sealed class FixedEntropy(byte[] bytes) : Entropy
    {
        public override void Fill(Span<byte> destination) => bytes.CopyTo(destination);
    }
}
