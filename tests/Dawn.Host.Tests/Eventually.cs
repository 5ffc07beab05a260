using System.Runtime.CompilerServices;
using Xunit;

namespace Dawn.Tests;

/// <summary>Asks until something holds that another thread or process brings about, where there is nothing to await but the effect itself.</summary>
internal static class Eventually
{
    /// <summary>A machine under load may be slow; what never comes must still fail.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(30);

    public static Task HoldsAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "") => HoldsAsync(condition, null, what);

    /// <param name="meanwhile">Done between looks, such as letting fake time pass.</param>
    public static async Task HoldsAsync(Func<bool> condition, Action? meanwhile, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var started = TimeProvider.System.GetTimestamp();
        using var looks = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Patience, $"not within {Patience.TotalSeconds:0} s: {what}");
            meanwhile?.Invoke();
            await looks.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }
}
