using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents;

/// <summary>Opens conversations: within the process for agents of this node, else over a session.</summary>
internal sealed class AgentDialer(INodeIdentity self, SessionTable sessions, Lazy<IChannelAcceptor> local) : IAgentDialer
{
    public async ValueTask<MeshChannel> DialAsync(AgentAddress target, string callerAgent, CancellationToken cancellationToken) =>
        target.Node == self.Id ? DialLocal(target, callerAgent, null) : await sessions.OpenChannelAsync(target.Node, target.Agent, callerAgent, cancellationToken);

    public async ValueTask<MeshChannel> DialForAsync(AgentAddress target, string callerAgent, Caller behalf, CancellationToken cancellationToken)
    {
        if (behalf.Node == self.Id)
        {
            return await DialAsync(target, callerAgent, cancellationToken);
        }

        return target.Node == self.Id
            ? DialLocal(target, callerAgent, behalf with { IsLocal = false })
            : throw new MeshException(MeshError.Refused, $"For callers from elsewhere, '{callerAgent}' calls agents of its own node alone.");
    }

    private MeshChannel DialLocal(AgentAddress target, string callerAgent, Caller? behalf)
    {
        var (caller, agent) = LocalChannel.CreatePair();
        // The acceptor serves until the channel ends, and reports failures through the channel itself.
        _ = local.Value.AcceptAsync(target.Agent, agent, new Caller(self.Id, callerAgent, self.Certificate.Role, IsLocal: true, For: behalf));
        return caller;
    }
}
