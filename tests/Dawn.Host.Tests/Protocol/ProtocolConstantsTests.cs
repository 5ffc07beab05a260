using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Tests.Plugins;
using Xunit;
using LinkQueue = Dawn.Links.SendQueue;
using SessionQueue = Dawn.Sessions.SendQueue;

namespace Dawn.Tests.Protocol;

/// <summary>What docs/protocol.md gives in numbers and names is what the code has.</summary>
public sealed partial class ProtocolConstantsTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(PluginSandbox.Repository, "docs/protocol.md"));

    // Lines are broken for reading alone.
    private static readonly string Flowing = Spaces().Replace(Page, " ");

    [Fact]
    public void Frame_types_are_those_of_the_tables()
    {
        Assert.Equal(Values<LinkFrame>(), Rows("### Frames").Select(row => (int.Parse(row[0], CultureInfo.InvariantCulture), row[1])));
        Assert.Equal(Values<FrameType>(), Rows("### Segment").Where(row => row[0].StartsWith("0x", StringComparison.Ordinal)).Select(row => (Convert.ToInt32(row[0], 16), row[1])));
    }

    [Fact]
    public void Codes_are_those_of_the_lists()
    {
        // What the wire never carries: a link that broke says nothing more.
        Assert.Equal(Values<LinkEnd>().Where(end => end.Item1 != (int)LinkEnd.Broken).Select(end => end.Item1), Codes("Close codes: ").Select(code => code.Item1));
        Assert.Equal("done stopping duplicate protocolerror certificateexpired limit silent", string.Join(' ', Codes("Close codes: ").Select(code => code.Item2)));
        Assert.Equal(Values<MeshError>().Select(error => error.Item1), Codes("*Close codes* (channel and goodbye): ").Select(code => code.Item1));
        Assert.Equal(
            Values<MeshError>().Select(error => error.Item2 switch { "none" => "done", "protocol" => "protocolerror", var name => name }),
            Codes("*Close codes* (channel and goodbye): ").Select(code => code.Item2));
    }

    [Fact]
    public void Labels_are_those_that_are_signed_under()
    {
        string[] labels =
        [
            .. typeof(SigningLabel).GetProperties(BindingFlags.Public | BindingFlags.Static).Select(label => Encoding.ASCII.GetString(label.GetMethod!.CreateDelegate<Label>()())),
        ];
        Assert.Equal(string.Join(", ", labels.Select(label => $"`{label}`")), string.Join(", ", LabelList().Match(Flowing).Value.TrimEnd('.').Split(", ")));
        Assert.Contains($"`{HandshakePattern.XXpsk0psk3.ProtocolName}`", Page, StringComparison.Ordinal);
    }

    [Fact]
    public void Enumerations_are_those_of_the_page()
    {
        Says($"(1 {Name(CertificateRole.Member)}, 2 {Name(CertificateRole.Guest)}, 3 {Name(CertificateRole.Browser)})", (int)CertificateRole.Member == 1 && (int)CertificateRole.Guest == 2 && (int)CertificateRole.Browser == 3);
        Says("0 Required, 1 Optional, 2 Off", EncryptionMode.Required == 0 && (int)EncryptionMode.Optional == 1 && (int)EncryptionMode.Off == 2);
        Says("6 trace, 7 traced", (int)EnvelopeKind.Trace == 6 && (int)EnvelopeKind.Traced == 7);
        Says("1 handshake, 2 segment, 3 undeliverable", (int)EnvelopeKind.Handshake == 1 && (int)EnvelopeKind.Segment == 2 && (int)EnvelopeKind.Undeliverable == 3);
        Says("0x01 for the initiator, 0x02 for the responder; h", (int)HandshakeRole.Initiator == 1 && (int)HandshakeRole.Responder == 2);
        Says("0 done, else refused: 1 spent or expired, 2 refused", (int)Redemption.Refusal.Spent == 1 && (int)Redemption.Refusal.Refused == 2);
    }

    // Each phrase stands on the page with the code's own number in it.
    [Fact]
    public void Sizes_and_counts_are_those_of_the_code()
    {
        Says($"**Certificate**, {Certificate.Size} bytes");
        Says($"base32 (RFC 4648) without padding, {NodeId.TextLength} characters");
        Says($"are 1 to {AgentId.MaxLength} characters");
        Says($"| 2 | length of extensions | at most {Private<int>(typeof(Hello), "MaxExtensions")} |");
        Says($"`block16` of at most {PeerHandshake.MaxMessage:N0} bytes");
        Says($"`block16`, at most {Private<int>(typeof(PeerHandshake), "MaxExtensions")} bytes, ignored");
        Says($"At most {RecordWriter.MaxRecord:N0} bytes of plaintext");
        Says($"sent with at most {Private<int>(typeof(CloseFrame), "MaxReason")} bytes");
        Says("`u8 type ‖ u16 length ‖ body`", LinkQueue.FrameHead == 3);
        Says($"A node's signed statement about itself, at most {NodeRecord.MaxSize / 1024} KiB");
        Says($"addresses: URIs, at most {NodeRecord.MaxAddresses}");
        Says($"at most {NodeRecord.MaxAgents} agents, each once");
        Says($"`text8` title (≤ {NodeRecord.MaxTitle} bytes)");
        Says($"`u16` count of tools (≤ {AgentCard.MaxTools}), `text8` each (≤ {NodeRecord.MaxToolName} bytes)");
        Says($"`u8` version = {RegistryFrame.Version}");
        Says($"({string.Join(", ", Values<RegistryFrameKind>().Select(kind => $"{kind.Item1} {kind.Item2}"))})");
        Says("0 the listing below, 1 that of a plugin", RegistryForm.Listing == 0 && (int)RegistryForm.Plugin == 1);
        Says($"a message of at most {RegistryFrame.MaxMessage / 1024} KiB");
        Says($"at most {RegistryFrame.MaxSteps} messages");
        Says($"1 to {RegistryFrame.MaxHaves} times: {NodeId.Size} bytes NodeId, `u64` sequence", RegistryFrame.HaveSize == NodeId.Size + sizeof(ulong));
        Says($"1 to {RegistryFrame.MaxHaves} NodeIds, {NodeId.Size} bytes each");
        Says($"at most {RegistryListing.LinesPerPage} lines");
        Says($"without its first {NodeRecord.HeadSize} bytes");
        Says($"{RegistryNeighbour.Openings.Burst} summaries and first messages at once, and then one in {RegistryNeighbour.Openings.Interval.TotalSeconds} s");
        Says($"{RegistryNeighbour.Proofs.Burst} proofs at once, and then one in {RegistryNeighbour.Proofs.Interval.TotalSeconds} s");
        Says($"{RegistryNeighbour.Spreadings.Burst} frames of kinds 4 to 6 at once, and then one in {RegistryNeighbour.Spreadings.Interval.TotalMilliseconds} ms");
        Says($"| hop limit | {EnvelopeHeader.DefaultHopLimit} at the origin");
        Says($"| length of the payload | at most {EnvelopeHeader.MaxPayload:N0} |");
        Says($"| {EnvelopeHeader.Size} | … | payload |");
        Says($"| {SegmentHeader.Size} | … | body |");
        Says($"The plaintext has at most {SegmentHeader.MaxPlaintext:N0} bytes");
        Says($"a replay window of {ReplayWindow.Size:N0} nonces");
        Says($"`u8` count (≤ {Frame.MaxAckRanges}) of ranges");
        Says($"for {Private<int>(typeof(Session), "AckEvery")} frames, and");
        Says($"at most {Private<int>(typeof(HalfOpenSession), "MaxEarly")}, and may drop them");
        Says($"at most {SessionTable.MaxHalfOpenPerNode} unfinished handshakes with one node and {SessionTable.MaxHalfOpen} in all");
        Says($"at most {SessionTable.MaxSessionsPerNode} sessions with one node");
        Says($"In all it keeps {SessionTable.MaxSessions:N0}");
        Says($"{SessionChannel.Window / (1024 * 1024)} MiB in `open` and `accept`");
        Says($"the opener assumes {SessionChannel.WindowBeforeAccept / 1024} KiB");
        Says($"in steps of {Private<long>(typeof(SessionChannel), "WindowStep") / 1024} KiB or more");
        Says($"more than {MeshChannel.MaxMessage >> 20} MiB, or more than {MemoryBudget.PerSession >> 20} MiB unread in a session or {MemoryBudget.PerProcess >> 20} MiB in a node");
        Says($"bounded to {SessionQueue.MaxBytes >> 20} MiB and {SessionQueue.MaxFrames:N0} frames");
        Says($"At most {Session.MaxChannels:N0} channels are open");
        Says($"`u16` count (1 … {Checkpoint.MaxCount:N0})");
        Says($"*Frame.* The body of 0x15, {Checkpoint.FrameSize - 11} bytes");
        Says($"over these {Checkpoint.SignedSize} bytes");
        Says($"*Salts.* {Salts.Size} bytes for each");
        Says($"more than {CheckpointVerifier.MaxUncovered:N0} leaves without a checkpoint");
        Says($"16 bytes id, {Ticket.SecretSize} bytes secret", Ticket.IdSize == 16);
        Says($"(the issuer's addresses, at most {Ticket.MaxAddresses})");
    }

    [Fact]
    public void Times_are_those_of_the_code()
    {
        var link = new LinkOptions();
        Says($"takes at most {link.HandshakeTimeout.TotalSeconds} seconds");
        Says($"heard nothing for {link.PingAfter.TotalSeconds} s sends a ping; whoever has heard nothing for {link.DeadAfter.TotalSeconds} s ends the link");
        Says($"reads on until then, for at most {link.CloseTimeout.TotalSeconds} s");
        Says($"`RekeyAfter` old ({link.RekeyAfter.TotalMinutes} minutes; for the responder {link.RekeyMargin.TotalSeconds} s more");
        Says("sealed or opened 2^36 bytes", link.RekeyBytes == 1L << 36);
        Says($"may take {link.RekeyTimeout.TotalSeconds} s, since");
        Says($"no rekeying sooner than {Rekeying.MinInterval.TotalSeconds} s after");
        Says($"lives for at most {link.NewcomerLifetime.TotalSeconds} s");
        Says($"takes {link.HandshakesPerSecond} new connections a second and {link.HandshakeBurst} at once, and {link.MaxHandshakesPerAddress} that are in their handshake");
        Says($"Of all addresses together {link.MaxHandshakes} are in their handshake at once, and the oldest gives way to the newest; all listeners together accept {link.AcceptBurst} connections at once and then {link.AcceptsPerSecond} a second");
        Says($"at most {link.MaxLinks} links with members and {link.MaxNewcomers} with newcomers");
        Says($"taken nothing off the transport for {link.WriteTimeout.TotalSeconds} s. A link queues {link.QueueBytes >> 20} MiB");
        Says($"at most {NodeRecord.MaxLifetime.TotalHours} h apart");
        Says($"every {RegistryNeighbour.SummaryEvery.TotalSeconds} s (0.8 to 1.2 times that, by chance)");
        Says($"begins none sooner than {RegistryNeighbour.BeginEvery.TotalSeconds} s after the one before");
        Says($"is gathered for {RegistryTidings.Gather.TotalMilliseconds} ms");
        Says($"that it lacks waits {RegistryMissing.Patience.TotalMilliseconds} ms");
        Says($"nothing was heard for {RegistryNeighbour.Patience.TotalSeconds} s is over");
        Says($"more than {NodeRecord.MaxAhead.TotalMinutes} minutes ahead of the receiver's clock");
        Says($"gives up after {SessionHandshakes.GiveUp.TotalSeconds} s");
        Says($"256 in all, each for {SessionHandshakes.HalfOpenFor.TotalSeconds} s");
        Says($"as long as a session may be without progress, {Session.ProgressTimeOut.TotalSeconds} s");
        Says($"nothing was acknowledged for {Session.ProgressTimeOut.TotalSeconds} s");
        Says($"leaves by itself {Milliseconds("AckDelay")} ms after");
        Says($"dropped after {Milliseconds("IdleTimeOut") / 60_000} minutes");
        Says($"nothing authentic has come for {Milliseconds("DoubtTimeOut") / 1_000} s");
        Says($"that isn't finished after {Milliseconds("RekeyTimeOut") / 1_000} s");
        Says($"until {Milliseconds("OldKeyKept") / 1_000} s after it first heard");
        Says($"{Milliseconds("CheckpointDelay")} ms after the first of them was sent");
        Says($"had none for {Milliseconds("UncoveredTimeOut") / 1_000} s");
        Says($"After {Milliseconds("UncoveredAtLast") / 1_000} s it ends in any case");
    }

    private delegate ReadOnlySpan<byte> Label();

    private static long Milliseconds(string name) => Private<long>(typeof(Session), name) / TimeSpan.TicksPerMillisecond;

    private static T Private<T>(Type type, string name) => (T)type.GetField(name, BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!;

    private static void Says(string phrase, bool isSo = true)
    {
        Assert.True(isSo, $"The page says '{phrase}', and the code does not.");
        Assert.True(Flowing.Contains(phrase, StringComparison.Ordinal), $"The page does not say '{phrase}', as the code does.");
    }

    private static string Name<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static IEnumerable<(int, string)> Values<T>() where T : struct, Enum =>
        Enum.GetValues<T>().Select(value => (Convert.ToInt32(value, CultureInfo.InvariantCulture), Name(value)));

    // The cells of the tables under a heading, up to the next one.
    private static IEnumerable<string[]> Rows(string heading) =>
        Page.Split('\n').SkipWhile(line => line != heading).Skip(1).TakeWhile(line => !line.StartsWith('#'))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| type", StringComparison.Ordinal))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries)[1..]);

    private static IEnumerable<(int, string)> Codes(string after)
    {
        var from = Flowing.IndexOf(after, StringComparison.Ordinal) + after.Length;
        return Flowing[from..Flowing.IndexOf('.', from)].Split(", ").Select(code => code.Split(' ', 2))
            .Select(code => (int.Parse(code[0], CultureInfo.InvariantCulture), code[1].Replace(" ", "", StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex("`dawn/1 link`, [^.]*\\.")]
    private static partial Regex LabelList();
}
