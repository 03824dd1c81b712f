using Microsoft.Data.Sqlite;

namespace CacheKit.Benchmarks.Disk;

/// <summary>The rival: a cache in a SQLite database as it is usually made, with a write-ahead log, prepared commands, one connection.</summary>
internal sealed class SqliteCache : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _get;
    private readonly SqliteCommand _set;

    internal SqliteCache(string path)
    {
        _connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ConnectionString);
        _connection.Open();
        Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=268435456; PRAGMA cache_size=-32768;");
        Execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;");
        _get = _connection.CreateCommand();
        _get.CommandText = "SELECT value, expires FROM entries WHERE key = $key";
        _get.Parameters.Add("$key", SqliteType.Text);
        _get.Prepare();
        _set = _connection.CreateCommand();
        _set.CommandText = "INSERT INTO entries (key, value, expires) VALUES ($key, $value, $expires) ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires";
        _set.Parameters.Add("$key", SqliteType.Text);
        _set.Parameters.Add("$value", SqliteType.Blob);
        _set.Parameters.Add("$expires", SqliteType.Integer).Value = long.MaxValue;
        _set.Prepare();
    }

    internal byte[]? Get(string key)
    {
        _get.Parameters[0].Value = key;
        using var reader = _get.ExecuteReader();
        return reader.Read() && reader.GetInt64(1) > 0 ? (byte[])reader[0] : null;
    }

    internal void Set(string key, byte[] value)
    {
        _set.Parameters[0].Value = key;
        _set.Parameters[1].Value = value;
        _set.ExecuteNonQuery();
    }

    internal void InOneTransaction(Action work)
    {
        Execute("BEGIN");
        work();
        Execute("COMMIT");
    }

    public void Dispose()
    {
        _get.Dispose();
        _set.Dispose();
        _connection.Dispose();
    }

    private void Execute(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
