using System.Net.Sockets;
using System.Reflection;
using Dawn;
using Dawn.Testing.Transports;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace UnixSockets.Tests;

/// <summary>The kit's cases, and what is peculiar to sockets that are files.</summary>
public sealed class UnixTransportTests : TransportTestKit
{
    private readonly ServiceProvider _services = PluginServices.Of(Assembly.Load("UnixSockets"));
    private readonly string _folder = Directory.CreateTempSubdirectory("unix-").FullName;
    private int _last;

    protected override bool HasPorts => false;

    // Another one each time: there is no port 0 that would choose.
    protected override string Address => $"unix://{_folder}/{Interlocked.Increment(ref _last)}.sock";

    protected override IPeerTransport CreateTransport() => _services.GetRequiredService<IPeerTransport>();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _services.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Only_this_user_may_connect()
    {
        await using var listener = await BindAsync("a.sock");
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(InFolder("a.sock")));
        }
    }

    [Fact]
    public async Task The_file_goes_with_the_listener()
    {
        var listener = await BindAsync("a.sock");
        Assert.True(File.Exists(InFolder("a.sock")));
        await listener.DisposeAsync();
        Assert.False(File.Exists(InFolder("a.sock")));
    }

    [Fact]
    public async Task What_a_killed_program_left_behind_is_taken_over()
    {
        // A bare handle, closed: as the kernel does it for a process that dies, the file stays.
        var path = InFolder("a.sock");
        using (var killed = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            killed.Bind(new UnixDomainSocketEndPoint(path + ".bound"));
            File.Move(path + ".bound", path);
        }

        Assert.True(File.Exists(path));
        await using var listener = await BindAsync("a.sock");
        await using var dialled = await Transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_file_that_is_no_socket_is_left_alone()
    {
        await File.WriteAllTextAsync(InFolder("a.sock"), "precious", TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<IOException>(() => BindAsync("a.sock"));
        Assert.Contains("no socket", error.Message, StringComparison.Ordinal);
        Assert.Equal("precious", await File.ReadAllTextAsync(InFolder("a.sock"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_path_that_the_system_does_not_take_is_refused_with_its_length()
    {
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => BindAsync(new string('x', 120)));
        Assert.Matches(@"1\d\d bytes.*10[37]\.", error.Message);
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_named()
    {
        var error = await Assert.ThrowsAsync<IOException>(() => BindAsync("none/a.sock"));
        Assert.Contains("none/a.sock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_may_hold_spaces_and_letters_of_all_kinds()
    {
        await using var listener = await BindAsync("an été.sock");
        Assert.True(File.Exists(InFolder("an été.sock")));
        await using var dialled = await Transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("unix://host/a.sock")]
    [InlineData("unix:///")]
    public async Task Anything_but_a_path_is_refused_with_an_example(string address)
    {
        var error = await Assert.ThrowsAsync<NotSupportedException>(async () => await Transport.ConnectAsync(new UriEndPoint(new Uri(address)), TestContext.Current.CancellationToken));
        Assert.Contains("unix:///folder/name.sock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_setting_out_of_range_is_named()
    {
        using var services = PluginServices.Of(Assembly.Load("UnixSockets"), [new("Backlog", "0")]);
        Assert.Contains("Backlog", Assert.ThrowsAny<Exception>(services.GetRequiredService<IPeerTransport>).Message, StringComparison.Ordinal);
    }

    private string InFolder(string name) => Path.Combine(_folder, name);

    private async Task<IConnectionListener> BindAsync(string name) =>
        await Transport.BindAsync(new UriEndPoint(new Uri($"unix://{_folder}/{name}")), TestContext.Current.CancellationToken);
}
