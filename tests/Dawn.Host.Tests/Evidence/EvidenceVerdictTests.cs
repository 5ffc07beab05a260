using System.Text;
using Dawn.Evidence;
using Dawn.Identity;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Evidence;

public class EvidenceVerdictTests
{
    private const string Call = """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"roll"}}""";

    [Fact]
    public async Task An_exported_message_says_who_said_what_to_whom_and_nothing_of_the_others()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Open(0, "dice"), f.Message(0, Call), f.Message(0, """{"secret":true}""")]);
        var document = Proof(fixture, 1).Write();
        var verdict = EvidenceVerdict.Of(document, fixture.Network.Keys.Key);
        Assert.True(verdict.Holds, verdict.Text);
        Assert.Contains(fixture.Direction.Sender.ToString(), verdict.Text, StringComparison.Ordinal);
        Assert.Contains(fixture.Direction.Recipient.ToString(), verdict.Text, StringComparison.Ordinal);
        Assert.Contains(Call, verdict.Text, StringComparison.Ordinal);
        Assert.Contains("2030-01-01 00:00:00.000Z", verdict.Text, StringComparison.Ordinal);
        Assert.Contains("membership   holds", verdict.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", verdict.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("secret"u8)[..7], Encoding.UTF8.GetString(document), StringComparison.Ordinal);

        var anybodys = EvidenceVerdict.Of(document, null);
        Assert.True(anybodys.Holds);
        Assert.Contains("membership   was not checked", anybodys.Text, StringComparison.Ordinal);
        Assert.Contains("is of the network", EvidenceVerdict.Of(document, new TestNetwork(2).Keys.Key).Text, StringComparison.Ordinal);
        Assert.False(EvidenceVerdict.Of(document, new TestNetwork(2).Keys.Key).Holds);
    }

    [Fact]
    public async Task A_message_of_several_frames_is_joined_only_where_nothing_is_hidden_in_between()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Message(0, """{"ok":""", false), f.Message(0, "false,\"not\":", false), f.Message(0, "true}")]);
        var entry = fixture.All[0].Entry;
        Assert.Contains("""{"ok":false,"not":true}""", Verify(EvidenceProof.Of(entry, _ => true)).Text, StringComparison.Ordinal);
        var cut = Verify(EvidenceProof.Of(entry, s => s != 1));
        Assert.True(cut.Holds);
        Assert.DoesNotContain("ok", cut.Text, StringComparison.Ordinal);
        Assert.Contains("part of a message", cut.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_changed_byte_of_a_document_is_noticed()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Open(0, "dice"), f.Message(0, Call)]);
        var document = Proof(fixture, 1).Write();
        Assert.True(EvidenceVerdict.Of(document, null).Holds);
        for (var at = 0; at < document.Length; at++)
        {
            var original = document[at];
            foreach (var change in (byte[])[1, 2, 0x20, 0x80])
            {
                document[at] = (byte)(original ^ change);
                Assert.False(EvidenceVerdict.Of(document, null).Holds, $"Byte {at} was changed from {(char)original} to {(char)document[at]}, unnoticed.");
            }

            document[at] = original;
        }

        Assert.False(EvidenceVerdict.Of(document[..^1], null).Holds);
        Assert.False(EvidenceVerdict.Of((byte[])[.. document, (byte)'\n'], null).Holds);
    }

    [Fact]
    public async Task No_input_breaks_it()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Open(0, "dice"), f.Message(0, "x")]);
        var document = Proof(fixture, 1).Write();
        var random = new Random(1);
        for (var i = 0; i < 100_000; i++)
        {
            var mutated = document.ToList();
            for (var changes = random.Next(1, 5); changes > 0; changes--)
            {
                var at = random.Next(mutated.Count);
                switch (random.Next(5))
                {
                    case 0:
                        mutated[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        mutated.RemoveRange(at, Math.Min(random.Next(1, 40), mutated.Count - at - 1));
                        break;
                    case 2:
                        mutated.Insert(at, (byte)"{}[]\",:0-e\\u"[random.Next(12)]);
                        break;
                    case 3:
                        mutated.InsertRange(at, mutated.GetRange(at, Math.Min(random.Next(1, 60), mutated.Count - at)));
                        break;
                    default:
                        mutated[at] = (byte)"0123456789abcdef"[random.Next(16)];
                        break;
                }
            }

            var bytes = mutated.ToArray();
            Assert.True(!EvidenceVerdict.Of(bytes, null).Holds || bytes.AsSpan().SequenceEqual(document), Encoding.UTF8.GetString(bytes));
        }
    }

    [Fact]
    public async Task Nor_does_one_that_is_well_formed_and_wrong_in_one_thing()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Open(0, "dice"), f.Message(0, Call), f.Message(0, "{}")]);
        var proof = EvidenceProof.Of(fixture.All[0].Entry, _ => true);
        var other = TestIdentity.KeyOf(3).Id;
        var stranger = new TestNetwork(2);
        (string Cause, EvidenceProof Proof)[] wrong =
        [
            ("did not sign", proof with { Direction = proof.Direction with { Recipient = other } }),
            ("another node", proof with { Direction = proof.Direction with { Sender = other } }),
            ("did not sign", proof with { Direction = proof.Direction with { FromInitiator = false } }),
            ("did not sign", proof with { Direction = proof.Direction with { Tag = 1 } }),
            ("did not sign", proof with { Checkpoint = proof.Checkpoint with { Number = 9 } }),
            ("did not sign", proof with { Checkpoint = proof.Checkpoint with { Time = 1 } }),
            ("fit together", proof with { Checkpoint = proof.Checkpoint with { Count = 2 } }),
            ("fit together", proof with { Checkpoint = proof.Checkpoint with { Time = ulong.MaxValue } }),
            ("did not sign", proof with { Previous = new byte[32].Select(_ => (byte)1).ToArray() }),
            ("shows no frame", proof with { Frames = [] }),
            ("not in their order", proof with { Frames = [.. proof.Frames.Reverse()] }),
            ("fit together", proof with { Frames = [.. proof.Frames, proof.Frames[0]] }),
            ("not in their order", proof with { Frames = [proof.Frames[0], proof.Frames[0]] }),
            ("not in their order", proof with { Frames = [(proof.Frames[1].Salt, proof.Frames[0].Frame)] }),
            ("not signed by this network", proof with { Network = stranger.Keys.Key }),
            ("instead of", proof with { Certificate = [] }),
        ];
        foreach (var (cause, changed) in wrong)
        {
            var verdict = Verify(changed);
            Assert.False(verdict.Holds, cause);
            if (cause != "instead of")
            {
                Assert.Contains(cause, verdict.Text, StringComparison.Ordinal);
            }
        }

        Assert.True(Verify(proof).Holds);
    }

    [Fact]
    public void A_certificate_that_had_expired_does_not_hold()
    {
        var network = new TestNetwork();
        var identity = network.Node(1, notAfter: EvidenceFixture.Time.AddSeconds(-1));
        var (direction, key) = (new SessionDirection(identity.Id, TestIdentity.KeyOf(2).Id, true, 1), Salts.Key(new byte[32], true));
        var frame = new byte[Frame.DataOverhead + 2];
        Frame.WriteData(frame, 0, 0, true, "{}"u8);
        var (hash, salts, leaf, root) = (new LeafHash(), new Salts(key), new byte[32], new byte[32]);
        hash.Leaf(salts.Of(0), frame, leaf);
        hash.Root(leaf, root);
        var checkpoint = new Checkpoint(0, 0, 1, (ulong)EvidenceFixture.Time.ToUnixTimeMilliseconds());
        var proof = new EvidenceProof(
            network.Keys.Key, identity.Certificate.Encoded.ToArray(), direction, checkpoint, new byte[32],
            identity.Sign(SigningLabel.Checkpoint, checkpoint.Signed(direction, new byte[32], root)), leaf, [(salts.Of(0).ToArray(), frame)]);
        Assert.Contains("expired", Verify(proof).Text, StringComparison.Ordinal);
        Assert.False(Verify(proof).Holds);
    }

    [Fact]
    public async Task What_the_sender_wrote_cannot_look_like_the_verdict()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Open(0, "x"), f.Message(0, "{\n\"a\":\"b\"\n\n}\n")]);
        Assert.Equal(1, Verify(EvidenceProof.Of(fixture.All[0].Entry, _ => true)).Text.Split('\n').Count(l => l.Contains("\"a\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_is_wrong_with_a_document_is_said_without_its_control_characters()
    {
        var verdict = EvidenceVerdict.Of("f\u001b[2Jalse"u8.ToArray(), null);
        Assert.False(verdict.Holds);
        Assert.DoesNotContain('\u001b', verdict.Text);
        Assert.StartsWith("The evidence does not hold: it is no evidence of this version: ", verdict.Text, StringComparison.Ordinal);
    }

    private static EvidenceProof Proof(EvidenceFixture fixture, ulong sequence) => EvidenceProof.Of(fixture.All[0].Entry, s => s == sequence);

    private static EvidenceVerdict Verify(EvidenceProof proof) => EvidenceVerdict.Of(proof.Write(), null);
}
