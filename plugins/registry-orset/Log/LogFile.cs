using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Dawn.Registries.OrSet;

/// <summary>What a registry comes back from.</summary>
/// <param name="Newest">Each node's newest line; conflicting ones aside.</param>
/// <param name="Conflicting">Each node's last one, in the order of the log.</param>
internal sealed record LogState(IReadOnlyCollection<RegistryEvent> Newest, IReadOnlyCollection<RegistryEvent> Conflicting)
{
    public static readonly LogState Empty = new([], []);
}

/// <summary>The log's file: one table that lines are added to. One thread at a time.</summary>
internal sealed class LogFile : IDisposable
{
    // "Dawn", so that a file of another program is not taken for a log, in SQLite's header.
    private const long ApplicationId = 0x4461776E;
    private const long SchemaVersion = 1;
    private const int ChecksumSize = 16;
    private const int PageLines = 256;
    private const int LineOverhead = 128;
    private const string Columns = "number, at, kind, node, sequence, encoded, checksum";

    // Each line that a later one of its node makes needless; and the last of a node that is gone for as long as anything of it is remembered.
    private const string Superseded = """
        WITH newest AS (SELECT node, max(number) AS number FROM events WHERE kind <> 3 GROUP BY node)
        SELECT e.number, e.at, length(e.encoded) FROM events e JOIN newest n ON n.node = e.node
        WHERE (e.number < n.number OR (e.number = n.number AND e.kind = 2 AND e.at < ?1)) AND e.number < (SELECT max(number) FROM events)
        """;

    private static readonly TimeSpan GoneAfter = TimeSpan.FromHours(26);

    private readonly Sqlite _database;

    public LogFile(string path)
    {
        if (!File.Exists(path))
        {
            // Whoever may read the log knows the network's nodes; SQLite gives its other files the same rights.
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            new FileStream(path, options).Dispose();
        }

        _database = new(path, false);
        try
        {
            Prepare();
            LastNumber = _database.Scalar("SELECT max(number) FROM events");
        }
        catch
        {
            _database.Dispose();
            throw;
        }
    }

    public long LastNumber { get; private set; }

    /// <summary>Bytes in use, of the database itself.</summary>
    public long Size => (_database.Scalar("PRAGMA page_count") - _database.Scalar("PRAGMA freelist_count")) * _database.Scalar("PRAGMA page_size");

    /// <summary>The file grows no further: for tests of a full disk.</summary>
    internal void LimitPages(long pages) => _database.Execute($"PRAGMA max_page_count = {pages}");

    /// <summary>Reads and checks every line.</summary>
    /// <exception cref="LogDamagedException">It is not as it was written.</exception>
    public LogState ReadState(CancellationToken cancellationToken)
    {
        if (_database.Text("PRAGMA quick_check(1)") is var answer && answer != "ok")
        {
            throw new LogDamagedException(answer);
        }

        var (newest, conflicting) = (new Dictionary<NodeId, RegistryEvent>(), new Dictionary<NodeId, RegistryEvent>());
        using var statement = _database.Prepare($"SELECT {Columns} FROM events ORDER BY number");
        while (statement.Step())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var line = Read(statement);
            (line.Kind == RegistryEventKind.Conflicting ? conflicting : newest)[line.Node] = line;
        }

