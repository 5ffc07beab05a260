using System.Text.Json;

namespace Dawn.Commands;

/// <summary>Reads answers of a node that may be newer or older than this program: what is missing is empty.</summary>
internal static class JsonFields
{
    extension(JsonElement of)
    {
        public string Text(string name) => of.Field(name) is { } field ? AsText(field) : "";

        public double? Number(string name) => of.Field(name) is { ValueKind: JsonValueKind.Number } field ? field.GetDouble() : null;

        public bool Flag(string name) => of.Field(name) is { ValueKind: JsonValueKind.True };

        public IEnumerable<JsonElement> List(string name) => of.Field(name) is { ValueKind: JsonValueKind.Array } field ? field.EnumerateArray() : [];

        public IEnumerable<string> Texts(string name) => of.List(name).Select(AsText);

        private JsonElement? Field(string name) => of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var field) ? field : null;
    }

    private static string AsText(JsonElement field) => field.ValueKind switch
    {
        JsonValueKind.String => field.GetString()!,
        JsonValueKind.Null => "",
        _ => field.GetRawText(),
    };
}
