using Dawn.Identity;
using Dawn.Telemetry;
using Microsoft.Extensions.FileProviders;

namespace Dawn.Configuration;

/// <summary>Where a node's configuration comes from, and the strict reading of its own part.</summary>
internal static class DawnConfiguration
{
    public const string Section = "Dawn";

    private const string FileName = "appsettings.json";
    private static readonly Uri DefaultListen = new("ws://0.0.0.0:7610");
    /// <summary>The mode without any word of the settings.</summary>
    public const string DefaultMode = "decentralized";

    private const string DefaultGateway = "http://127.0.0.1:7600";

    /// <summary>The program's <c>appsettings.json</c>, the data directory's, the environment, the command line; the later wins.</summary>
    /// <param name="dataDirectory">From <c>--data</c>; null leaves it to <c>Dawn:DataDirectory</c>.</param>
    /// <param name="arguments">Tokens such as <c>--Dawn:Mode=hybrid</c>.</param>
    /// <exception cref="StartException">A file is not JSON, or a token is no setting.</exception>
    public static IConfigurationRoot Build(string? dataDirectory, IReadOnlyList<string> arguments)
    {
        try
        {
            foreach (var stray in arguments.Where(a => a.StartsWith('-') && !a.StartsWith("--Dawn:", StringComparison.OrdinalIgnoreCase) && !a.StartsWith("--Logging:", StringComparison.OrdinalIgnoreCase)))
            {
                throw new StartException($"'{stray}' is no option of a node. Settings are written --Dawn:Key=value; see 'dawn run --help'.");
            }

            string[] line = [.. arguments];
            var directory = dataDirectory ?? Sources(null, line)[$"{Section}:DataDirectory"];
            return Sources(string.IsNullOrEmpty(directory) ? DataDirectory.DefaultPath : directory, line);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException)
        {
            throw new StartException($"The configuration can't be read: {e.Message} {(e.InnerException is null ? "" : e.GetBaseException().Message)}".TrimEnd(), e);
        }
    }

    /// <summary>Reads the section <c>Dawn</c> but for <c>Plugins</c> and <c>McpServers</c>, whose owners check them.</summary>
    public static DawnSettings Read(IConfiguration configuration, List<string> problems)
    {
        var dawn = new SettingsReader(configuration.GetSection(Section), problems);
        var network = dawn.Section("Network");
        var security = dawn.Section("Security");
        var gateway = dawn.Section("Gateway");
        var relay = dawn.Section("Relay");
        var telemetry = dawn.Section("Telemetry");
        dawn.Leave("Plugins");
        dawn.Leave("McpServers");
        // JSON's null is an empty value here: an explicit null leaves the gateway out, an absent key means the default.
        var gatewayText = configuration.GetSection($"{Section}:Gateway:Url");
        var settings = new DawnSettings
        {
            DataDirectory = dawn.Text("DataDirectory") ?? DataDirectory.DefaultPath,
            Mode = dawn.Value("Mode", DefaultMode, (string text, out string mode) => Identity.AgentId.IsValid(mode = text), "the name of an installed routing mode, such as centralized, decentralized or hybrid"),
            Hubs = dawn.List<PeerAddress>("Hubs", PeerAddress.TryParse!, Example) ?? [],
            Listen = dawn.List<Uri>("Listen", TryParseListen, "an address such as ws://0.0.0.0:7610, or nothing for no listener") ?? [DefaultListen],
            Advertise = dawn.List<Uri>("Advertise", TryParseAddress, "an address that others can dial, such as wss://example.org:443") ?? [],
            Bootstrap = dawn.List<PeerAddress>("Bootstrap", PeerAddress.TryParse!, Example) ?? [],
            NetworkName = network.Value("Name", "home", (string text, out string name) => (name = text).Length <= 64 && !text.Any(char.IsControl), "up to 64 characters"),
            NetworkSecret = network.Text("Secret"),
            Owners = security.List<NodeId>("Owners", NodeId.TryParse, $"NodeIds of {NodeId.TextLength} characters") ?? [],
            Encryption = security.Choice("Encryption", EncryptionMode.Required),
            CheckpointEvery = security.Number("CheckpointEvery", 64, 1, Sessions.Checkpoint.MaxCount),
            RekeyAfter = security.Duration("RekeyAfter", TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)),
            KeepEvidence = security.Flag("KeepEvidence", false),
            EvidenceSize = security.Size("EvidenceSize") ?? 256 * 1024 * 1024,
            GatewayUrl = gateway.Text("Url") ?? (gatewayText.Value is null && !IsExplicitNull(configuration, gatewayText.Path) ? DefaultGateway : null),
            GatewayToken = gateway.Text("Token"),
            GatewayCertificate = gateway.Text("Certificate"),
            GatewayCertificatePassword = gateway.Text("CertificatePassword"),
            GatewayFileSize = gateway.Size("FileSize") ?? Gateway.GatewaySettings.MaxFileSize,
            GatewayTestHooks = gateway.Flag("TestHooks", false),
            TelemetryEndpoint = telemetry.Value<Uri?>("Endpoint", null, TraceExport.TryParseEndpoint, "the URL of an OTLP collector over HTTP, such as http://127.0.0.1:4318"),
            PluginDirectory = Path.GetFullPath(dawn.Text("PluginDirectory") ?? "plugins", AppContext.BaseDirectory),
            RelayEnabled = relay.Flag("Enabled", true),
            RelayBytesPerSecond = relay.Size("BytesPerSecond"),
            RelayMemory = relay.Size("Memory") ?? 64 * 1024 * 1024,
        };
        foreach (var section in new[] { dawn, network, security, gateway, relay, telemetry })
        {
            section.RefuseOthers();
        }

