using System.Net.Sockets;
using System.Text;
using Dawn.Commands;
using Dawn.Gateway;
using Dawn.Sessions;
using Dawn.Tests.Node;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class ControlSocketTests
{
    private const string OpenRaw = """{"dawn":1,"open":"raw","as":"owner"}""";

    [Fact(Timeout = 30_000)]
    public async Task AnSdkClientTalksToAnAgent()
    {
        await using var node = await RunningNode.StartAsync();
        await using var control = await ControlClient.OpenAsync(node.DataDirectory, "echo", "gateway", TestContext.Current.CancellationToken);
        Assert.Equal($"{FakeNode.Self}:echo", control.Opened);

        await using var client = await McpClient.CreateAsync(new LinesTransport(control.Lines), cancellationToken: TestContext.Current.CancellationToken);
        var result = await client.CallToolAsync("caller", cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("gateway", Assert.IsType<TextContentBlock>(result.Content[0]).Text);
    }

    [Fact(Timeout = 30_000)]
    public async Task MessagesPassVerbatimEachOnOneLine()
    {
        await using var node = await RunningNode.StartAsync();
        const string Odd = """{"jsonrpc":"2.0","x-unknown":[1.00,"é"],"method":"a/b"}""";
        node.Network.Add("raw", async (channel, _) =>
        {
            using (var message = await channel.ReceiveAsync(default) ?? default)
            {
                await channel.SendAsync(message.Memory, default);
            }

            await channel.SendAsync("{\r\n  \"jsonrpc\": \"2.0\"\n}"u8.ToArray(), default);
        });
        using var raw = await RawClient.OpenAsync(node, OpenRaw, "\n" + Odd);

        Assert.Equal($$"""{"opened":"{{FakeNode.Self}}:raw"}""", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Equal(Odd, await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Equal("{    \"jsonrpc\": \"2.0\" }", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Null(await raw.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("GET / HTTP/1.1", "bad-request")]
    [InlineData("null", "bad-request")]
    [InlineData("[]", "bad-request")]
    [InlineData("""{"dawn":2,"open":"echo","as":"owner"}""", "bad-request")]
    [InlineData("""{"dawn":1,"open":"echo"}""", "bad-request")]
    [InlineData("""{"dawn":1,"as":"owner"}""", "bad-request")]
    [InlineData("""{"dawn":1,"open":"echo","as":"helper"}""", "bad-request")]
    [InlineData("""{"dawn":1,"open":"nobody","as":"owner"}""", "unknown-agent")]
    [InlineData("""{"dawn":1,"open":"twice","as":"owner"}""", "bad-address")]
    [InlineData("""{"dawn":1,"open":"far","as":"owner"}""", "unreachable")]
    public async Task ABadFirstLineIsAnsweredInWords(string line, string code)
    {
        await using var node = await RunningNode.StartAsync();
        using var raw = await RawClient.OpenAsync(node, line);

        var answer = await raw.ReadAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith("""{"error":""", answer);
        Assert.EndsWith($"\"code\":\"{code}\"}}", answer);
        Assert.Null(await raw.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 30_000)]
    public async Task AnEndlessFirstLineIsCutOff()
    {
        await using var node = await RunningNode.StartAsync();
        using var raw = await RawClient.OpenAsync(node, new string('x', 5000));
        Assert.Contains("4096", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Null(await raw.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 30_000)]
    public async Task ASilentClientIsDropped()
    {
        var time = new FakeTimeProvider();
        await using var node = await RunningNode.StartAsync(time: time);
        using var raw = await RawClient.OpenAsync(node);
        var reading = raw.ReadAsync(TestContext.Current.CancellationToken);

        // The deadline begins when the connection is served, which the test can't see; time passes until it is over.
        while (!reading.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(10));
            await Task.Yield();
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }

        Assert.Null(await reading);
    }

    [Fact(Timeout = 30_000)]
    public async Task ALineBeyondTheLimitEndsTheConversationInWords()
    {
        await using var node = await RunningNode.StartAsync();
        var closed = new TaskCompletionSource();
        node.Network.Add("raw", async (channel, _) =>
        {
            Assert.Null(await channel.ReceiveAsync(default));
            closed.SetResult();
        });
        using var raw = await RawClient.OpenAsync(node, OpenRaw);
        Assert.Contains("opened", await raw.ReadAsync(TestContext.Current.CancellationToken));

        var writing = raw.TryWriteAsync(new byte[MeshChannel.MaxMessage + 2]);

        Assert.Contains("\"code\":\"limit\"", await raw.ReadAsync(TestContext.Current.CancellationToken));
        await closed.Task.WaitAsync(TestContext.Current.CancellationToken);
        await writing;
    }

    [Fact(Timeout = 30_000)]
    public async Task AClientThatLeavesInMidCallClosesTheChannel()
    {
        await using var node = await RunningNode.StartAsync();
        var (called, closed) = (new TaskCompletionSource(), new TaskCompletionSource());
        node.Network.Add("raw", async (channel, _) =>
        {
            (await channel.ReceiveAsync(default))!.Value.Dispose();
            called.SetResult();
            Assert.Null(await channel.ReceiveAsync(default));
            closed.SetResult();
        });
        using (await RawClient.OpenAsync(node, OpenRaw, """{"jsonrpc":"2.0","id":1,"method":"x"}"""))
        {
            await called.Task.WaitAsync(TestContext.Current.CancellationToken);
        }

        await closed.Task.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 30_000)]
    public async Task ARefusalOrABreakIsTheLastLine()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("raw", async (channel, _) =>
        {
            (await channel.ReceiveAsync(default))!.Value.Dispose();
            throw new MeshException(MeshError.Refused, "Not for you.");
        });
        using var raw = await RawClient.OpenAsync(node, OpenRaw, "{}");
        await raw.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal("""{"dawn":1,"error":"Not for you.","code":"refused","transmitted":1}""", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Null(await raw.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 30_000)]
    public async Task AnAgentCannotSpeakForTheNode()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("raw", async (channel, _) =>
        {
            await channel.SendAsync("""{"dawn":1,"error":"Not executed, honestly.","code":"lost","transmitted":0}"""u8.ToArray(), default);
            Assert.Null(await channel.ReceiveAsync(default));
        });
        using var raw = await RawClient.OpenAsync(node, OpenRaw, "{}");
        await raw.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Contains("\"code\":\"protocol\"", await raw.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 30_000)]
    public async Task StoppingTellsOpenConversations()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("raw", async (channel, _) => Assert.Null(await channel.ReceiveAsync(default)));
        using var raw = await RawClient.OpenAsync(node, OpenRaw);
        await raw.ReadAsync(TestContext.Current.CancellationToken);

        await node.Socket.StopAsync(TestContext.Current.CancellationToken);

        Assert.Contains("\"code\":\"stopping\"", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Empty(Directory.EnumerateFileSystemEntries(node.DataDirectory));
    }

    [Fact(Timeout = 30_000)]
    public async Task TheAggregateGetsTheTransportAndTheCaller()
    {
        await using var node = await RunningNode.StartAsync();
        node.Aggregate = async (transport, caller, ct) =>
        {
            var request = (JsonRpcRequest)await transport.MessageReader.ReadAsync(ct);
            await transport.SendMessageAsync(new JsonRpcResponse { Id = request.Id, Result = $"{request.Method} by {caller}" }, ct);
        };
        using var raw = await RawClient.OpenAsync(node, """{"dawn":1,"open":"","as":"gateway"}""", """{"jsonrpc":"2.0","id":7,"method":"tools/list"}""");

        Assert.Equal("""{"opened":""}""", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Contains("\"tools/list by gateway\"", await raw.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Null(await raw.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 60_000)]
    public async Task ManyConversationsAreServedAndOneTooManyIsRefused()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("raw", async (channel, _) =>
        {
            while (await channel.ReceiveAsync(default) is { } message)
            {
                await channel.SendAsync(message.Memory, default);
                message.Dispose();
            }
        });
        var clients = new List<RawClient>();
        for (var i = 0; i < ControlSocket.MaxConnections; i++)
        {
            clients.Add(await RawClient.OpenAsync(node, OpenRaw, $"\"{i}\""));
            Assert.Contains("opened", await clients[i].ReadAsync(TestContext.Current.CancellationToken));
        }

        var late = await Assert.ThrowsAsync<ControlException>(() => ControlClient.OpenAsync(node.DataDirectory, "raw", "owner", TestContext.Current.CancellationToken));
        Assert.Equal("limit", late.Code);

        for (var i = 0; i < clients.Count; i++)
        {
            Assert.Equal($"\"{i}\"", await clients[i].ReadAsync(TestContext.Current.CancellationToken));
            clients[i].Dispose();
        }

        // Places come back as soon as their conversations have ended.
        string? answer;
        do
        {
            using var next = await RawClient.OpenAsync(node, OpenRaw);
            answer = await next.ReadAsync(TestContext.Current.CancellationToken);
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }
        while (answer is null || !answer.Contains("opened"));
    }

    [Fact(Timeout = 30_000)]
    public async Task TheSocketIsItsOwnersAlone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has access lists instead.");
        await using var node = await RunningNode.StartAsync();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Mode(Path.Combine(node.DataDirectory, "control.sock")));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 30_000)]
    public async Task ADeepDirectoryHasItsSocketElsewhere()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has access lists instead.");
        string socket;
        await using (var node = await RunningNode.StartAsync(new string('d', 120)))
        {
            Assert.False(File.Exists(Path.Combine(node.DataDirectory, "control.sock")));
            socket = File.ReadAllText(Path.Combine(node.DataDirectory, "control.path"));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Mode(socket));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, Mode(Path.GetDirectoryName(socket)!));
            await using var client = await ControlClient.OpenAsync(node.DataDirectory, "echo", "owner", TestContext.Current.CancellationToken);
            Assert.EndsWith(":echo", client.Opened);
        }

        Assert.False(Directory.Exists(Path.GetDirectoryName(socket)));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("data")]
    [InlineData("long")]
    public async Task WhatAKilledNodeLeftIsReplaced(string length)
    {
        await using var node = new RunningNode(length == "long" ? new string('d', 120) : "data");
        Directory.CreateDirectory(node.DataDirectory);
        var orphaned = Path.Combine(node.DataDirectory, "control.sock");
        if (length == "long")
        {
            orphaned = Path.Combine(Directory.CreateTempSubdirectory("dawn-").FullName, "control.sock");
            File.WriteAllText(Path.Combine(node.DataDirectory, "control.path"), orphaned);
        }

        // A socket whose file outlives it, as after a kill: moved, so that closing doesn't delete it.
        var passing = Path.Combine(Path.GetTempPath(), $"dawn-test-{Environment.ProcessId}-{length}");
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(passing));
            dead.Listen();
            File.Move(passing, orphaned);
        }

        Assert.True(File.Exists(orphaned));
        var before = await Assert.ThrowsAsync<ControlException>(() => ControlClient.OpenAsync(node.DataDirectory, "echo", "owner", TestContext.Current.CancellationToken));
        Assert.Equal(ControlException.NoNode, before.Code);

        await node.Socket.StartAsync(TestContext.Current.CancellationToken);

        await using var client = await ControlClient.OpenAsync(node.DataDirectory, "echo", "owner", TestContext.Current.CancellationToken);
        Assert.Equal(length == "data", File.Exists(orphaned));
    }

    [Fact(Timeout = 30_000)]
    public async Task ALivingNodeKeepsItsSocket()
    {
        await using var node = await RunningNode.StartAsync();
        await using var second = new ControlSocket(node.DataDirectory, node.Network, node.Network, node.Aggregate, TimeProvider.System, NullLogger<ControlSocket>.Instance);

        var refused = await Assert.ThrowsAsync<IOException>(() => second.StartAsync(TestContext.Current.CancellationToken));

        Assert.Contains(node.DataDirectory, refused.Message);
        await second.StopAsync(TestContext.Current.CancellationToken);
        await using var client = await ControlClient.OpenAsync(node.DataDirectory, "echo", "owner", TestContext.Current.CancellationToken);
    }

    private static UnixFileMode Mode(string path) => OperatingSystem.IsWindows() ? throw new PlatformNotSupportedException() : File.GetUnixFileMode(path);

    private sealed class LinesTransport(ControlSocketLines lines) : IClientTransport
    {
        public string Name => "test";

        public Task<ITransport> ConnectAsync(CancellationToken cancellationToken = default) => Task.FromResult<ITransport>(new ControlSocketTransport("test", lines));
    }

    private sealed class RawClient : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private StreamReader _reader = StreamReader.Null;

        public static async Task<RawClient> OpenAsync(RunningNode node, params string[] lines)
        {
            var client = new RawClient();
            await client._socket.ConnectAsync(new UnixDomainSocketEndPoint(ControlSocketPath.Find(node.DataDirectory)), TestContext.Current.CancellationToken);
            client._reader = new(new NetworkStream(client._socket));
            foreach (var line in lines)
            {
                await client.TryWriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
            }

            return client;
        }

        public async Task TryWriteAsync(byte[] bytes)
        {
            try
            {
                for (var sent = 0; sent < bytes.Length;)
                {
                    sent += await _socket.SendAsync(bytes.AsMemory(sent), TestContext.Current.CancellationToken);
                }
            }
            catch (SocketException)
            {
                // The node may close before it has read all: what it says is what the test looks at.
            }
        }

        public async Task<string?> ReadAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                return await _reader.ReadLineAsync(cancellationToken);
            }
            catch (IOException)
            {
                return null;
            }
        }

        public void Dispose() => _socket.Dispose();
    }
}
