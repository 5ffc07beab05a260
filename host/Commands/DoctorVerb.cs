using System.CommandLine;

namespace Dawn.Commands;

/// <summary><c>dawn doctor</c>: looks for whatever is wrong, with a running node or without.</summary>
internal static class DoctorVerb
{
    public static Command Create(VerbFactory factory)
    {
        var json = Verb.Options.NewJson();
        var timeout = Verb.Options.NewTimeout();
        var command = new Command("doctor", """
            Checks the data directory, settings, secrets, certificates, ports, plugins, servers, neighbours and the machine, and says cause and cure of what is not well.
            The node may run or not. It takes the settings of 'dawn run', and prints no secret. The exit code is 0 where nothing failed.

            Example:
              dawn doctor --json | jq '.checks[] | select(.outcome != "ok")'
            """) { json, timeout };
        command.SetAction((parsed, cancellationToken) => factory.Actions.Doctor(
            new(parsed.GetValue<string?>(Verb.Options.Data), factory.Settings, false),
            new(parsed.GetValue<bool>(Verb.Options.Json), TimeSpan.FromSeconds(parsed.GetValue<double>(Verb.Options.Timeout))),
            factory.Terminal, cancellationToken));
        return command;
    }
}
