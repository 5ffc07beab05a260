using System.Text;
using Dawn.Configuration;
using Dawn.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.FileProviders;

namespace Dawn.Fuzz.Targets;

/// <summary>An <c>appsettings.json</c> that is edited while the node runs: what can't be read leaves the settings as they were.</summary>
internal sealed class SettingsTarget : IFuzzTarget
{
    private readonly EditedJsonProvider _file = new(new EditedJsonFile { Path = "appsettings.json", Optional = true, FileProvider = new NullFileProvider() });
    private readonly IConfigurationRoot _configuration;

    public SettingsTarget()
    {
        _configuration = new ConfigurationRoot([_file]);
        Property.Holds(_file.Problem is null, "an absent file is a problem");
    }

    public string Name => "settings";

    public long AllocationLimit(int length) => 4 * 1024 * 1024 + 2_048L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        var before = _configuration["Dawn:Mode"];
        using var stream = new MemoryStream(input.ToArray());
        _file.Load(stream);
        if (_file.Problem is not null)
        {
            Property.Holds(_configuration["Dawn:Mode"] == before, "a file that can't be read changed the settings");
            return;
        }

        var problems = new List<string>();
        var settings = DawnConfiguration.Read(_configuration, problems);
        Property.Holds(AgentId.IsValid(settings.Mode) && Enum.IsDefined(settings.Encryption), "a value that is not allowed");
        Property.Holds(settings.CheckpointEvery is >= 1 and <= 64 && settings.RekeyAfter >= TimeSpan.FromSeconds(10) && settings.RelayBytesPerSecond is null or >= 0, "a number out of its range");
        foreach (var address in settings.Advertise.Concat(settings.Bootstrap.Select(b => b.Address)))
        {
            Property.Holds(NodeRecord.IsAddress(address), $"'{address.OriginalString}' is more than an address");
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        foreach (var json in new[]
        {
            "{}",
            """{"Dawn":{"Mode":"hybrid","Listen":["ws://0.0.0.0:7610"],"Network":{"Name":"home","Secret":"x"},"Security":{"Encryption":"Optional","CheckpointEvery":8}}}""",
            """{"Dawn":{"Bootstrap":["ws://198.51.100.1:7610"],"Gateway":{"Url":null},"Relay":{"Memory":"64 MiB","Enabled":false}},"Logging":{"LogLevel":{"Default":"Debug"}}}""",
            """{"Dawn":{"Security":{"RekeyAfter":"00:10:00","KeepEvidence":true},"Advertise":["wss://example.org:443"],"Plugins":{"a":{"b":1}}}}""",
            """{"Dawn":{"Mdoe":1,"Listen":"x","Network":[]},"Dawn:Mode":"decentralized"}""",
            """{"Dawn":{"Network":{"Name":"\u00e9 \ud83d\ude00"},"Owners":["\ud83d"]}}""",
        })
        {
            yield return Encoding.UTF8.GetBytes(json);
        }
    }
}
