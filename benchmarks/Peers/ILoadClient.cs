namespace Dawn.Benchmarks.Peers;

/// <summary>What the comparison asks of a client's process, one line of JSON each.</summary>
/// <param name="InFlight">Calls under way at once.</param>
/// <param name="Size">Characters of the argument, or bytes of a bulk message.</param>
/// <param name="Hold">For the client of links alone: hold so many from now on, and measure nothing.</param>
internal sealed record LoadRequest(int InFlight, double Seconds, int Size, int? Hold = null);

/// <summary>One end that calls, in a process of its own.</summary>
internal interface ILoadClient : IAsyncDisposable
{
    Task<LoadResult> RunAsync(LoadRequest request, CancellationToken cancellationToken);
}

/// <summary>One end that is called, in a process of its own.</summary>
/// <param name="Address">Where, for the client.</param>
/// <param name="Thumbprint">SHA-256 of the certificate, which the client pins; empty without TLS.</param>
internal sealed record ServedAt(string Address, string Thumbprint = "")
{
    public static ServedAt Parse(string text) => text.Split('#') is [var address, var thumbprint] ? new(address, thumbprint) : throw new ArgumentException($"'{text}' is not address#thumbprint.");

    public override string ToString() => $"{Address}#{Thumbprint}";
}
