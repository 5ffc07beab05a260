using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents;

/// <summary>Opens conversations: within the process for agents of this node, else over a session.</summary>
internal sealed class AgentDialer(INodeIdentity self, SessionTable sessions, Lazy<IChannelAcceptor> local) : IAgentDialer
{
    public async ValueTask<MeshChannel> DialAsync(AgentAddress target, string callerAgent, CancellationToken cancellationToken)
    {
        if (target.Node != self.Id)
        {
            return await sessions.OpenChannelAsync(target.Node, target.Agent, callerAgent, cancellationToken);
        }

        var (caller, agent) = LocalChannel.CreatePair();
        // The acceptor serves until the channel ends, and reports failures through the channel itself.
        _ = local.Value.AcceptAsync(target.Agent, agent, new Caller(self.Id, callerAgent, self.Certificate.Role, IsLocal: true));
        return caller;
    }
}
