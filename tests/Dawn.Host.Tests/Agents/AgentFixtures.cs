using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.IO.Pipelines;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Fixtures;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Agents;

/// <summary>Who calls in these tests.</summary>
internal static class Callers
{
    public static NodeId Self { get; } = Node(1);

    public static Caller Gateway { get; } = new(Self, AgentId.Gateway, CertificateRole.Member, IsLocal: true);

    public static Caller Owner { get; } = new(Self, AgentId.Owner, CertificateRole.Member, IsLocal: true);

    public static Caller HostedAgent { get; } = new(Self, "helper", CertificateRole.Member, IsLocal: true);

    public static Caller Member { get; } = new(Node(2), "gateway", CertificateRole.Member, IsLocal: false);

    public static Caller OtherMember { get; } = new(Node(3), "gateway", CertificateRole.Member, IsLocal: false);

    public static Caller Guest { get; } = new(Node(4), "gateway", CertificateRole.Guest, IsLocal: false);

    public static NodeId Node(byte seed) => new([.. Enumerable.Repeat(seed, NodeId.Size)]);
}

/// <summary>An MCP client that shows every message as it is.</summary>
internal sealed class RawClient : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource<JsonObject>> _pending = new();
    private readonly Channel<JsonObject> _unasked = System.Threading.Channels.Channel.CreateUnbounded<JsonObject>();
    private readonly Task _reading;
    private int _lastId;

    public RawClient(MeshChannel channel)
    {
        Channel = channel;
        _reading = ReadAsync();
    }

    public MeshChannel Channel { get; }

    /// <summary>How the channel ended.</summary>
    public Task<MeshException?> Ended => ((Task<MeshException?>)_reading).WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);

    public async Task<JsonObject> RequestAsync(string method, JsonNode? parameters = null, JsonNode? id = null) =>
        await Send(method, parameters, id ?? $"auto-{Interlocked.Increment(ref _lastId)}").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);

    /// <summary>Sends a request; its answer comes later.</summary>
    public Task<JsonObject> Send(string method, JsonNode? parameters, JsonNode id)
    {
        var answer = new TaskCompletionSource<JsonObject>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[id.ToJsonString()] = answer;
        _ = SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = id.DeepClone(), ["method"] = method, ["params"] = parameters });
        return answer.Task;
    }

    public Task<JsonObject> InitializeAsync(params string[] capabilities) => RequestAsync("initialize", new JsonObject
    {
        ["protocolVersion"] = "2025-11-25",
        ["capabilities"] = new JsonObject([.. capabilities.Select(name => KeyValuePair.Create(name, (JsonNode?)new JsonObject()))]),
        ["clientInfo"] = new JsonObject { ["name"] = "raw", ["version"] = "1" },
    });

    public async Task<string> CallAsync(string tool, params (string Name, JsonNode Value)[] arguments) => TextOf(await RequestAsync("tools/call", Call(tool, arguments)));

    public Task<JsonObject> StartCall(string tool, JsonNode id, params (string Name, JsonNode Value)[] arguments) => Send("tools/call", Call(tool, arguments), id);

    public static JsonObject Call(string tool, params (string Name, JsonNode Value)[] arguments) =>
        new() { ["name"] = tool, ["arguments"] = new JsonObject([.. arguments.Select(one => KeyValuePair.Create(one.Name, (JsonNode?)one.Value))]) };

    public static string TextOf(JsonObject answer) => answer["result"]?["content"]?[0]?["text"]?.ToString() ?? throw new InvalidOperationException(answer.ToJsonString());

    public ValueTask NotifyAsync(string method, JsonNode? parameters) => SendAsync(new() { ["jsonrpc"] = "2.0", ["method"] = method, ["params"] = parameters });

    public async ValueTask SendAsync(JsonObject message) => await Channel.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), TestContext.Current.CancellationToken);

    /// <summary>The next request or notification from the agent.</summary>
    public async Task<JsonObject> NextAsync() => await _unasked.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);

    public bool HasUnasked => _unasked.Reader.TryPeek(out _);

    public async ValueTask DisposeAsync() => await Channel.CloseAsync();

    private async Task<MeshException?> ReadAsync()
    {
        try
        {
            while (await Channel.ReceiveAsync(CancellationToken.None) is { } buffer)
            {
                using (buffer)
                {
                    var message = JsonNode.Parse(buffer.Span)!.AsObject();
                    if (message["method"] is null && _pending.TryRemove(message["id"]!.ToJsonString(), out var pending))
                    {
                        pending.SetResult(message);
                    }
                    else
                    {
                        _unasked.Writer.TryWrite(message);
                    }
                }
            }

            return null;
        }
        catch (MeshException e)
        {
            return e;
        }
    }
}

