using System.Security.Cryptography;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>A lock that is held: a name that holds its holder's token, until it expires.</summary>
internal sealed class RedisLock : IStoreLock
{
    private readonly RedisConnection _connection;
    private readonly RedisKey _name;
    private readonly RedisValue _token;
    private int _isReleased;

    private RedisLock(RedisConnection connection, RedisKey name, RedisValue token)
    {
        _connection = connection;
        _name = name;
        _token = token;
    }

    internal static async ValueTask<IStoreLock?> TryTakeAsync(RedisConnection connection, RedisKey name, TimeSpan lease, CancellationToken cancellationToken)
    {
        RedisValue token = RandomNumberGenerator.GetHexString(32);
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var taking = link.Database.ExecuteAsync("SET", [name, token, "NX", "PX", Milliseconds(lease)], Flags.Master);
        try
        {
            var answer = await connection.RunAsync(link, taking, cancellationToken).ConfigureAwait(false);
            return answer.IsNull ? null : new RedisLock(connection, name, token);
        }
        catch
        {
            // It may have been taken all the same, and nobody would release it.
            Abandoned.Observe(Scripts.Release.RunAsync(link.Database, [name], [token]));
            throw;
        }
    }

    public async ValueTask<bool> ExtendAsync(TimeSpan lease, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _isReleased) != 0)
        {
            return false;
        }

        var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var extending = Scripts.Extend.RunAsync(link.Database, [_name], [_token, Milliseconds(lease)]);
        return (long)await _connection.RunAsync(link, extending, cancellationToken).ConfigureAwait(false) == 1;
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isReleased, 1) != 0)
        {
            return;
        }

        try
        {
            var link = await _connection.GetAsync(CancellationToken.None).ConfigureAwait(false);
            await _connection.RunAsync(link, Scripts.Release.RunAsync(link.Database, [_name], [_token]), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is CacheStoreException or ObjectDisposedException)
        {
            // It ends with its lease.
        }
    }

    private static RedisValue Milliseconds(TimeSpan lease) =>
        (long)Math.Clamp(Math.Ceiling(lease.TotalMilliseconds), 1, 1e15);
}
