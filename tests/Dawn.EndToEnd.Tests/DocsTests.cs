using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>What the documentation shows exists: verbs, options, settings, links, JSON.</summary>
public sealed partial class DocsTests
{
    private static readonly string Root = Path.TrimEndingDirectorySeparator(Dawn.RepoRoot);

    private static readonly string[] Shell = ["sh", "bash", "console"];

    // Symptoms in words of .NET or of the system.
    private static readonly string[] OfTheRuntime = ["when status code '101' was expected", "Too many open files"];

    // A value for each documented key: what it takes is for the tests of settings; here it must be known.
    private static readonly Dictionary<string, string> Samples = new(StringComparer.Ordinal)
    {
        ["Mode"] = "decentralized",
        ["Listen"] = "0=ws://127.0.0.1:0",
        ["Advertise"] = "0=wss://dawn.example.org:443",
        ["Bootstrap"] = "0=",
        ["Hubs"] = "0=",
        ["Network:Name"] = "docs",
        ["Network:Secret"] = "6461776e6461776e6461776e6461776e6461776e6461776e6461776e6461776e",
        ["Security:Owners"] = "0=",
        ["Telemetry:Endpoint"] = "http://127.0.0.1:9",
        ["Security:Encryption"] = "Required",
        ["Security:CheckpointEvery"] = "64",
        ["Security:RekeyAfter"] = "00:10:00",
        ["Security:KeepEvidence"] = "true",
        ["Security:EvidenceSize"] = "256 MiB",
        ["Gateway:Url"] = "http://127.0.0.1:0",
        ["Gateway:Token"] = "0123456789abcdef",
        ["Gateway:Certificate"] = "",
        ["Gateway:CertificatePassword"] = "",
        ["Gateway:FileSize"] = "10 MiB",
        ["Gateway:TestHooks"] = "false",
        ["PluginDirectory"] = "plugins",
        ["Plugins:first:Enabled"] = "true",
        ["Plugins:first:Share"] = "members",
        ["Plugins:first:Tools:roll"] = "owner",
        ["McpServers:docs"] = "",
        ["McpServers:docs:Command"] = "no-such-program",
        ["McpServers:docs:Args"] = "0=-y",
        ["McpServers:docs:Env"] = "DOCS=1",
        ["McpServers:docs:WorkingDirectory"] = "/",
        ["McpServers:docs:Url"] = "",
        ["McpServers:docs:Headers"] = "",
        ["McpServers:docs:Title"] = "Docs",
        ["McpServers:docs:Share"] = "owner",
        ["McpServers:docs:Tools:roll"] = "owner",
        ["Relay:Enabled"] = "true",
        ["Relay:BytesPerSecond"] = "1 MiB",
        ["Relay:Memory"] = "64 MiB",
        ["Plugins:transport-websocket:Backlog"] = "128",
        ["Plugins:transport-websocket:ConnectTimeout"] = "00:00:10",
        ["Plugins:transport-websocket:CloseTimeout"] = "00:00:02",
        ["Plugins:transport-websocket:Certificate"] = "none.pfx",
        ["Plugins:transport-websocket:CertificateKey"] = "none.pem",
        ["Plugins:transport-websocket:CertificatePassword"] = "none",
        ["Plugins:transport-websocket:Trust"] = "Any",
        ["Plugins:transport-websocket:TrustedCertificates"] = "none.pem",
        ["Plugins:transport-tcp:Backlog"] = "512",
        ["Plugins:transport-tcp:ConnectTimeout"] = "00:00:10",
        ["Plugins:discovery-mdns:Enabled"] = "true",
        ["Plugins:discovery-mdns:Interfaces"] = "0=loopback",
        ["Plugins:discovery-mdns:IPv6"] = "true",
        ["Plugins:registry-orset:Enabled"] = "true",
        ["Plugins:registry-orset:MaxRecords"] = "10000",
        ["Plugins:registry-orset:MaxBytes"] = "67108864",
        ["Plugins:registry-orset:LogSize"] = "67108864",
        ["Plugins:registry-orset:LogAge"] = "30.00:00:00",
    };

