using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using System.Threading.Channels;
using Xunit;

namespace Dawn.Discovery.Tests.Interop;

/// <summary>Two machines on a cable, in network namespaces of Linux: no packet leaves for any real network. The second has avahi where it is asked for.</summary>
internal sealed class Lab : IAsyncDisposable
{
    public const string Network = "abcdefghjkmnp";
    public const string NodeModules = "DAWN_NODE_MODULES";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private readonly string _directory = Directory.CreateTempSubdirectory("dawn-mdns-").FullName;
    private readonly List<Running> _running = [];

    private Lab() => (Here, There) = ($"dawn-{Environment.ProcessId}-a", $"dawn-{Environment.ProcessId}-b");

    /// <summary>The namespace at 192.0.2.1 and 2001:db8::1.</summary>
    public string Here { get; }

    /// <summary>At 192.0.2.2 and 2001:db8::2.</summary>
    public string There { get; }

    /// <summary>Skips the test, and says why, where this machine can't do it.</summary>
    public static async Task<Lab> CreateAsync(params string[] programs)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root", "Network namespaces are made by root, on Linux.");
        foreach (var program in programs.Prepend("ip"))
        {
            Assert.SkipUnless(Find(program) is not null, $"{program} is not installed.");
        }

        var lab = new Lab();
        try
        {
            if (await TryRunAsync("ip", ["netns", "add", lab.Here]) is { } problem)
            {
                Assert.Skip($"Network namespaces can't be made here: {problem}");
            }

            await RunAsync("ip", "netns", "add", lab.There);
            await RunAsync("ip", "-n", lab.Here, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", lab.There);
            foreach (var (space, host) in new[] { (lab.Here, 1), (lab.There, 2) })
            {
                await RunAsync("ip", "-n", space, "link", "set", "lo", "up");
                await RunAsync("ip", "-n", space, "address", "add", $"192.0.2.{host}/24", "dev", "eth0");
                await RunAsync("ip", "-n", space, "address", "add", $"2001:db8::{host}/64", "dev", "eth0", "nodad");
                await RunAsync("ip", "-n", space, "link", "set", "eth0", "up");
                // Some send to the group without saying on which interface.
                await RunAsync("ip", "-n", space, "route", "add", "default", "dev", "eth0");
            }
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }

        return lab;
    }

    public static string RequireNodeModule(string name)
    {
        var modules = Environment.GetEnvironmentVariable(NodeModules);
        Assert.SkipUnless(modules is not null && Directory.Exists(Path.Combine(modules, name)), $"{NodeModules} names no folder with {name}: npm install {name}");
        return modules!;
    }

    /// <summary>This project's own discovery, as a program: what it finds is in its lines.</summary>
    public Running Dawn(string space, params string[] addresses) => Dawn(space, [], addresses);

    /// <param name="settings">As below <c>Dawn:Plugins:discovery-mdns</c>, with two underscores for each colon.</param>
    public Running Dawn(string space, Dictionary<string, string> settings, params string[] addresses) => Start(space, settings.ToDictionary(s => $"DAWN_MDNS_{s.Key}", s => s.Value),
        [typeof(Lab).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(m => m.Key == "Mdns").Value!, Network, .. addresses]);

    public Running Node(string script, string modules, params string[] arguments) =>
        Start(There, new() { ["NODE_PATH"] = modules }, ["node", Path.Combine(AppContext.BaseDirectory, "Interop", script), .. arguments]);

    public Running Avahi(params string[] command) => Start(There, new() { ["DBUS_SYSTEM_BUS_ADDRESS"] = $"unix:path={_directory}/bus" }, command);

