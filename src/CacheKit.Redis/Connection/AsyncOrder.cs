using System.Reflection;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>The order in which clients before 2.0 run what waits for their answers, unless told otherwise: one continuation that blocks holds up all others.</summary>
internal static class AsyncOrder
{
    // By name: from 3.1 on code that mentions it does not compile, and it is said to go.
    private static readonly PropertyInfo? _preserve = typeof(ConnectionMultiplexer).GetProperty("PreserveAsyncOrder");

    /// <summary>Does without that order, as later clients always do.</summary>
    internal static void Release(ConnectionMultiplexer connection) => _preserve?.SetValue(connection, false);
}
