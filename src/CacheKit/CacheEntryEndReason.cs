using System.Text.Json.Serialization;

namespace CacheKit;

/// <summary>Why an entry left the cache.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CacheEntryEndReason>))] // so that a page of statistics can be read
public enum CacheEntryEndReason
{
    /// <summary>A newer value took its place.</summary>
    Replaced,

    /// <summary>It was asked for: by key, by tag, or by clearing the cache.</summary>
    Removed,

    /// <summary>Its time was over.</summary>
    Expired,

    /// <summary>It made room for others, or memory ran short.</summary>
    Evicted,

    /// <summary>One of its <see cref="CacheEntryOptions.ExpirationTokens"/> changed.</summary>
    TokenChanged,
}
