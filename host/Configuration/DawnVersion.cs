using System.Reflection;

namespace Dawn.Configuration;

/// <summary>The version of this program, as people and clients are told: without the commit it was built from.</summary>
internal static class DawnVersion
{
    public static string Text { get; } =
        typeof(DawnVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
