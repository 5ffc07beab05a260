using Xunit;

namespace Dawn.Discovery.Tests.Interop;

/// <summary>Others that speak multicast DNS find Dawn and are found by it, on a real wire. One after the other: each has the two machines for itself.</summary>
[Collection("namespaces")]
public class InteropTests
{
    [Fact(Timeout = 120_000)]
    public async Task Two_nodes_find_each_other()
    {
        await using var lab = await Lab.CreateAsync();
        var here = lab.Dawn(lab.Here, "ws://0.0.0.0:7610", "tcp://[::]:7611");
        var there = lab.Dawn(lab.There, "ws://0.0.0.0:7620", "tcp://127.0.0.1:7621");
        await here.FindsAsync("ws://192.0.2.2:7620");
        await FindsAllAsync(there, "ws://192.0.2.1:7610", "tcp://192.0.2.1:7611", "tcp://[2001:db8::1]:7611");
        Assert.DoesNotContain(here.Seen, line => line.Contains("7621", StringComparison.Ordinal));
        await there.EndAsync();
        await here.FindsAsync("ws://192.0.2.2:7620", isGone: true);

        // Again, under another name; and a third on the machine of the first, at the same port of mDNS.
        lab.Dawn(lab.There, "ws://0.0.0.0:7620");
        await here.FindsAsync("ws://192.0.2.2:7620");
        lab.Dawn(lab.Here, "ws://0.0.0.0:7630");
        await here.FindsAsync("ws://192.0.2.1:7630");
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task Avahi_finds_a_node_and_is_found()
    {
        await using var lab = await Lab.CreateAsync("avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon");
        await lab.StartAvahiAsync();
        var browse = lab.Avahi("avahi-browse", "--resolve", "--parsable", "_dawn._tcp");
        var dawn = lab.Dawn(lab.Here, "ws://0.0.0.0:7610");
        var found = await browse.LineAsync(line => line.StartsWith("=;eth0;IPv4;", StringComparison.Ordinal) && line.Contains(";7610;", StringComparison.Ordinal));
        Assert.Matches("^=;eth0;IPv4;[a-z0-9]{12};_dawn._tcp;local;dawn-[a-z0-9]{8}\\.local;192\\.0\\.2\\.1;7610;", found);
        Assert.All(["\"v=1\"", $"\"n={Lab.Network}\"", "\"s=ws\""], text => Assert.Contains(text, found, StringComparison.Ordinal));

        var publish = lab.Avahi("avahi-publish", "-s", "By avahi", "_dawn._tcp", "7100", "v=1", $"n={Lab.Network}", "s=tcp");
        await FindsAllAsync(dawn, "tcp://192.0.2.2:7100", "tcp://[2001:db8::2]:7100");
        await publish.TerminateAsync();
        await dawn.FindsAsync("tcp://192.0.2.2:7100", isGone: true);

        await dawn.EndAsync();
        await browse.LineAsync(line => line.StartsWith("-;eth0;IPv4;", StringComparison.Ordinal) && line.Contains(found.Split(';')[3], StringComparison.Ordinal));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task A_node_shares_the_port_with_avahi_on_one_machine()
    {
        await using var lab = await Lab.CreateAsync("avahi-daemon", "avahi-browse", "dbus-daemon");
        await lab.StartAvahiAsync();
        var browse = lab.Avahi("avahi-browse", "--resolve", "--parsable", "_dawn._tcp");
        var there = lab.Dawn(lab.There, "ws://0.0.0.0:7610");
        await browse.LineAsync(line => line.StartsWith("=;eth0;IPv4;", StringComparison.Ordinal) && line.Contains(";192.0.2.2;7610;", StringComparison.Ordinal));
        var here = lab.Dawn(lab.Here, "ws://0.0.0.0:7620");
        await here.FindsAsync("ws://192.0.2.2:7610");
        await there.FindsAsync("ws://192.0.2.1:7620");
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task Bonjour_service_finds_a_node_and_is_found()
    {
        var modules = Lab.RequireNodeModule("bonjour-service");
        await using var lab = await Lab.CreateAsync("node");
        var find = lab.Node("bonjour-service.cjs", modules, "find");
        var dawn = lab.Dawn(lab.Here, "ws://0.0.0.0:7610");
        var found = await find.LineAsync(line => line.Contains("\"kind\":\"up\"", StringComparison.Ordinal) && line.Contains("\"port\":7610", StringComparison.Ordinal));
        Assert.Contains("\"addresses\":[\"192.0.2.1\"]", found, StringComparison.Ordinal);
        Assert.Contains($"\"n\":\"{Lab.Network}\"", found, StringComparison.Ordinal);

        var publish = lab.Node("bonjour-service.cjs", modules, "publish", "7200", Lab.Network);
        await dawn.FindsAsync("ws://192.0.2.2:7200");
        await publish.EndAsync();
        await dawn.FindsAsync("ws://192.0.2.2:7200", isGone: true);

        await dawn.EndAsync();
        await find.LineAsync(line => line.Contains("\"kind\":\"down\"", StringComparison.Ordinal) && line.Contains("\"port\":7610", StringComparison.Ordinal));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task Ciao_is_found()
    {
        var modules = Lab.RequireNodeModule("@homebridge/ciao");
        await using var lab = await Lab.CreateAsync("node");
        var dawn = lab.Dawn(lab.Here);
        // It only tells; it does not look.
        var ciao = lab.Node("ciao.cjs", modules, "7300", Lab.Network);
        await dawn.FindsAsync("ws://192.0.2.2:7300");
        await ciao.EndAsync();
        await dawn.FindsAsync("ws://192.0.2.2:7300", isGone: true);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task IPv6_alone_suffices_and_can_be_left_out()
    {
        await using var lab = await Lab.CreateAsync();
        foreach (var space in new[] { lab.Here, lab.There })
        {
            await Lab.RunAsync("ip", "-n", space, "-4", "address", "flush", "dev", "eth0");
        }

        var here = lab.Dawn(lab.Here, "ws://[::]:7610");
        lab.Dawn(lab.There, new Dictionary<string, string> { ["IPv6"] = "false" }, "ws://[::]:7630");
        var there = lab.Dawn(lab.There, "ws://[::]:7620");
        await here.FindsAsync("ws://[2001:db8::2]:7620");
        await there.FindsAsync("ws://[2001:db8::1]:7610");
        Assert.DoesNotContain(here.Seen.Concat(there.Seen), line => line.Contains("7630", StringComparison.Ordinal));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task Loopback_is_a_link_of_its_own()
    {
        await using var lab = await Lab.CreateAsync();
        var settings = new Dictionary<string, string> { ["Interfaces__0"] = "loopback" };
        var one = lab.Dawn(lab.Here, settings, "ws://127.0.0.1:7610");
        var other = lab.Dawn(lab.Here, settings, "ws://127.0.0.1:7620");
        var there = lab.Dawn(lab.There, "ws://0.0.0.0:7630");
        await one.FindsAsync("ws://127.0.0.1:7620");
        await other.FindsAsync("ws://127.0.0.1:7610");
        await other.EndAsync();
        await one.FindsAsync("ws://127.0.0.1:7620", isGone: true);
        Assert.DoesNotContain(there.Seen.Concat(one.Seen), line => line.Contains("\"gone\":false", StringComparison.Ordinal) && line.Contains("192.0.2", StringComparison.Ordinal));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 120_000)]
    public async Task An_interface_that_comes_later_is_joined()
    {
        await using var lab = await Lab.CreateAsync();
        await Lab.RunAsync("ip", "-n", lab.Here, "link", "set", "eth0", "down");
        var here = lab.Dawn(lab.Here, "ws://0.0.0.0:7610");
        var there = lab.Dawn(lab.There, "ws://0.0.0.0:7620");
        await here.LineAsync(line => line.Contains("has no interface", StringComparison.Ordinal));
        await Lab.RunAsync("ip", "-n", lab.Here, "link", "set", "eth0", "up");
        await there.FindsAsync("ws://192.0.2.1:7610");
        await here.FindsAsync("ws://192.0.2.2:7620");
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    // They come in any order.
    private static async Task FindsAllAsync(Lab.Running dawn, params string[] addresses)
    {
        var missing = addresses.ToHashSet();
        while (missing.Count > 0)
        {
            var line = await dawn.LineAsync(line => line.Contains("\"gone\":false", StringComparison.Ordinal));
            missing.RemoveWhere(address => line.Contains($"\"{address}\"", StringComparison.Ordinal));
        }
    }
}
