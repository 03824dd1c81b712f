using Microsoft.Data.Sqlite;

namespace CacheKit.Benchmarks.Disk;

/// <summary>A database in a file with one connection, as rivals keep one: a write-ahead log, flushed at checkpoints only, and prepared commands.</summary>
internal abstract class SqliteDatabase : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly List<SqliteCommand> _commands = [];

    /// <param name="path">The file.</param>
    /// <param name="pragmas">What is set beside that.</param>
    protected SqliteDatabase(string path, string pragmas)
    {
        _connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ConnectionString);
        _connection.Open();
        Execute(pragmas + "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32768;");
    }

    internal void InOneTransaction(Action work)
    {
        Execute("BEGIN");
        work();
        Execute("COMMIT");
    }

    public void Dispose()
    {
        _commands.ForEach(static command => command.Dispose());
        _connection.Dispose();
    }

    protected void Execute(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>Prepares a command; its parameters are set by their place.</summary>
    protected SqliteCommand Prepare(string sql, params SqliteParameter[] parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddRange(parameters);
        command.Prepare();
        _commands.Add(command);
        return command;
    }
}
