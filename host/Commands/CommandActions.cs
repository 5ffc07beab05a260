using System.Collections.Immutable;

namespace Dawn.Commands;

/// <summary>What the verbs need from the rest of the program; nothing behind it is built before a verb asks.</summary>
internal sealed record CommandActions
{
    /// <summary>Starts a node and runs it until it is told to stop; takes care of signals itself.</summary>
    public required Func<RunOptions, CancellationToken, Task<int>> Run { get; init; }

    /// <summary>Redeems a ticket into a data directory.</summary>
    public required Func<JoinOptions, CancellationToken, Task<int>> Join { get; init; }

    /// <summary>Runs several connected nodes until it is told to stop; takes care of signals itself.</summary>
    public required Func<DemoOptions, CancellationToken, Task<int>> Demo { get; init; }

    /// <summary>Reads the identity in a data directory, without a running node; null where there is none yet.</summary>
    public required Func<string, CancellationToken, Task<StoredIdentity?>> ReadIdentity { get; init; }

    /// <summary>Writes a node's files into one.</summary>
    public required Func<BackupOptions, Terminal, CancellationToken, Task<int>> Backup { get; init; }

    /// <summary>Reads a backup as it is, and says whether it needs a passphrase.</summary>
    public required Func<string, (byte[] Bytes, bool IsSealed)> ReadBackup { get; init; }

    /// <summary>Makes a data directory out of a backup.</summary>
    public required Func<RestoreOptions, Terminal, CancellationToken, Task<int>> Restore { get; init; }

    /// <summary>Looks for whatever is wrong with a node, running or not.</summary>
    public required Func<RunOptions, DoctorOptions, Terminal, CancellationToken, Task<int>> Doctor { get; init; }

    /// <summary>The data directory where <c>--data</c> names none.</summary>
    public required Func<string> DefaultDataDirectory { get; init; }
}

/// <param name="DataDirectory">Null where <c>--data</c> was not given: the settings decide.</param>
/// <param name="Settings">Settings of the command line as <c>--Dawn:Key=value</c>, one element each.</param>
internal sealed record RunOptions(string? DataDirectory, ImmutableArray<string> Settings, bool Verbose);

/// <param name="Ticket">The ticket itself, read from standard input where the user wrote <c>-</c>.</param>
/// <param name="Replace">Leave the network that the data directory belongs to.</param>
internal sealed record JoinOptions(string Ticket, bool Replace, RunOptions Run);

/// <param name="Passphrase">Null leaves the backup unsealed.</param>
/// <param name="Force">Replace a file that exists.</param>
internal sealed record BackupOptions(string DataDirectory, string File, string? Passphrase, bool Force)
{
    public override string ToString() => $"a backup of {DataDirectory}";
}

/// <param name="Force">Also where the directory is not empty.</param>
internal sealed record RestoreOptions(string DataDirectory, byte[] Backup, string? Passphrase, bool Force)
{
    public override string ToString() => $"a restore into {DataDirectory}";
}

internal sealed record DoctorOptions(bool IsJson, TimeSpan Patience);

internal sealed record DemoOptions(int Nodes, RunOptions Run);

/// <param name="Network">Null where the node has joined none yet.</param>
internal sealed record StoredIdentity(string Node, string? Network);

/// <summary>A failure in words for the person at the terminal: cause, and cure where there is one.</summary>
internal sealed class CommandException(string message, int exitCode = ExitCode.Failed) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}

internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;

    /// <summary>Wrong usage or configuration.</summary>
    public const int Usage = 2;

    /// <summary>As shells have it: 128 and the number of the signal.</summary>
    public const int Interrupted = 130;
    public const int Terminated = 143;
}
