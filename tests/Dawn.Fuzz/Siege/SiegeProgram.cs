namespace Dawn.Fuzz.Siege;

internal static class SiegeProgram
{
    public static Task<int> RunAsync(string[] options) => Task.FromResult(options.Length);
}
