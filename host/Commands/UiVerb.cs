using System.CommandLine;

namespace Dawn.Commands;

/// <summary><c>dawn ui</c>: an address that lets a browser in.</summary>
internal static class UiVerb
{
    public static Command Create(VerbFactory factory) => factory.Create("ui", """
        Prints an address of this node's page with a fresh ticket in it. Open it in a browser: the ticket lets that browser in, once, within ten minutes.

        Example:
          dawn ui
        """, true, async (verb, cancellationToken) =>
    {
        var page = await verb.WithinTimeoutAsync(async ct =>
        {
            await using var node = await NodeClient.OpenAsync(verb, ct);
            return await node.CallAsync("ui", null, ct);
        }, cancellationToken);
        verb.Terminal.Out.WriteLine(verb.IsJson ? page.GetRawText() : page.Text("ui"));
        return ExitCode.Done;
    });
}
