using Microsoft.Data.Sqlite;

namespace CacheKit.Benchmarks.Disk;

/// <summary>The least that SQLite can be asked for: a table of keys, values and instants. It has neither a bound nor tags, and nothing that has expired ever goes.</summary>
internal sealed class SqliteCache : SqliteDatabase
{
    private readonly SqliteCommand _get;
    private readonly SqliteCommand _set;

    internal SqliteCache(string path)
        : base(path, "PRAGMA mmap_size=268435456;")
    {
        Execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;");
        _get = Prepare("SELECT value, expires FROM entries WHERE key = $key", new SqliteParameter("$key", SqliteType.Text));
        _set = Prepare(
            "INSERT INTO entries (key, value, expires) VALUES ($key, $value, $expires) ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
            new SqliteParameter("$key", SqliteType.Text), new SqliteParameter("$value", SqliteType.Blob), new SqliteParameter("$expires", SqliteType.Integer) { Value = long.MaxValue });
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
}
