using System.CommandLine;
using System.Text;
using QRCoder;

namespace Dawn.Commands;

/// <summary><c>dawn invite</c>: a ticket for another machine.</summary>
internal static class InviteVerb
{
    public static Command Create(VerbFactory factory)
    {
        var role = new Option<string>("--role") { Description = "What the newcomer may be: member holds the network's secret and may invite, guest and browser don't.", DefaultValueFactory = _ => "member" };
        role.AcceptOnlyFromAmong("member", "guest", "browser");
        var uses = Verb.Options.NewNumber("--uses", "How many may join with it.", "count", 1, 1, 1000);
        var expires = new Option<string>("--expires") { Description = "How long it is good for: 90s, 10m, 2h, 7d.", DefaultValueFactory = _ => "10m", HelpName = "time" };
        var command = factory.Create("invite", """
            Prints a ticket with which another machine joins the network: 'dawn join -' there, and paste it. Whoever has it can join, so pass it on in private.

            Example:
              dawn invite --role guest --expires 1h
            """, true, async (verb, cancellationToken) =>
        {
            var lifetime = Duration.Seconds("--expires", verb.Parsed.GetValue(expires)!);
            var count = verb.Parsed.GetValue(uses);
            var invitation = await verb.WithinTimeoutAsync(async ct =>
            {
                await using var node = await NodeClient.OpenAsync(verb, ct);
                return await node.CallAsync("invite", new() { ["role"] = verb.Parsed.GetValue(role), ["uses"] = count, ["expiresSeconds"] = lifetime }, ct);
            }, cancellationToken);
            if (verb.IsJson)
            {
                verb.Terminal.Out.WriteLine(invitation.GetRawText());
                return ExitCode.Done;
            }

            var ticket = invitation.Text("ticket");
            verb.Terminal.Out.WriteLine(ticket);
            if (verb.Terminal.IsInteractive)
            {
                verb.Terminal.Error.WriteLine(Qr(ticket));
                verb.Terminal.Error.WriteLine($"Good for {count} {(count == 1 ? "use" : "uses")} until {invitation.Text("expires")}: dawn join -");
            }

            return ExitCode.Done;
        });
        command.Add(role);
        command.Add(uses);
        command.Add(expires);
        return command;
    }

    /// <summary>Two rows of modules in a line of half blocks. Light is drawn and dark left out, as the scanners want on a dark terminal.</summary>
    public static string Qr(string text)
    {
        using var code = QRCodeGenerator.GenerateQrCode(text, QRCodeGenerator.ECCLevel.L);
        var rows = code.ModuleMatrix;
        var drawn = new StringBuilder();
        for (var y = 0; y < rows.Count; y += 2)
        {
            for (var x = 0; x < rows[y].Length; x++)
            {
                var (upper, lower) = (!rows[y][x], y + 1 < rows.Count && !rows[y + 1][x]);
                drawn.Append((upper, lower) switch { (true, true) => '█', (true, false) => '▀', (false, true) => '▄', _ => ' ' });
            }

            drawn.Append('\n');
        }

        return drawn.ToString().TrimEnd('\n');
    }
}