    public static TheoryData<string> Pages => [.. Directory.EnumerateFiles(Root, "*.md").Concat(Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories))
        .Concat(Directory.EnumerateFiles(Path.Combine(Root, "samples"), "*.md", SearchOption.AllDirectories)).Select(p => Path.GetRelativePath(Root, p)).Order(StringComparer.Ordinal)];

    [Fact]
    public async Task EveryVerbAndOptionShownExists()
    {
        var help = new Dictionary<string, string>();
        var wrong = new List<string>();
        foreach (var (page, line) in Pages.SelectMany(p => Commands(p.Data).Select(c => (p.Data, c))))
        {
            var words = Words(line);
            var verb = words.SkipWhile(w => w.StartsWith('-')).FirstOrDefault() ?? "";
            if (!help.TryGetValue(verb, out var text))
            {
                var outcome = await Dawn.RunAsync(verb.Length == 0 ? ["--help"] : [verb, "--help"]);
                help[verb] = text = outcome.Exit == 0 ? outcome.Out : "";
                if (text.Length == 0)
                {
                    wrong.Add($"{page}: there is no verb '{verb}' ({line})");
                }
            }

            foreach (var option in words.Where(w => w.StartsWith('-') && w != "-" && !w.StartsWith("--Dawn:", StringComparison.Ordinal) && !w.StartsWith("--Logging:", StringComparison.Ordinal)).Select(w => w.Split('=')[0]))
            {
                if (text.Length > 0 && !Regex.IsMatch(text, $@"(^|[\s,]){Regex.Escape(option)}([\s,]|$)", RegexOptions.Multiline))
                {
                    wrong.Add($"{page}: '{verb}' has no option {option} ({line})");
                }
            }
        }

        Assert.True(help.Count > 10, "The commands of the pages were not found.");
        None(wrong);
    }

    [Fact]
    public async Task EveryVerbHasItsSection()
    {
        var root = await Dawn.RunAsync(["--help"]);
        var verbs = Verb().Matches(root.Out[root.Out.IndexOf("Commands:", StringComparison.Ordinal)..]).Select(m => m.Groups[1].Value).ToList();
        Assert.Contains("call", verbs);
        var sections = File.ReadAllLines(Path.Combine(Root, "docs/cli.md")).Where(l => l.StartsWith("## ", StringComparison.Ordinal)).Select(l => l[3..]);
        Assert.Empty(verbs.Except(sections));
    }

    [Fact]
    public async Task EveryDocumentedKeyIsAcceptedByANode()
    {
        var documented = Keys();
        // The data directory is named by --data; whoever documents a key adds a value for it above.
        Assert.Equal(["DataDirectory"], documented.Except(Samples.Keys));
        Assert.Empty(Samples.Keys.Except(documented));
        await using var node = await DawnNode.StartAsync([.. from sample in Samples
                                                             where sample.Key is not ("PluginDirectory" or "McpServers:docs:Url" or "McpServers:docs:Headers" or "McpServers:docs") && sample.Value.Length > 0
                                                             let isIndexed = Regex.IsMatch(sample.Value, "^(0|DOCS)=")
                                                             select isIndexed ? $"{sample.Key}:{sample.Value}" : $"{sample.Key}={sample.Value}"]);
        var plugins = await node.ListAsync("plugins");
        Assert.DoesNotContain(plugins, p => p.GetProperty("status").GetString() is "failed" or "notsupported");
        await node.StopAsync();
        Assert.DoesNotContain("no plugin of that name", node.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Network:")]
    [InlineData("Security:")]
    [InlineData("Gateway:")]
    [InlineData("Relay:")]
    public async Task EveryKeyThatANodeKnowsIsDocumented(string section)
    {
        // A refusal of an unknown key lists those known there.
        var outcome = await Dawn.RunAsync(["run", "--data", Path.Combine(Path.GetTempPath(), "dawn-docs-none"), $"--Dawn:{section}Quetzalcoatl=1"]);
        Assert.Equal(2, outcome.Exit);
        var known = KnownHere().Match(outcome.Err).Groups[1].Value.Split(',', StringSplitOptions.TrimEntries);
        Assert.True(known.Length > 1, outcome.Err);
        var documented = Keys();
        Assert.DoesNotContain(known, key => !documented.Any(d => d == section + key || d.StartsWith($"{section}{key}:", StringComparison.Ordinal)));
    }

    [Fact]
    public void EverySettingMentionedIsDocumented()
    {
        var documented = Keys();
        var wrong = from page in Pages
                    from Match match in Setting().Matches(File.ReadAllText(Path.Combine(Root, page.Data)))
                    let key = match.Groups[1].Value.TrimEnd(':')
                    where key.Length > 0 && key[0] != '<' && !key.StartsWith("Plugins:", StringComparison.Ordinal) && !key.StartsWith("McpServers:", StringComparison.Ordinal)
                        // Shown as mistakes.
                        && key is not ("Netwrok" or "Plugins" or "McpServers")
                    where !documented.Any(d => d == key || d.StartsWith(key + ":", StringComparison.Ordinal) || Regex.IsMatch(key, $"^{Regex.Escape(d)}:[0-9]+$"))
                    select $"{page.Data}: {match.Value}";
        None(wrong);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void EveryRelativeLinkResolves(string page)
    {
        var wrong = new List<string>();
        var path = Path.Combine(Root, page);
        foreach (var target in Link().Matches(WithoutCode(File.ReadAllText(path))).Select(m => m.Groups[1].Value).Where(t => !t.Contains("://", StringComparison.Ordinal) && !t.StartsWith("mailto:", StringComparison.Ordinal)))
        {
            var parts = target.Split('#', 2);
            var file = parts[0].Length == 0 ? path : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, parts[0]));
            if (!File.Exists(file) && !Directory.Exists(file))
            {
                wrong.Add(target);
            }
            else if (parts.Length == 2 && !File.ReadAllLines(file).Any(l => l.StartsWith('#') && Anchor(l) == parts[1]))
            {
                wrong.Add($"{target}: no such heading");
            }
        }

        None(wrong);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void EveryJsonBlockParses(string page)
    {
        foreach (var (_, text) in Blocks(page).Where(b => b.Language == "json"))
        {
            using var json = JsonDocument.Parse(text);
            Assert.NotEqual(JsonValueKind.Undefined, json.RootElement.ValueKind);
        }
    }

    /// <summary>A symptom's heading is what the program says, with … for what differs: each part of it stands in the sources.</summary>
    [Fact]
    public void EverySymptomIsWhatTheProgramSays()
    {
        var sources = string.Join('\n', new[] { "host", "plugins" }.SelectMany(d => Directory.EnumerateFiles(Path.Combine(Root, d), "*.cs", SearchOption.AllDirectories))
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText)).Replace("\\\"", "\"", StringComparison.Ordinal);
        var symptoms = File.ReadAllLines(Path.Combine(Root, "docs/troubleshooting.md")).Select(l => Symptom().Match(l)).Where(m => m.Success).SelectMany(m => Inline().Matches(m.Value)).Select(m => m.Value.Trim('`')).ToList();
        Assert.True(symptoms.Count > 30, "The symptoms of the page were not found.");
        None(from symptom in symptoms
             from part in symptom.Split('…').Select(p => p.Trim(' ', '\'')).Where(p => p.Length > 0)
             where !OfTheRuntime.Contains(part) && !sources.Contains(part, StringComparison.Ordinal)
             select $"{symptom}: nothing says '{part}'");
    }

    [Fact]
    public void TheUnitAndTheContainerStartWhatThereIs()
    {
        var unit = File.ReadAllText(Path.Combine(Root, "deploy/dawn.service"));
        Assert.Contains("ExecStart=/opt/dawn/dawn run --data /var/lib/dawn\n", unit, StringComparison.Ordinal);
        var container = File.ReadAllText(Path.Combine(Root, "deploy/Containerfile"));
        Assert.Contains("ENTRYPOINT [\"dawn\"]", container, StringComparison.Ordinal);
        // The framework of the images is that of the projects.
        var framework = XDocument.Load(Path.Combine(Root, "Directory.Build.props")).Descendants("TargetFramework").First().Value["net".Length..];
        Assert.All(From().Matches(container).Select(m => m.Groups[1].Value), tag => Assert.Equal(framework, tag));
        Assert.NotEmpty(From().Matches(container));
        // What the page shows of them is in them.
        var page = File.ReadAllText(Path.Combine(Root, "docs/deployment.md"));
        Assert.All(Unit().Matches(page).Select(m => m.Value.Trim('`')), line => Assert.Contains(line, unit, StringComparison.Ordinal));
    }

    [Fact]
    public void EveryDecisionIsInTheIndex()
    {
        var index = File.ReadAllText(Path.Combine(Root, "docs/README.md"));
        foreach (var page in Directory.EnumerateFiles(Path.Combine(Root, "docs/decisions"), "*.md"))
        {
            Assert.Contains($"decisions/{Path.GetFileName(page)}", index, StringComparison.Ordinal);
        }
    }

    private static void None(IEnumerable<string> wrong) => Assert.True(!wrong.Any(), string.Join('\n', wrong));

    /// <summary>All keys in the tables of configuration.md, with a name in place of each placeholder.</summary>
    private static List<string> Keys() =>
    [
        .. from line in File.ReadAllLines(Path.Combine(Root, "docs/configuration.md"))
           let match = KeyRow().Match(line)
           where match.Success
           // Rows of files look the same but for their names.
           where char.IsUpper(match.Groups[1].Value[0])
           select match.Groups[1].Value.Replace("<name>", "first").Replace("<agent>", "first").Replace("<tool>", "roll").Replace("<id>", "docs"),
    ];

    /// <summary>What is to be typed: in blocks for the shell, and in the text.</summary>
    private static IEnumerable<string> Commands(string page) =>
        from line in (from block in Blocks(page)
                      where Shell.Contains(block.Language)
                      from line in block.Text.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n')
                      select line).Concat(Inline().Matches(Block().Replace(File.ReadAllText(Path.Combine(Root, page)), "")).Select(m => m.Value.Trim('`')))
        from Match match in Command().Matches(line)
        let command = match.Groups[1].Value
        // How commands are written in general.
        where command.Length > 0 && !command.StartsWith('<') && !command.StartsWith('…')
        select command;

    private static IEnumerable<(string Language, string Text)> Blocks(string page) =>
        Block().Matches(File.ReadAllText(Path.Combine(Root, page))).Select(m => (m.Groups[1].Value, m.Groups[2].Value));

    private static string WithoutCode(string text) => Inline().Replace(Block().Replace(text, ""), "");

    // Up to a pipe or a comment; what is quoted is a value.
    private static string[] Words(string line) =>
        [.. Quoted().Replace(" " + line, "VALUE").Split(" | ")[0].Split(" #")[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)];

    // As GitHub makes them: lower case, no punctuation, hyphens for spaces.
    private static string Anchor(string heading) =>
        NotInAnchors().Replace(heading.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"^```(\w*)\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("`[^`\n]*`")]
    private static partial Regex Inline();

    // The program by its name, at the start, after a pipe, on another machine, as another user or in a container; or run from the source.
    [GeneratedRegex(@"(?:^\s*|\|\s*|\bssh \w+ |\bsudo -u \w+ |\b(?:docker|podman) exec (?:-\w+ )*\w+ )(?:/opt/dawn/)?(?:dawn|dotnet run --project host(?: --)?)(?=\s|$)\s*(.*)$")]
    private static partial Regex Command();

    [GeneratedRegex("'[^']*'|\"[^\"]*\"")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchors();

    [GeneratedRegex(@"^\| `([A-Za-z0-9:<>-]+)` \|")]
    private static partial Regex KeyRow();

    // In the list of symptoms: a heading, or a row of a table.
    [GeneratedRegex(@"^(?:### |\| )`.*?`(?: *$| *\||, .*$)")]
    private static partial Regex Symptom();

    [GeneratedRegex(@"^FROM \S+:(\d+\.\d+)", RegexOptions.Multiline)]
    private static partial Regex From();

    // A setting of the unit in the text: `Restart=on-failure`.
    [GeneratedRegex("`(?:Type|Restart|User|StateDirectory|MemoryHigh|MemoryMax|LimitNOFILE|OOMPolicy|ProtectSystem|ProtectHome|RestrictNamespaces|UMask)=[^`]*`")]
    private static partial Regex Unit();

    [GeneratedRegex(@"\bDawn:([A-Za-z0-9:<>-]+)")]
    private static partial Regex Setting();

    [GeneratedRegex(@"known here: (.+)")]
    private static partial Regex KnownHere();

    [GeneratedRegex(@"^  ([a-z]+)\b", RegexOptions.Multiline)]
    private static partial Regex Verb();
}
