using System.Text;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Plugins;
using Microsoft.Extensions.FileProviders;
using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>What fuzzing found, by name; the inputs are in tests/Dawn.Fuzz/corpus too.</summary>
public class FindingTests
{
    [Theory]
    [InlineData("""{"title":"\ud83d"}""")]
    [InlineData("""{"tools":{"\ud83d":"members"}}""")]
    [InlineData("""{"settings":{"a":{"b":"\ude00"}}}""")]
    public void A_manifest_with_half_a_surrogate_pair_is_refused_with_a_cure(string json)
    {
        var e = Assert.Throws<PluginException>(() => AgentManifest.Parse(Encoding.UTF8.GetBytes(json), "agent"));
        Assert.Contains("is not valid JSON", e.Cause, StringComparison.Ordinal);
    }

    [Fact]
    public void A_manifest_that_is_no_UTF8_is_refused_with_a_cure() =>
        Assert.Throws<PluginException>(() => AgentManifest.Parse([.. "{\"title\":\""u8, 0x82, .. "\"}"u8], "agent"));

    [Fact]
    public void A_manifests_long_keys_do_not_multiply()
    {
        var json = Encoding.UTF8.GetBytes("{\"settings\":{\"" + new string('k', 30_000) + "\":[" + string.Join(',', Enumerable.Repeat('1', 15_000)) + "]}}");
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<PluginException>(() => AgentManifest.Parse(json, "agent"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 * 1024 * 1024);
    }

    [Fact]
    public void Settings_with_half_a_surrogate_pair_leave_a_running_node_as_it_was()
    {
        var file = new EditedJsonProvider(new EditedJsonFile { Path = "appsettings.json", Optional = true, FileProvider = new NullFileProvider() });
        file.Load();
        Load("""{"Dawn":{"Mode":"decentralized"}}""");
        Load("""{"Dawn":{"Mode":"\ud83d"}}""");
        Assert.NotNull(file.Problem);
        Assert.True(file.TryGet("Dawn:Mode", out var mode));
        Assert.Equal("decentralized", mode);

        void Load(string json)
        {
            using var stream = new MemoryStream(Encoding.UTF8.GetBytes(json));
            file.Load(stream);
        }
    }

    [Theory]
    [InlineData(" ws://198.51.100.1:7610")]
    [InlineData("ws://198.51.100.1:7610\n")]
    [InlineData("ws://198.51.100.1:7610/\t")]
    public void An_address_with_blanks_around_it_is_none(string text)
    {
        Assert.False(NodeRecord.IsAddress(new Uri(text)));
        Assert.False(PeerAddress.TryParse(text, out _));
    }
}
