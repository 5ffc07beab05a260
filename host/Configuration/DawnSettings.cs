using System.Collections.Immutable;
using Dawn.Identity;

namespace Dawn.Configuration;

/// <summary>The section <c>Dawn</c> of a node's configuration, read and checked. What each key means: docs/configuration.md.</summary>
internal sealed record DawnSettings
{
    public required string DataDirectory { get; init; }
    public required string Mode { get; init; }
    public required ImmutableArray<PeerAddress> Hubs { get; init; }
    public required ImmutableArray<Uri> Listen { get; init; }
    public required ImmutableArray<Uri> Advertise { get; init; }
    public required ImmutableArray<PeerAddress> Bootstrap { get; init; }
    public required ImmutableArray<NodeId> Owners { get; init; }
    public required string NetworkName { get; init; }
    public required string? NetworkSecret { get; init; }
    public required EncryptionMode Encryption { get; init; }
    public required int CheckpointEvery { get; init; }
    public required TimeSpan RekeyAfter { get; init; }
    public required bool KeepEvidence { get; init; }
    public required long EvidenceSize { get; init; }
    public required string? GatewayUrl { get; init; }
    public required string? GatewayToken { get; init; }
    public required string? GatewayCertificate { get; init; }
    public required string? GatewayCertificatePassword { get; init; }
    public required long GatewayFileSize { get; init; }
    public required bool GatewayTestHooks { get; init; }
    public required Uri? TelemetryEndpoint { get; init; }
    public required string PluginDirectory { get; init; }
    public required bool RelayEnabled { get; init; }
    public required long? RelayBytesPerSecond { get; init; }
    public required long RelayMemory { get; init; }
}

/// <summary>Where to find a node, as configured: <c>ws://host:7610</c>, or a place on this machine, <c>unix:///run/dawn.sock</c>; and after <c>#</c> who must answer there.</summary>
internal sealed record PeerAddress(Uri Address, NodeId? Node)
{
    public static bool TryParse(string text, out PeerAddress? address)
    {
        address = null;
        var hash = text.IndexOf('#');
        NodeId node = default;
        if (!Uri.TryCreate(hash < 0 ? text : text[..hash], UriKind.Absolute, out var uri) || !(NodeRecord.IsAddress(uri) || IsLocal(uri)) || (hash >= 0 && !NodeId.TryParse(text[(hash + 1)..], out node)))
        {
            return false;
        }

        address = new(uri, hash < 0 ? null : node);
        return true;
    }

    /// <summary>True for <c>scheme:///path</c>: a place that only this machine knows, good for settings and in no record or ticket.</summary>
    public static bool IsLocal(Uri uri) => uri is { IsAbsoluteUri: true, IsFile: false, Authority: "", UserInfo: "", Query: "", Fragment: "", AbsolutePath: ['/', _, ..] };

    /// <summary>An address as people write it.</summary>
    public static string Text(Uri address) => IsLocal(address) ? address.AbsoluteUri : address.GetLeftPart(UriPartial.Authority);

    public override string ToString() => Text(Address) + (Node is { } node ? $"#{node}" : "");
}
