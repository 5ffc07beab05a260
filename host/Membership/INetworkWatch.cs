using System.Net.NetworkInformation;

namespace Dawn.Membership;

/// <summary>Tells when this machine's own network changed: a cable, a Wi-Fi, a VPN.</summary>
internal interface INetworkWatch
{
    event Action? Changed;
}

internal sealed class SystemNetworkWatch : INetworkWatch, IDisposable
{
    public SystemNetworkWatch() => NetworkChange.NetworkAddressChanged += OnChanged;

    public event Action? Changed;

    public void Dispose() => NetworkChange.NetworkAddressChanged -= OnChanged;

    private void OnChanged(object? sender, EventArgs e) => Changed?.Invoke();
}
