using Dawn.Identity;

namespace Dawn.Agents.External;

/// <summary>Why a server doesn't run, in words for its <see cref="IHostedAgent.Problem"/>.</summary>
/// <param name="isLasting">True where only a person can change it, so that trying again soon is of no use.</param>
internal sealed class ServerFailure(string message, bool isLasting = false, Exception? inner = null) : Exception(message, inner)
{
    public bool IsLasting => isLasting;
}

/// <summary>How long to wait before the next try: doubling from 1 s to 60 s, with jitter so that many servers don't start at once.</summary>
internal sealed class Backoff(Entropy entropy)
{
    /// <summary>The longest wait; a server that ran this long is healthy, and begins anew.</summary>
    public static readonly TimeSpan Max = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Min = TimeSpan.FromSeconds(1);

    private int _failures;

    public void Reset() => _failures = 0;

    public TimeSpan Next()
    {
        var longest = TimeSpan.FromTicks(Math.Min(Max.Ticks, Min.Ticks << Math.Min(_failures, 6)));
        _failures++;

        // From three quarters to the whole.
        return longest * (1 - (entropy.UInt64() % 1024 / 4096.0));
    }
}
