using System.CommandLine;
using System.Text.Json;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Commands;

/// <summary><c>dawn mcp</c>: an MCP server on standard input and output, for desktop clients; every message passes as it is.</summary>
internal static class McpVerb
{
    public static Command Create(VerbFactory factory)
    {
        var address = new Argument<string?>("address") { Description = "One agent; without it, all agents of the network as one server.", Arity = ArgumentArity.ZeroOrOne };
        var owner = new Option<bool>("--owner") { Description = "Call as the node's owner: the client may then use the admin tools of 'node'." };
        var command = factory.Create("mcp", """
            Speaks MCP on standard input and output, for AI clients that start their servers themselves.

            Example, in a client's configuration:
              { "mcpServers": { "dawn": { "command": "dawn", "args": ["mcp"] } } }
            """, false, async (verb, cancellationToken) =>
        {
            var caller = verb.Parsed.GetValue(owner) ? AgentId.Owner : AgentId.Gateway;
            await using var client = await verb.WithinTimeoutAsync(ct => ControlClient.OpenAsync(verb.DataDirectory, verb.Parsed.GetValue(address) ?? "", caller, ct), cancellationToken);
            return await SpliceAsync(verb, client.Lines, cancellationToken);
        });
        command.Add(address);
        command.Add(owner);
        return command;
    }

    private static async Task<int> SpliceAsync(Verb verb, ControlSocketLines node, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var open = new OpenRequests();
        var up = UpAsync(new(verb.Terminal.OpenInput(), endsLine: true), node, open, ended.Token);
        var down = DownAsync(new(verb.Terminal.OpenOutput()), node, open, ended.Token);
        try
        {
            if (await Task.WhenAny(up, down) == up)
            {
                await up;

                // Whoever pipes requests in wants the answers too; a client that closes its end waits for nothing.
                await verb.WithinTimeoutAsync(async ct =>
                {
                    await Task.WhenAny(open.None, down).WaitAsync(ct);
                    return true;
                }, cancellationToken);
                return ExitCode.Done;
            }

            await down;
            throw new CommandException("The node closed the conversation; see 'dawn logs', or its log where it does not run any more.");
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw new CommandException($"The conversation broke: {e.Message}");
        }
        finally
        {
            // The reader of standard input may not heed its token; the end of the process ends it.
            await ended.CancelAsync();
        }
    }

    private static async Task UpAsync(ControlSocketLines input, ControlSocketLines node, OpenRequests open, CancellationToken cancellationToken)
    {
        while (await input.ReadAsync(MeshChannel.MaxMessage, cancellationToken) is { } line)
        {
            open.Asked(line.Span);
            await node.WriteAsync(line, cancellationToken);
        }
    }

    private static async Task DownAsync(ControlSocketLines output, ControlSocketLines node, OpenRequests open, CancellationToken cancellationToken)
    {
        while (await node.ReadAsync(MeshChannel.MaxMessage, cancellationToken) is { } line)
        {
            if (ControlEnd.TryRead(line.Span, out var end))
            {
                throw new ControlException(end!.Code, end.Error, end.Transmitted);
            }

            await output.WriteAsync(line, cancellationToken);
            open.Answered(line.Span);
        }
    }

    /// <summary>Counts the client's requests that have no answer yet.</summary>
    private sealed class OpenRequests
    {
        private readonly Lock _lock = new();
        private TaskCompletionSource? _none;
        private int _count;

        /// <summary>Ends once no answer is outstanding.</summary>
        public Task None
        {
            get
            {
                lock (_lock)
                {
                    _none ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                    Check();
                    return _none.Task;
                }
            }
        }

        public void Asked(ReadOnlySpan<byte> message)
        {
            if (Has(message) is (true, true))
            {
                Add(1);
            }
        }

        public void Answered(ReadOnlySpan<byte> message)
        {
            if (Has(message) is (true, false))
            {
                Add(-1);
            }
        }

        private void Add(int change)
        {
            lock (_lock)
            {
                _count += change;
                Check();
            }
        }

        private void Check()
        {
            if (_count <= 0)
            {
                _none?.TrySetResult();
            }
        }

        private static (bool Id, bool Method) Has(ReadOnlySpan<byte> message)
        {
            var (id, method) = (false, false);
            try
            {
                var reader = new Utf8JsonReader(message);
                if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                {
                    return default;
                }

                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var isId = reader.ValueTextEquals("id"u8);
                    method |= reader.ValueTextEquals("method"u8);

                    // An error whose id is null answers what could not be read, and none of the requests that are counted.
                    id |= reader.Read() && isId && reader.TokenType != JsonTokenType.Null;
                    reader.Skip();
                }
            }
            catch (JsonException)
            {
                // Not ours to judge: the agent answers it as it sees fit.
            }

            return (id, method);
        }
    }
}
