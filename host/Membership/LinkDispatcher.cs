using Dawn.Links;
using Dawn.Routing;

namespace Dawn.Membership;

/// <summary>Hands what happens on links to whom it concerns: envelopes to routing, records and what is said of the mesh to membership, tickets to admission.</summary>
internal sealed class LinkDispatcher(Router router, RecordExchange records, Admission admission, Mesh mesh) : ILinkHandler
{
    public void OnUp(ILink link)
    {
        // A newcomer has no certificate: it is no neighbour, and gets nothing but the answer to its ticket.
        if (link.Certificate is not null)
        {
            records.Add(link);
            mesh.OnUp(link);
            router.OnLinkUp(link);
        }
    }

    public void OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case LinkFrame.Envelope when link.Certificate is not null:
                router.OnEnvelope(link, body);
                break;
            case LinkFrame.Record when link.Certificate is not null:
                records.OnRecord(link, body);
                break;
            case LinkFrame.Registry when link.Certificate is not null:
                records.OnRegistry(link, body);
                break;
            case LinkFrame.Membership when link.Certificate is not null:
                mesh.OnFrame(link, body);
                break;
            case LinkFrame.Redeem when link.Certificate is null:
                admission.OnRedeem(link, body);
                break;
            default:
                _ = link.CloseAsync(LinkEnd.Protocol, $"a frame of type {(byte)type} has no place on this link");
                break;
        }
    }

    public void OnDown(ILink link, LinkEnd reason)
    {
        if (link.Certificate is not null)
        {
            records.Remove(link);
            mesh.OnDown(link, reason);
            router.OnLinkDown(link);
        }
    }
}
