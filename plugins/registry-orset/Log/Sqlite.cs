using SQLitePCL;

namespace Dawn.Registries.OrSet;

/// <summary>The file holds what SQLite or this program can't have written.</summary>
internal sealed class LogDamagedException(string message) : IOException(message);

/// <summary>A connection to a SQLite file, as far as the log needs one.</summary>
internal sealed class Sqlite : IDisposable
{
    private static readonly TimeSpan BusyTimeout = TimeSpan.FromSeconds(2);

    private readonly sqlite3 _connection;

    static Sqlite() => Batteries_V2.Init();

    public Sqlite(string path, bool isReader)
    {
        Path = path;
        var result = raw.sqlite3_open_v2(path, out _connection, isReader ? raw.SQLITE_OPEN_READONLY : raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE, null);
        try
        {
            Check(result);
            Check(raw.sqlite3_busy_timeout(_connection, (int)BusyTimeout.TotalMilliseconds));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Path { get; }

    public int Changes => raw.sqlite3_changes(_connection);

    public bool IsInTransaction => raw.sqlite3_get_autocommit(_connection) == 0;

    public Statement Prepare(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_connection, sql, out var statement));
        return new(this, statement);
    }

    public void Execute(string sql)
    {
        using var statement = Prepare(sql);
        while (statement.Step())
        {
            // Pragmas answer with rows.
        }
    }

    public long Scalar(string sql)
    {
        using var statement = Prepare(sql);
        return statement.Step() ? statement.Integer(0) : 0;
    }

    public string Text(string sql)
    {
        using var statement = Prepare(sql);
        return statement.Step() ? statement.Text(0) : "";
    }

    public void Dispose() => raw.sqlite3_close_v2(_connection);

    private void Check(int result)
    {
        if (result is raw.SQLITE_OK or raw.SQLITE_ROW or raw.SQLITE_DONE)
        {
            return;
        }

        var directory = System.IO.Path.GetDirectoryName(Path);
        var text = raw.sqlite3_errmsg(_connection).utf8_to_string();
        // The low byte is the primary code, the others say more of the same.
        throw (result & 0xFF) switch
        {
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB => new LogDamagedException(text),
            // Shared memory that finds no room as the file is opened is no other trouble than a line that finds none, but SQLite has another name for it.
            var code when code == raw.SQLITE_FULL || raw.sqlite3_extended_errcode(_connection) == raw.SQLITE_IOERR_SHMSIZE => new IOException($"The disk of {directory} is full: free some space there, or lower LogSize in the settings of the registry."),
            raw.SQLITE_READONLY or raw.SQLITE_PERM or raw.SQLITE_CANTOPEN or raw.SQLITE_AUTH => new IOException(
                $"{Path} can't be written ({text}): give the node's user the right to write in {directory}."),
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => new IOException($"{Path} is in use by another program: end it; one node alone may use {directory}."),
            _ => new IOException($"{Path} can't be used ({text}): check the disk of {directory}."),
        };
    }

    /// <summary>A prepared statement; parameters from 1, columns from 0, as SQLite counts.</summary>
    internal sealed class Statement(Sqlite owner, sqlite3_stmt statement) : IDisposable
    {
        public Statement Bind(int index, long value)
        {
            owner.Check(raw.sqlite3_bind_int64(statement, index, value));
            return this;
        }

        public Statement Bind(int index, ReadOnlySpan<byte> value)
        {
            owner.Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(statement, index, 0) : raw.sqlite3_bind_blob(statement, index, value));
            return this;
        }

        public bool Step()
        {
            var result = raw.sqlite3_step(statement);
            owner.Check(result);
            return result == raw.SQLITE_ROW;
        }

        public void Reset() => owner.Check(raw.sqlite3_reset(statement));

        public long Integer(int column) => raw.sqlite3_column_int64(statement, column);

        public ulong Unsigned(int column) => unchecked((ulong)Integer(column));

        /// <summary>Until the next step.</summary>
        public ReadOnlySpan<byte> Blob(int column) => raw.sqlite3_column_blob(statement, column);

        public string Text(int column) => raw.sqlite3_column_text(statement, column).utf8_to_string();

        public void Dispose() => statement.Dispose();
    }
}
