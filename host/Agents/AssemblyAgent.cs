using System.Security.Claims;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol.Server;

namespace Dawn.Agents;

/// <summary>An agent from a plugin's assembly: an MCP server in this process, one instance of which serves each conversation.</summary>
/// <remarks>
/// All public or internal classes marked <see cref="McpServerToolTypeAttribute"/>, <see cref="McpServerPromptTypeAttribute"/> and
/// <see cref="McpServerResourceTypeAttribute"/> are offered; their constructors and methods may ask for an <see cref="ILogger{T}"/>, a <see cref="TimeProvider"/>,
/// the agent's <see cref="IConfiguration"/>, and a <c>Func&lt;string, CancellationToken, Task&lt;McpClient&gt;&gt;</c> that calls any other agent by its address;
/// with a <see cref="ClaimsPrincipal"/> between the two parameters, for that caller.
/// What attributes can't say goes into a public static class <c>McpServerSetup</c> of the assembly; see <see cref="AssemblyAgentSetup"/>.
/// A tool that takes a <see cref="ClaimsPrincipal"/> learns who calls.
/// </remarks>
internal sealed class AssemblyAgent : IHostedAgent
{
    /// <summary>Types of the claims on the caller; the principal's name is its address.</summary>
    public const string NodeClaim = "node", AgentClaim = "agent", RoleClaim = "role", ByClaim = "by";

    private readonly McpServerOptions _options;
    private readonly IServiceProvider _services;
    private readonly ILoggerFactory _loggers;
    private readonly string? _title;

    /// <param name="options">Shared by all conversations, so that tools that come and go do so in each.</param>
    public AssemblyAgent(string id, string? title, string origin, AgentPolicy policy, McpServerOptions options, IServiceProvider services, ILoggerFactory loggers)
    {
        (Id, _title, Origin, Policy) = (id, title, origin, policy);
        (_options, _services, _loggers) = (options, services, loggers);
        Card = AssemblyCard.Of(id, title, options);
        _options.ToolCollection?.Changed += OnChanged;
        _options.PromptCollection?.Changed += OnChanged;
        _options.ResourceCollection?.Changed += OnChanged;
    }

    public string Id { get; }

    public string Origin { get; }

    public AgentPolicy Policy { get; }

    /// <summary>Where the policy can be changed, for those who are refused by it.</summary>
    public string PolicySetting => $"Dawn:Plugins:{Origin[(Origin.LastIndexOf('/') + 1)..]}";

    public AgentCard? Card { get; private set; }

    // In-process and started: nothing can be wrong with it that its plugin does not report.
    public string? Problem => null;

    public event Action? Changed;

    public async Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken)
    {
        await using var transport = new ChannelTransport(Id, channel, ownsChannel: false, PrincipalOf(caller), _loggers);
        await using var server = McpServer.Create(transport, _options, _loggers, _services);
        await server.RunAsync(cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _options.ToolCollection?.Changed -= OnChanged;
        _options.PromptCollection?.Changed -= OnChanged;
        _options.ResourceCollection?.Changed -= OnChanged;
        Card = null;
        Changed = null;
        return ValueTask.CompletedTask;
    }

    /// <summary>The caller that a principal made here speaks of; null where it is none.</summary>
    public static Caller? CallerOf(ClaimsPrincipal principal) =>
        NodeId.TryParse(principal.FindFirstValue(NodeClaim) ?? "", out var node) && principal.FindFirstValue(AgentClaim) is { } agent && AgentId.IsValid(agent)
        && Enum.TryParse<CertificateRole>(principal.FindFirstValue(RoleClaim), ignoreCase: true, out var role) && Enum.IsDefined(role)
            ? new(node, agent, role, IsLocal: false)
            : null;

    // Whoever is acted for is the caller: an agent that looks at nodes and roles by itself must not take a stranger for its own node.
    private static ClaimsPrincipal PrincipalOf(Caller caller) => caller.For is { } behalf ? new(IdentityOf(behalf, [new(ByClaim, caller.Address.ToString())])) : new(IdentityOf(caller, []));

    private static ClaimsIdentity IdentityOf(Caller caller, IEnumerable<Claim> more) => new(
        [
            new(ClaimTypes.Name, caller.Address.ToString()),
            new(NodeClaim, caller.Node.ToString()),
            new(AgentClaim, caller.Agent),
            new(RoleClaim, caller.Role.ToString().ToLowerInvariant()),
            .. more,
        ],
        "dawn", ClaimTypes.Name, RoleClaim);

    private void OnChanged(object? sender, EventArgs e)
    {
        Card = AssemblyCard.Of(Id, _title, _options);
        Changed?.Invoke();
    }
}
