using Dawn.Membership;

namespace Dawn.Tests.Membership;

/// <summary>A machine's network that changes when a test says so.</summary>
internal sealed class ToyWatch : INetworkWatch
{
    public event Action? Changed;

    public bool IsWatched => Changed is not null;

    public void Raise() => Changed?.Invoke();
}