internal static class Bound
{
    /// <summary>No wait in these tests takes as long unless something is broken.</summary>
    public static TimeSpan Wait { get; } = TimeSpan.FromSeconds(20);

    /// <summary>Waits for a state that an agent's event announces.</summary>
    public static async Task UntilAsync(this IHostedAgent agent, Func<bool> holds)
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look()
        {
            if (holds())
            {
                held.TrySetResult();
            }
        }

        agent.Changed += Look;
        try
        {
            Look();
            await held.Task.WaitAsync(Wait, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"The agent stayed as it was: {agent.Card}, {agent.Problem}");
        }
        finally
        {
            agent.Changed -= Look;
        }
    }
}

/// <summary>The fixture's server in this process, behind pipes.</summary>
internal sealed class InProcessServer : IServerProcess
{
    private readonly Pipe _up = new();
    private readonly Pipe _down = new();
    private int _reads;
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public InProcessServer(params string[] options)
    {
        Server = new(_up.Reader.AsStream(), _down.Writer.AsStream(), options);
        Running = Server.RunAsync();
    }

    public FixtureServer Server { get; }

    public Task Running { get; }

    public Stream Output => new ObservedStream(_down.Reader.AsStream(), () => Interlocked.Increment(ref _reads));

    /// <summary>How often the reader has come for more; by then it is done with what it had.</summary>
    public int Reads => Volatile.Read(ref _reads);

    public Stream Input => _up.Writer.AsStream();

    public Task Exited => _exited.Task;

    public string? Ending { get; private set; }

    /// <summary>Raw bytes on its output.</summary>
    public async Task PrintAsync(string text)
    {
        await _down.Writer.WriteAsync(Encoding.UTF8.GetBytes(text));
    }

    public void Die(int code = 3)
    {
        Ending = $"exited with code {code}";
        _exited.TrySetResult();
        _down.Writer.Complete();
    }

    public ValueTask DisposeAsync()
    {
        Die(0);
        _up.Writer.Complete();
        return ValueTask.CompletedTask;
    }
}

/// <summary>An entropy that repeats.</summary>
internal sealed class SeededEntropy(int seed = 1) : Entropy
{
    private readonly Random _random = new(seed);

    public override void Fill(Span<byte> destination)
    {
        lock (_random)
        {
            _random.NextBytes(destination);
        }
    }
}

internal static class Fixtures
{
    /// <summary>The fixture's program.</summary>
    public static string StdioServer { get; } = typeof(Fixtures).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(one => one.Key == "StdioServer").Value!
        + (OperatingSystem.IsWindows() ? ".exe" : "");

    public static ExternalServerSettings Settings(string id = "fixture", AgentPolicy? policy = null, params string[] args) =>
        new(id) { Command = StdioServer, Args = [.. args], Policy = policy ?? AgentPolicy.Members };

    public static AgentPolicy WithTools(this AgentPolicy policy, params (string Tool, Audience Audience)[] tools) =>
        policy with { Tools = tools.ToImmutableDictionary(one => one.Tool, one => one.Audience) };

    public static RawClient Open(this IChannelAcceptor host, string agent, Caller caller)
    {
        var (near, far) = LocalChannel.CreatePair();
        _ = host.AcceptAsync(agent, far, caller);
        return new(near);
    }
}

/// <summary>A fake clock that tells when somebody waits for it.</summary>
internal sealed class ObservedTime : FakeTimeProvider
{
    private readonly Channel<TimeSpan> _armed = Channel.CreateUnbounded<TimeSpan>();

    /// <summary>Waits until a timer was set for just this long.</summary>
    public Task ArmedAsync(TimeSpan due) => ArmedAsync(one => one == due);

    /// <summary>Waits until a timer was set with jitter, and tells for how long; all others are set for round numbers.</summary>
    public Task<TimeSpan> JitteredAsync() => ArmedAsync(due => due.TotalMilliseconds % 250 != 0);

    private async Task<TimeSpan> ArmedAsync(Func<TimeSpan, bool> isMeant) =>
        await _armed.Reader.ReadAllAsync(TestContext.Current.CancellationToken).FirstAsync(isMeant, TestContext.Current.CancellationToken)
            .AsTask().WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        _armed.Writer.TryWrite(dueTime);
        return timer;
    }
}

/// <summary>Reads from another stream, and says each time that it does.</summary>
internal sealed class ObservedStream(Stream inner, Action onRead) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        onRead();
        return inner.ReadAsync(buffer, cancellationToken);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}

/// <summary>A log to look into.</summary>
internal sealed class ListLogger : ILogger, ILoggerFactory
{
    private readonly List<string> _lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.Add($"{logLevel} {formatter(state, exception)}");
        }
    }

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void Dispose()
    {
    }
}
