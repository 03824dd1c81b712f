using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>How commands are sent.</summary>
internal static class Flags
{
    /// <summary>Never to a replica, not even when the master is down: what it has not heard of yet would be served though it was invalidated.</summary>
    internal const CommandFlags Master = CommandFlags.DemandMaster;
}
