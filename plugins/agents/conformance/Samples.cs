namespace Dawn.Agents.Conformance;

/// <summary>The smallest files of their kinds.</summary>
internal static class Samples
{
    /// <summary>One red pixel.</summary>
    public static ReadOnlyMemory<byte> Png { get; } = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC");

    /// <summary>A millisecond of sound: eight samples of one byte.</summary>
    public static ReadOnlyMemory<byte> Wav { get; } = Convert.FromBase64String("UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAsNCwgFAwUA==");
}
