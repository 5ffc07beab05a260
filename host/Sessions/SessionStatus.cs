namespace Dawn.Sessions;

/// <summary>A session as status tools show it.</summary>
/// <param name="State">opening, open, stalled (nothing acknowledged for seconds) or ended.</param>
/// <param name="Epoch">How many times its keys were renewed, from 0 again after 65,535.</param>
/// <param name="RoundTrip">The last measurement end to end; null before the first.</param>
internal sealed record SessionStatus(NodeId Peer, bool IsInitiator, string State, int Channels, TimeSpan? RoundTrip, bool IsSealed, long BytesSent, long BytesReceived, int Epoch);
