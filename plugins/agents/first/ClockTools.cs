using System.ComponentModel;
using System.Globalization;
using System.Text.RegularExpressions;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.First;

public sealed record Clock(
    [property: Description("The time there, with its offset from UTC.")] DateTimeOffset Time,
    [property: Description("The IANA time zone.")] string Zone,
    [property: Description("True while daylight saving time is in force.")] bool DaylightSaving);

[McpServerToolType]
public sealed partial class ClockTools(TimeProvider time)
{
    [McpServerTool(Name = "time", Title = "Time", ReadOnly = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Tells the time, in UTC or in a time zone.")]
    public Clock Time([Description("An IANA time zone such as Europe/Zurich; UTC when left out.")] string? timeZone = null)
    {
        var zone = Find(timeZone);
        var now = TimeZoneInfo.ConvertTime(time.GetUtcNow(), zone);
        return new(now, zone.Id, zone.IsDaylightSavingTime(now));
    }

    internal static string Format(DateTimeOffset time) => time.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    private static TimeZoneInfo Find(string? id)
    {
        if (string.IsNullOrEmpty(id) || id == "UTC")
        {
            return TimeZoneInfo.Utc;
        }

        // The runtime takes an id for a path below its time zone files: only what looks like a zone gets that far.
        if (id.Length <= 64 && ZoneName.IsMatch(id) && TimeZoneInfo.TryFindSystemTimeZoneById(id, out var zone))
        {
            return zone;
        }

        var shown = id.Length <= 64 ? id : id[..64] + "…";
        throw new McpException($"'{shown}' is no time zone known here. Give an IANA name such as Europe/Zurich, America/New_York or UTC.");
    }

    [GeneratedRegex(@"\A[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}\z")]
    private static partial Regex ZoneName { get; }
}
