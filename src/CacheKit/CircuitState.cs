using System.Text.Json.Serialization;

namespace CacheKit;

/// <summary>Whether a cache uses one of its stores, or leaves it alone because it failed.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CircuitState>))] // so that a page of statistics can be read
public enum CircuitState
{
    /// <summary>The store is used.</summary>
    Closed,

    /// <summary>The store was left alone for long enough, and one call is trying it. All others go on without it.</summary>
    HalfOpen,

    /// <summary>The store is left alone: reads are misses, and changes are remembered to be sent later.</summary>
    Open,
}
