using System.ComponentModel;
using System.Globalization;
using ModelContextProtocol.Server;

namespace Dawn.Benchmarks;

/// <summary>What is called: the same class in the agent and in the comparators' servers.</summary>
[McpServerToolType]
public static class EchoTools
{
    [McpServerTool(Name = "echo"), Description("Gives the text back.")]
    public static string Echo(string text) => text;

    [McpServerTool(Name = "allocated"), Description("Bytes that this process has allocated so far.")]
    public static string Allocated() => GC.GetTotalAllocatedBytes().ToString(CultureInfo.InvariantCulture);
}
