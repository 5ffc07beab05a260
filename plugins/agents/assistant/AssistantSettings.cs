using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Dawn.Agents.Assistant;

/// <summary>The section <c>Dawn:Plugins:assistant</c>.</summary>
/// <param name="Endpoint">The base of an OpenAI-compatible API, as <c>http://127.0.0.1:11434/v1</c>.</param>
/// <param name="Model">What the endpoint calls the model; null where none is configured.</param>
/// <param name="ApiKey">Null where the endpoint asks for none.</param>
/// <param name="Instructions">Said to the model before everything else.</param>
/// <param name="Rounds">How often the model may go on after tools have answered, within one reply; 1 to 50.</param>
/// <param name="Trust">For whom it calls whatever this node may call.</param>
/// <param name="Patience">How long the endpoint, or a tool, may be silent; 1 s to an hour.</param>
internal sealed record AssistantSettings(Uri? Endpoint, string? Model, string? ApiKey, string Instructions, int Rounds, TimeSpan Patience, Trust Trust)
{
    public const string Section = "Dawn:Plugins:assistant";

    private const string DefaultInstructions = "You are a helpful assistant in a private network of machines. Answer briefly, in the language you are spoken to, in Markdown.";

    private const string GiveEndpoint = "give the address of an OpenAI-compatible API, as http://127.0.0.1:11434/v1";

    private static readonly string[] Keys = ["Endpoint", "Model", "ApiKey", "Instructions", "Trust", "Rounds", "PatienceSeconds"];

    /// <exception cref="InvalidOperationException">A setting is wrong: all of what is, with the cure.</exception>
    public static AssistantSettings Read(IConfiguration settings)
    {
        var problems = new List<string>();
        var model = Text("Model");
        Uri? endpoint = null;
        if (Text("Endpoint") is { } text && (!Uri.TryCreate(text, UriKind.Absolute, out endpoint) || endpoint.Scheme is not ("http" or "https")))
        {
            problems.Add($"{Section}:Endpoint is '{text}'; {GiveEndpoint}");
        }

        if (model is null != Text("Endpoint") is null)
        {
            problems.Add(model is null ? $"{Section}:Model is missing; say which of the endpoint's models is meant" : $"{Section}:Endpoint is missing; {GiveEndpoint}");
        }

        if (Text("ApiKey") is not null && endpoint is { Scheme: "http", IsLoopback: false })
        {
            problems.Add($"{Section}:Endpoint must be https where there is an ApiKey; everybody on the way could read it");
        }

        foreach (var key in settings.GetChildren().Select(child => child.Key).Where(key => !Keys.Contains(key, StringComparer.OrdinalIgnoreCase)))
        {
            problems.Add($"{Section}:{key} is no setting; there are {string.Join(", ", Keys)}");
        }

        var rounds = Number("Rounds", 8, 1, 50);
        var patience = TimeSpan.FromSeconds(Number("PatienceSeconds", 120, 1, 3600));
        var trust = Text("Trust") is { } trusted ? Trust.TryRead(trusted) : Trust.OwnNode;
        if (trust is null)
        {
            problems.Add($"{Section}:Trust is '{Text("Trust")}'; give owner, members, or roles (member, guest, browser) and NodeIds, separated by commas");
        }

        return problems.Count == 0
            ? new(endpoint, model, Text("ApiKey"), Text("Instructions") ?? DefaultInstructions, rounds, patience, trust!)
            : throw new InvalidOperationException($"In the configuration, {string.Join("; ", problems)}.");

        string? Text(string key) => settings[key] is { Length: > 0 } value ? value : null;

        int Number(string key, int usual, int least, int most)
        {
            if (Text(key) is not { } value)
            {
                return usual;
            }

            if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
            {
                return number;
            }

            problems.Add($"{Section}:{key} is '{value}'; give a number from {least} to {most}");
            return usual;
        }
    }
}