        return settings;
    }

    /// <summary>From now on an edit is taken only if the settings as a whole, with what other sources say, are in order.</summary>
    /// <param name="check">What is wrong with settings, each with its key.</param>
    public static void CheckEdits(IConfigurationRoot root, Func<IConfiguration, IReadOnlyList<string>> check)
    {
        foreach (var file in root.Providers.OfType<EditedJsonProvider>())
        {
            file.Check = content =>
            {
                var builder = new ConfigurationBuilder();
                foreach (var provider in root.Providers)
                {
                    builder.AddInMemoryCollection(provider == file ? content : Flatten(provider));
                }

                return check(builder.Build());
            };
        }
    }

    /// <summary>All that one source says.</summary>
    private static IEnumerable<KeyValuePair<string, string?>> Flatten(IConfigurationProvider provider, string? path = null)
    {
        foreach (var key in provider.GetChildKeys([], path).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            var full = path is null ? key : ConfigurationPath.Combine(path, key);
            if (provider.TryGet(full, out var value))
            {
                yield return new(full, value);
            }

            foreach (var inner in Flatten(provider, full))
            {
                yield return inner;
            }
        }
    }

    private const string Example = "an address such as ws://host:7610#<NodeId>";

    // A user's programs may watch so many folders in all (128 on Linux, unless it is set otherwise), and a machine may run more nodes than that:
    // then the file is looked at every 4 s. To try is the only way to know: nodes that start at once take each other's last one.
    private static IConfigurationRoot Sources(string? directory, string[] arguments)
    {
        try
        {
            return Sources(directory, arguments, isPolling: false);
        }
        catch (IOException)
        {
            return Sources(directory, arguments, isPolling: true);
        }
    }

    private static IConfigurationRoot Sources(string? directory, string[] arguments, bool isPolling)
    {
        var builder = new ConfigurationBuilder();
        Add(AppContext.BaseDirectory, isWatched: false);
        if (directory is not null)
        {
            // Only what exists can be watched: a search for the nearest folder above that does could end at the root of the disk.
            Add(Path.GetFullPath(directory), isWatched: Directory.Exists(directory));
        }

        builder.AddEnvironmentVariables().AddCommandLine(arguments);
        if (directory is not null)
        {
            builder.AddInMemoryCollection([new($"{Section}:DataDirectory", Path.GetFullPath(directory))]);
        }

        return builder.Build();

        void Add(string folder, bool isWatched)
        {
            var file = new EditedJsonFile { Path = Path.Combine(folder, FileName), Optional = true, ReloadOnChange = isWatched };
            file.ResolveFileProvider();
            if (isWatched && isPolling)
            {
                file.FileProvider = new PhysicalFileProvider(folder) { UsePollingFileWatcher = true, UseActivePolling = true };
            }

            builder.Add(file);
        }
    }

    // A JSON null is a key without a value or children, which the configuration API shows only among its parent's children.
    private static bool IsExplicitNull(IConfiguration configuration, string path) =>
        configuration.GetSection(ConfigurationPath.GetParentPath(path)!).GetChildren().Any(c => c.Path.Equals(path, StringComparison.OrdinalIgnoreCase));

    private static bool TryParseAddress(string text, out Uri uri) => Uri.TryCreate(text, UriKind.Absolute, out uri!) && NodeRecord.IsAddress(uri);

    // Port 0 lets the transport choose.
    private static bool TryParseListen(string text, out Uri uri) =>
        Uri.TryCreate(text, UriKind.Absolute, out uri!) && (PeerAddress.IsLocal(uri) || uri is { AbsolutePath: "/" or "", Query: "", Fragment: "", UserInfo: "", Host.Length: > 0, Port: >= 0 });
}
