using System.CommandLine;
using Dawn.Identity;

namespace Dawn.Commands;

/// <summary><c>dawn stop</c>: ends the running node and waits until it has let go.</summary>
internal static class StopVerb
{
    public static Command Create(VerbFactory factory) => factory.Create("stop", """
        Stops the running node and waits until it has let go of its data directory.

        Example:
          dawn stop --data ~/nodes/a
        """, false, (verb, cancellationToken) => verb.WithinTimeoutAsync(async ct =>
    {
        await using var node = await NodeClient.OpenAsync(verb, ct);
        try
        {
            await node.CallAsync("stop", null, ct);
        }
        catch (ControlException)
        {
            // It may be gone before its answer is out, which is what was asked for.
        }

        await node.Conversation.Ended.WaitAsync(ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await DataDirectory.WaitUntilFreeAsync(verb.DataDirectory, verb.Terminal.Time, ct);
        return ExitCode.Done;
    }, cancellationToken));
}