        return new(newest.Values, [.. conflicting.Values.OrderBy(line => line.Number)]);
    }

    /// <summary>Adds lines, all or none of them; they are on the disk when it returns.</summary>
    public void Append(IReadOnlyList<RegistryEvent> lines)
    {
        Span<byte> node = stackalloc byte[NodeId.Size];
        try
        {
            _database.Execute("BEGIN IMMEDIATE");
            using (var statement = _database.Prepare($"INSERT INTO events ({Columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"))
            {
                foreach (var line in lines)
                {
                    line.Node.CopyTo(node);
                    statement.Bind(1, line.Number).Bind(2, line.At.ToUnixTimeMilliseconds()).Bind(3, (long)line.Kind).Bind(4, node)
                        .Bind(5, unchecked((long)line.Sequence)).Bind(6, line.Encoded.Span).Bind(7, Checksum(line)).Step();
                    statement.Reset();
                }
            }

            _database.Execute("COMMIT");
            LastNumber = lines[^1].Number;
        }
        catch (IOException)
        {
            if (_database.IsInTransaction)
            {
                _database.Execute("ROLLBACK");
            }

            throw;
        }
    }

    /// <summary>A page of lines with higher numbers; empty at the end.</summary>
    public static List<RegistryEvent> ReadPage(Sqlite reader, long after, DateTimeOffset? since)
    {
        using var statement = reader.Prepare($"SELECT {Columns} FROM events WHERE number > ?1 AND at >= ?2 ORDER BY number LIMIT {PageLines}");
        statement.Bind(1, after).Bind(2, since?.ToUnixTimeMilliseconds() ?? long.MinValue);
        var lines = new List<RegistryEvent>();
        while (statement.Step())
        {
            lines.Add(Read(statement));
        }

        return lines;
    }

    /// <summary>Superseded lines go: the old ones, and as many more of the oldest as it takes to be three quarters of the size.</summary>
    /// <returns>How many went.</returns>
    public int Compact(DateTimeOffset now, long maxSize, TimeSpan maxAge)
    {
        var (gone, old) = ((now - GoneAfter).ToUnixTimeMilliseconds(), (now - maxAge).ToUnixTimeMilliseconds());
        var excess = Size is var size && size > maxSize ? size - maxSize / 4 * 3 : 0;
        var cut = 0L;
        using (var statement = _database.Prepare(Superseded + " ORDER BY e.number"))
        {
            statement.Bind(1, gone);
            while (statement.Step() && (excess > 0 || statement.Integer(1) < old))
            {
                cut = statement.Integer(0);
                excess -= statement.Integer(2) + LineOverhead;
            }
        }

        if (cut == 0)
        {
            return 0;
        }

        using (var statement = _database.Prepare($"DELETE FROM events WHERE number IN (SELECT number FROM ({Superseded})) AND number <= ?2"))
        {
            statement.Bind(1, gone).Bind(2, cut).Step();
        }

        var deleted = _database.Changes;
        _database.Execute("PRAGMA incremental_vacuum");
        _database.Execute("PRAGMA wal_checkpoint(PASSIVE)");
        return deleted;
    }

    public void Dispose() => _database.Dispose();

    private void Prepare()
    {
        // Only before the first table: freed pages can then be given back without a copy of the whole file.
        _database.Execute("PRAGMA auto_vacuum = INCREMENTAL");
        if (_database.Text("PRAGMA journal_mode = WAL") is var mode && mode != "wal")
        {
            throw new IOException($"{_database.Path} can't be kept crash-safe, for its file system has no shared memory ({mode}): move the node's data directory to a local disk.");
        }

        // FULL: a commit returns once the WAL is on the disk (sqlite.org/pragma.html#pragma_synchronous).
        _database.Execute("PRAGMA synchronous = FULL");
        _database.Execute("PRAGMA journal_size_limit = 4194304");
        var (id, version) = (_database.Scalar("PRAGMA application_id"), _database.Scalar("PRAGMA user_version"));
        if (id == 0 && version == 0 && _database.Scalar("SELECT count(*) FROM sqlite_schema") == 0)
        {
            _database.Execute("BEGIN IMMEDIATE");
            _database.Execute("""
                CREATE TABLE events (
                  number INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, node BLOB NOT NULL,
                  sequence INTEGER NOT NULL, encoded BLOB NOT NULL, checksum BLOB NOT NULL)
                """);
            _database.Execute($"PRAGMA application_id = {ApplicationId}");
            _database.Execute($"PRAGMA user_version = {SchemaVersion}");
            _database.Execute("COMMIT");
        }
        else if (id != ApplicationId)
        {
            throw new LogDamagedException("it is another program's database");
        }
        else if (version != SchemaVersion)
        {
            throw new IOException($"{_database.Path} has version {version}, and this program reads version {SchemaVersion}: update Dawn, or move the file away.");
        }
    }

    private static RegistryEvent Read(Sqlite.Statement statement)
    {
        var node = statement.Blob(3);
        var (kind, at) = (statement.Integer(2), statement.Integer(1));
        if (node.Length != NodeId.Size || kind is < 0 or > (long)RegistryEventKind.Conflicting || at < 0 || at > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
        {
            throw new LogDamagedException($"line {statement.Integer(0)} is malformed");
        }

        var line = new RegistryEvent(
            statement.Integer(0), DateTimeOffset.FromUnixTimeMilliseconds(at), (RegistryEventKind)kind, new(node), statement.Unsigned(4), statement.Blob(5).ToArray());
        return statement.Blob(6).SequenceEqual(Checksum(line)) ? line : throw new LogDamagedException($"line {line.Number} has another checksum");
    }

    /// <summary>SQLite's own structure is checked by itself; this finds a changed byte within a value.</summary>
    private static byte[] Checksum(RegistryEvent line)
    {
        Span<byte> head = stackalloc byte[3 * sizeof(long) + 1 + NodeId.Size];
        BinaryPrimitives.WriteInt64BigEndian(head, line.Number);
        BinaryPrimitives.WriteInt64BigEndian(head[8..], line.At.ToUnixTimeMilliseconds());
        BinaryPrimitives.WriteUInt64BigEndian(head[16..], line.Sequence);
        head[24] = (byte)line.Kind;
        line.Node.CopyTo(head[25..]);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(head);
        hash.AppendData(line.Encoded.Span);
        return hash.GetHashAndReset()[..ChecksumSize];
    }
}
