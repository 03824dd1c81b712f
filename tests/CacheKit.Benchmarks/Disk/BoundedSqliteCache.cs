using Microsoft.Data.Sqlite;

namespace CacheKit.Benchmarks.Disk;

/// <summary>A cache in SQLite that does what this one does: it is bounded in bytes, lets go of what has expired, and knows tags. Made after python-diskcache, with the settings that has at first.</summary>
/// <remarks>
/// As there, a set is a transaction of its own that looks for the key, updates or inserts its row, takes out up to ten rows that have expired, and looks whether the file is
/// larger than it may be; triggers keep the number and the size of all entries. Files for values over 32 KB, which python-diskcache has beside the database, are left out.
/// </remarks>
internal sealed class BoundedSqliteCache : SqliteDatabase
{
    private const int PageBytes = 4096;
    private const int MostAtOnce = 10;

    private readonly long _maximumBytes;
    private readonly SqliteCommand _begin, _commit, _find, _get, _insert, _update, _takeExpired, _takeOldest, _pages;

    internal BoundedSqliteCache(string path, long maximumBytes)
        : base(path, "PRAGMA auto_vacuum=FULL; PRAGMA mmap_size=67108864;")
    {
        _maximumBytes = maximumBytes;
        Execute("""
            CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
            INSERT OR IGNORE INTO totals VALUES ('entries', 0), ('bytes', 0);
            CREATE TABLE IF NOT EXISTS entries (
                id INTEGER PRIMARY KEY, key BLOB NOT NULL, kind INTEGER NOT NULL, stored REAL NOT NULL, expires REAL, used REAL NOT NULL, uses INTEGER NOT NULL,
                tag BLOB, size INTEGER NOT NULL, file TEXT, value BLOB);
            CREATE UNIQUE INDEX IF NOT EXISTS entries_key ON entries (key, kind);
            CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires) WHERE expires IS NOT NULL;
            CREATE INDEX IF NOT EXISTS entries_stored ON entries (stored);
            CREATE TRIGGER IF NOT EXISTS entries_inserted AFTER INSERT ON entries BEGIN
                UPDATE totals SET value = value + 1 WHERE name = 'entries'; UPDATE totals SET value = value + NEW.size WHERE name = 'bytes'; END;
            CREATE TRIGGER IF NOT EXISTS entries_updated AFTER UPDATE OF size ON entries BEGIN
                UPDATE totals SET value = value + NEW.size - OLD.size WHERE name = 'bytes'; END;
            CREATE TRIGGER IF NOT EXISTS entries_deleted AFTER DELETE ON entries BEGIN
                UPDATE totals SET value = value - 1 WHERE name = 'entries'; UPDATE totals SET value = value - OLD.size WHERE name = 'bytes'; END;
            """);
        _begin = Prepare("BEGIN IMMEDIATE");
        _commit = Prepare("COMMIT");
        _find = Prepare("SELECT id, file FROM entries WHERE key = $key AND kind = 1", new SqliteParameter("$key", SqliteType.Text));
        _get = Prepare(
            "SELECT id, expires, tag, file, value FROM entries WHERE key = $key AND kind = 1 AND (expires IS NULL OR expires > $now)",
            new SqliteParameter("$key", SqliteType.Text), new SqliteParameter("$now", SqliteType.Real));
        _insert = Prepare(
            "INSERT INTO entries (key, kind, stored, expires, used, uses, tag, size, file, value) VALUES ($key, 1, $now, $expires, $now, 0, NULL, $size, NULL, $value)",
            Row(new SqliteParameter("$key", SqliteType.Text)));
        _update = Prepare(
            "UPDATE entries SET stored = $now, expires = $expires, used = $now, uses = 0, tag = NULL, size = $size, file = NULL, value = $value WHERE id = $id",
            Row(new SqliteParameter("$id", SqliteType.Integer)));
        _takeExpired = Prepare(
            $"DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE expires IS NOT NULL AND expires < $now ORDER BY expires LIMIT {MostAtOnce})",
            new SqliteParameter("$now", SqliteType.Real));
        _takeOldest = Prepare($"DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY stored LIMIT {MostAtOnce})");
        _pages = Prepare("SELECT page_count FROM pragma_page_count");
    }

    internal byte[]? Get(string key)
    {
        _get.Parameters[0].Value = key;
        _get.Parameters[1].Value = Now;
        using var reader = _get.ExecuteReader();
        return reader.Read() ? (byte[])reader[4] : null;
    }

    internal void Set(string key, byte[] value)
    {
        _begin.ExecuteNonQuery();
        SetWithin(key, value);
        _commit.ExecuteNonQuery();
    }

    /// <summary>What a set does, but for the transaction.</summary>
    internal void SetWithin(string key, byte[] value)
    {
        var now = Now;
        _find.Parameters[0].Value = key;
        var row = _find.ExecuteScalar();
        var command = row is null ? _insert : _update;
        command.Parameters[0].Value = row ?? key;
        command.Parameters[1].Value = now;
        command.Parameters[2].Value = now + 3600;
        command.Parameters[3].Value = value.Length;
        command.Parameters[4].Value = value;
        command.ExecuteNonQuery();
        _takeExpired.Parameters[0].Value = now;
        _takeExpired.ExecuteNonQuery();
        if ((long)_pages.ExecuteScalar()! * PageBytes > _maximumBytes) // a pragma has a value
        {
            _takeOldest.ExecuteNonQuery();
        }
    }

    private static double Now => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;

    private static SqliteParameter[] Row(SqliteParameter which) =>
    [
        which, new("$now", SqliteType.Real), new("$expires", SqliteType.Real), new("$size", SqliteType.Integer), new("$value", SqliteType.Blob),
    ];
}
