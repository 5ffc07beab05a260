using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dawn.Node.Doctor;

/// <summary>What one check came to.</summary>
/// <param name="Check">Its name, for scripts; several findings may have one.</param>
/// <param name="Outcome"><c>ok</c>, <c>warn</c> or <c>fail</c>.</param>
/// <param name="Detail">What was seen; never a secret.</param>
/// <param name="Cure">What helps; absent where nothing need be done.</param>
internal sealed record Finding(string Check, string Outcome, string Detail, string? Cure = null)
{
    public static Finding Ok(string check, string detail) => new(check, "ok", detail);

    public static Finding Warn(string check, string detail, string cure) => new(check, "warn", detail, cure);

    public static Finding Fail(string check, string detail, string cure) => new(check, "fail", detail, cure);
}

/// <param name="Ok">False where a check failed.</param>
internal sealed record Report(bool Ok, bool Running, IReadOnlyList<Finding> Checks);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Report))]
internal sealed partial class ReportJson : JsonSerializerContext;
