using Dawn.Configuration;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Configuration;

public class DawnConfigurationTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    private (DawnSettings Settings, List<string> Problems) Read(params string[] arguments)
    {
        var problems = new List<string>();
        return (DawnConfiguration.Read(DawnConfiguration.Build(_temp.Path, arguments), problems), problems);
    }

    [Fact]
    public void DefaultsNeedNoConfiguration()
    {
        var (settings, problems) = Read();
        Assert.Empty(problems);
        Assert.Equal("decentralized", settings.Mode);
        Assert.Equal(new Uri("ws://0.0.0.0:7610"), Assert.Single(settings.Listen));
        Assert.Equal("http://127.0.0.1:7600", settings.GatewayUrl);
        Assert.Equal(EncryptionMode.Required, settings.Encryption);
        Assert.Equal(_temp.Path, settings.DataDirectory);
    }

    [Fact]
    public void AllProblemsAreNamedAtOnce()
    {
        var (_, problems) = Read("--Dawn:Moed=hybrid", "--Dawn:Mode=Side ways", "--Dawn:Bootstrap:0=nonsense", "--Dawn:Security:Encryption=maybe", "--Dawn:Security:RekeyAfter=1", "--Dawn:Relay:Memory=lots", "--Dawn:Network=home", "--Dawn:Gateway:Url:x=1");
        Assert.Contains(problems, p => p.Contains("Dawn:Moed is no setting; did you mean Mode?", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("Dawn:Mode is 'Side ways'; allowed: the name of an installed routing mode", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("Dawn:Bootstrap:0 is 'nonsense'", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("Dawn:Security:Encryption is 'maybe'; allowed: Required, Optional, Off", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("Dawn:Relay:Memory", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("Dawn:Network", StringComparison.Ordinal));
        Assert.True(problems.Count >= 7, string.Join('\n', problems));
    }

    [Fact]
    public void AnEditThatCantBeReadLeavesTheSettingsAsTheyWere()
    {
        var file = Path.Combine(_temp.Path, "appsettings.json");
        File.WriteAllText(file, """{ "Dawn": { "McpServers": { "one": { "Command": "x" } } } }""");
        var configuration = DawnConfiguration.Build(_temp.Path, []);
        var provider = configuration.Providers.OfType<EditedJsonProvider>().Last();
        var refused = new List<string>();
        provider.Refused += refused.Add;

        File.WriteAllText(file, """{ "Dawn": { "McpServers": { "on""");
        configuration.Reload();
        configuration.Reload();
        Assert.Equal("x", configuration["Dawn:McpServers:one:Command"]);
        Assert.Contains(file, Assert.Single(refused), StringComparison.Ordinal);
        Assert.Equal(refused[0], provider.Problem);

        File.WriteAllText(file, "{}");
        configuration.Reload();
        Assert.Null(configuration["Dawn:McpServers:one:Command"]);
        Assert.Null(provider.Problem);
    }

    [Fact]
    public void ABrokenFileStopsTheStart()
    {
        File.WriteAllText(Path.Combine(_temp.Path, "appsettings.json"), "{");
        Assert.Contains("LineNumber", Assert.Throws<StartException>(() => DawnConfiguration.Build(_temp.Path, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEmptyListenEntryMeansNoListener() => Assert.Empty(Read("--Dawn:Listen:0=").Settings.Listen);

    [Theory]
    [InlineData("--Dawn:Gateway:Url=")]
    [InlineData(null)]
    public void TheGatewayCanBeLeftOut(string? argument)
    {
        if (argument is null)
        {
            File.WriteAllText(Path.Combine(_temp.Path, "appsettings.json"), """{ "Dawn": { "Gateway": { "Url": null } } }""");
        }

        Assert.Null(Read(argument is null ? [] : [argument]).Settings.GatewayUrl);
    }

    [Fact]
    public void TheLaterSourceWins()
    {
        File.WriteAllText(Path.Combine(_temp.Path, "appsettings.json"), """{ "Dawn": { "Network": { "Name": "file" }, "Security": { "CheckpointEvery": 1 } } }""");
        var (settings, problems) = Read("--Dawn:Network:Name=line");
        Assert.Empty(problems);
        Assert.Equal("line", settings.NetworkName);
        Assert.Equal(1, settings.CheckpointEvery);
    }

    [Fact]
    public void AFileThatIsNotJsonStopsTheStartAndIsNamed()
    {
        File.WriteAllText(Path.Combine(_temp.Path, "appsettings.json"), "{ nonsense");
        Assert.Contains("appsettings.json", Assert.Throws<StartException>(() => Read()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AStrayOptionIsRefused() => Assert.Contains("--Dawm:Mode", Assert.Throws<StartException>(() => Read("--Dawm:Mode=x")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("ws://host:7610", true)]
    [InlineData("ws://host", true)]
    [InlineData("host:7610", false)]
    [InlineData("ws://host:7610#abc", false)]
    [InlineData("ws://host:7610/x", false)]
    [InlineData("unix:///run/dawn/a.sock", true)]
    [InlineData("unix:///", false)]
    [InlineData("unix:///run/a.sock?x", false)]
    [InlineData("unix://host/run/a.sock", false)]
    [InlineData("/run/dawn/a.sock", false)]
    [InlineData("file:///run/dawn/a.sock", false)]
    public void PeerAddressesAreChecked(string text, bool good) => Assert.Equal(good, PeerAddress.TryParse(text, out _));

    [Fact]
    public void APlaceOnThisMachineIsListenedAtAndWrittenWhole()
    {
        const string Node = "dii6etw2iwkqiemptf2l2qqnj4gy52636bjslkd2ubdd7qigoakq";
        var (settings, problems) = Read("--Dawn:Listen:0=unix:///run/dawn/a.sock", $"--Dawn:Bootstrap:0=unix:///run/dawn/b.sock#{Node}");
        Assert.Empty(problems);
        Assert.Equal("unix:///run/dawn/a.sock", PeerAddress.Text(Assert.Single(settings.Listen)));
        Assert.Equal($"unix:///run/dawn/b.sock#{Node}", Assert.Single(settings.Bootstrap).ToString());
    }

    [Theory]
    [InlineData("64 MiB", 64L * 1024 * 1024)]
    [InlineData("1GiB", 1024L * 1024 * 1024)]
    [InlineData("500 KiB", 500L * 1024)]
    [InlineData("12345", 12345L)]
    public void SizesHaveUnits(string text, long bytes) => Assert.Equal(bytes, Read($"--Dawn:Relay:Memory={text}").Settings.RelayMemory);
}
