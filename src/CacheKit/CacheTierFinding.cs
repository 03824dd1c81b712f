using System.Text.Json.Serialization;

namespace CacheKit;

/// <summary>What a tier has under a key.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CacheTierFinding>))] // so that a page of statistics can be read
public enum CacheTierFinding
{
    /// <summary>Nothing, or something that was removed; in Redis also what takes the key's name and is of another type than all that this library writes there.</summary>
    Missing,

    /// <summary>An entry that is served.</summary>
    Fresh,

    /// <summary>An entry past its expiration, kept to stand in if no newer value can be had.</summary>
    Stale,

    /// <summary>An entry that is compared with the last store before it is served: messages of other nodes may have been lost since it was, or none tell this tier what they change.</summary>
    Suspect,

    /// <summary>An entry that is not served, because it was removed, or another value set, since, which the store could not be told yet.</summary>
    RemovalPending,

    /// <summary>Bytes that are no entry of this cache, are damaged, or are encrypted with a key that is not there.</summary>
    Unreadable,

    /// <summary>The store did not answer.</summary>
    Unreachable,
}