    /// <summary>A bus and a daemon of its own, at places of their own.</summary>
    public async Task StartAvahiAsync()
    {
        await File.WriteAllTextAsync($"{_directory}/bus.conf", $"""
            <busconfig><type>system</type><listen>unix:path={_directory}/bus</listen><auth>EXTERNAL</auth><policy context="default">
            <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow send_type="method_call"/><allow send_type="signal"/>
            </policy></busconfig>
            """);
        await File.WriteAllTextAsync($"{_directory}/avahi.conf", """
            [server]
            host-name=avahi
            use-ipv4=yes
            use-ipv6=yes
            enable-dbus=yes
            [publish]
            publish-hinfo=no
            publish-workstation=no
            [rlimits]
            """);
        var bus = Start(There, null, ["dbus-daemon", "--nofork", "--print-address", $"--config-file={_directory}/bus.conf"]);
        await bus.LineAsync(line => line.Contains("unix:", StringComparison.Ordinal));
        // ip netns exec has given it a mount namespace of its own.
        var avahi = Avahi("sh", "-c", $"mkdir -p /run/avahi-daemon && mount -t tmpfs none /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {_directory}/avahi.conf 2>&1");
        await avahi.LineAsync(line => line.Contains("startup complete", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _running.Count - 1; i >= 0; i--)
        {
            await _running[i].DisposeAsync();
        }

        foreach (var space in new[] { Here, There })
        {
            // Where the first could not be made there is no second.
            await TryRunAsync("ip", ["netns", "delete", space]);
        }

        Directory.Delete(_directory, recursive: true);
    }

    private Running Start(string space, Dictionary<string, string>? environment, string[] command)
    {
        var running = new Running(space, environment ?? [], command);
        _running.Add(running);
        return running;
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Append("/sbin").Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists);

    public static async Task RunAsync(string program, params string[] arguments) =>
        Assert.True(await TryRunAsync(program, arguments) is not { } problem, $"{program} {string.Join(' ', arguments)}");

    // What it complained of, or null.
    private static async Task<string?> TryRunAsync(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Find(program) ?? program, arguments) { RedirectStandardError = true })!;
        using var limit = new CancellationTokenSource(Patience);
        var complaint = await process.StandardError.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode == 0 ? null : $"{complaint.Trim()} (code {process.ExitCode})";
    }

    /// <summary>A program in a namespace, with the lines it writes. The end of its input is its end, or else it is killed.</summary>
    public sealed class Running : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
        private readonly List<string> _seen = [];

        public Running(string space, Dictionary<string, string> environment, string[] command)
        {
            var start = new ProcessStartInfo(Find("ip")!, ["netns", "exec", space, .. command]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var (name, value) in environment)
            {
                start.Environment[name] = value;
            }

            _process = new Process { StartInfo = start };
            _process.OutputDataReceived += (_, line) => _lines.Writer.TryWrite(line.Data ?? "(the end of its output)");
            _process.ErrorDataReceived += (_, line) => _lines.Writer.TryWrite($"! {line.Data}");
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        /// <summary>The lines up to the last that was meant.</summary>
        public IReadOnlyList<string> Seen => _seen;

        /// <summary>The next line that is meant.</summary>
        public async Task<string> LineAsync(Func<string, bool> isMeant)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            limit.CancelAfter(Patience);
            try
            {
                while (true)
                {
                    var line = await _lines.Reader.ReadAsync(limit.Token);
                    _seen.Add(line);
                    if (isMeant(line))
                    {
                        return line;
                    }
                }
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"{_process.StartInfo.ArgumentList[3]} said only:\n{string.Join('\n', _seen)}");
                throw;
            }
        }

        /// <summary>What Dawn's own program finds, or loses.</summary>
        public Task FindsAsync(string address, bool isGone = false) => LineAsync(line => line == JsonSerializer.Serialize(new { address, gone = isGone }));

        /// <summary>Asks it to end, as its input ends; others are told by a signal.</summary>
        public async Task EndAsync()
        {
            _process.StandardInput.Close();
            using var limit = new CancellationTokenSource(Patience);
            await _process.WaitForExitAsync(limit.Token);
            Assert.Equal(0, _process.ExitCode);
        }

        /// <summary>As a person would, at the keyboard (SIGTERM).</summary>
        public async Task TerminateAsync()
        {
            Assert.Null(await TryRunAsync("kill", ["-TERM", _process.Id.ToString()]));
            using var limit = new CancellationTokenSource(Patience);
            await _process.WaitForExitAsync(limit.Token);
        }

        public async ValueTask DisposeAsync()
        {
            try
            {
                _process.Kill(entireProcessTree: true);
            }
            catch (Exception e) when (e is InvalidOperationException or Win32Exception)
            {
                // It has ended already.
            }

            using var limit = new CancellationTokenSource(Patience);
            await _process.WaitForExitAsync(limit.Token);
            _process.Dispose();
        }
    }
}
