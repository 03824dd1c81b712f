using System.Reflection;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>One connection, until it is replaced.</summary>
internal sealed class RedisLink(IConnectionMultiplexer multiplexer)
{
    private const int RefusalsToStop = 3;

    private static readonly TimeSpan _stopFor = TimeSpan.FromMinutes(1);

    // It was renamed, and of each name there is a version of the client in which it does not compile.
    private static readonly PropertyInfo? _isReplica = typeof(IServer).GetProperty("IsReplica") ?? typeof(IServer).GetProperty("IsSlave");

    private readonly byte[]? _channelPrefix = ChannelPrefix(multiplexer);

    private static readonly Version _firstWithGuardedSet = new(7, 0);

    private volatile bool _isSingle;
    private volatile bool _hasGuardedSet;
    private int _refusals;
    private long _refusedAt;

    internal IConnectionMultiplexer Multiplexer { get; } = multiplexer;

    internal IDatabase Database { get; } = multiplexer.GetDatabase();

    /// <summary>
    /// Whether one server holds all keys, so that a command may name several of them, and commands are executed in the order they are sent. Until that is
    /// certain it is denied: what suits a cluster suits a single server, too.
    /// </summary>
    internal bool IsSingle => _isSingle;

    /// <summary>Whether the servers know <c>SET … PXAT</c> and <c>PEXPIRE … GT</c>. Until that is certain it is denied.</summary>
    internal bool HasGuardedSet
    {
        get => _hasGuardedSet;
        set => _hasGuardedSet = value;
    }

    /// <summary>Whether writes may share a transaction: not for a while after the server has refused several.</summary>
    internal bool SharesWrites => Volatile.Read(ref _refusals) < RefusalsToStop || TimeProvider.System.GetElapsedTime(Volatile.Read(ref _refusedAt)) > _stopFor;

    /// <summary>Takes note of whether the server did what writes that shared a transaction asked for.</summary>
    internal void NoteSharedWrite(bool isDone)
    {
        if (isDone)
        {
            Volatile.Write(ref _refusals, 0);
        }
        else
        {
            Volatile.Write(ref _refusedAt, TimeProvider.System.GetTimestamp());
            Interlocked.Increment(ref _refusals);
        }
    }

    /// <summary>The servers that are connected.</summary>
    internal IEnumerable<IServer> Servers
    {
        get
        {
            foreach (var endPoint in Multiplexer.GetEndPoints())
            {
                var server = Multiplexer.GetServer(endPoint);
                if (server.IsConnected)
                {
                    yield return server;
                }
            }
        }
    }

    /// <summary>A channel as the server knows it: the client may put a prefix before it, which a script has to do itself.</summary>
    internal RedisValue NameOnServer(RedisChannel channel)
    {
        byte[] name = (byte[]?)channel ?? [];
        return _channelPrefix is { } prefix ? [.. prefix, .. name] : name;
    }

    internal static bool IsMaster(IServer server) => _isReplica?.GetValue(server) is not true;

    /// <summary>Looks at what kind of servers these are.</summary>
    internal void Inspect()
    {
        var isSingle = false;
        var (servers, guarding) = (0, 0);
        foreach (var server in Servers)
        {
            servers++;
            guarding += server.Version >= _firstWithGuardedSet ? 1 : 0;
        }

        _hasGuardedSet = servers > 0 && guarding == servers;
        foreach (var server in Servers)
        {
            if (server.ServerType is ServerType.Cluster or ServerType.Twemproxy)
            {
                isSingle = false;
                break;
            }

            isSingle |= server.ServerType == ServerType.Standalone;
        }

        _isSingle = isSingle;
    }

    private static byte[]? ChannelPrefix(IConnectionMultiplexer multiplexer)
    {
        try
        {
            return (byte[]?)ConfigurationOptions.Parse(multiplexer.Configuration, ignoreUnknown: true).ChannelPrefix;
        }
        catch (ArgumentException)
        {
            // Not one that can be written down, so not from a text that names a prefix.
            return null;
        }
    }
}
