namespace CacheKit.Testing.Stores;

/// <summary>An entry as an <see cref="InMemoryStore"/> holds it.</summary>
internal sealed class StoredItem
{
    internal required byte[] Payload { get; init; }

    internal required IReadOnlyList<string> Tags { get; init; }

    /// <summary>The number of a counter.</summary>
    internal long? Number { get; set; }

    /// <summary>Names this entry and no other of its key.</summary>
    internal required long Stamp { get; set; }

    /// <summary>Invalidations of its tags after this stamp cover it. Before <see cref="Stamp"/> if it was made from another entry.</summary>
    internal required long CoveredAfter { get; set; }

    internal required DateTimeOffset ExpiresAt { get; set; }

    internal required DateTimeOffset RetainUntil { get; set; }

    /// <summary>Whether it was expired by its key, or by a tag that has been forgotten since.</summary>
    internal bool IsExpired { get; set; }

    /// <summary>When it was expired by its key.</summary>
    internal DateTimeOffset? ExpiredAt { get; set; }
}
