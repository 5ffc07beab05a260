using System.Text.Json;
using Xunit;

namespace Dawn.Tests.Noise;

/// <summary>Public test vectors: data that is too large to carry along, read from the folder that DAWN_VECTORS names.</summary>
internal static class VectorFiles
{
    public static IReadOnlyList<string> Find(string pattern)
    {
        var folder = Environment.GetEnvironmentVariable("DAWN_VECTORS");
        if (folder is null)
        {
            Assert.Skip("DAWN_VECTORS is not set; it names a folder with the vector files of cacophony, snow and Wycheproof.");
        }

        var files = Directory.GetFiles(folder, pattern).Order(StringComparer.Ordinal).ToArray();
        Assert.True(files.Length > 0, $"{folder} has no {pattern}.");
        return files;
    }

    public static byte[] Hex(this JsonElement element, string property) => element.HexOrNull(property) ?? [];

    public static byte[]? HexOrNull(this JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) ? Convert.FromHexString(value.GetString()!) : null;
}
