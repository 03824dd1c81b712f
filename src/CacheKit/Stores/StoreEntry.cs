namespace CacheKit.Stores;

/// <summary>An entry on its way into a store.</summary>
/// <remarks>Instants are on the clock of the <see cref="StoreContext.TimeProvider"/>; <see cref="DateTimeOffset.MaxValue"/> is never.</remarks>
public readonly struct StoreEntry
{
    /// <summary>The bytes to give back as they are. They carry the key, the type and a checksum; a store need not look into them.</summary>
    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>The instant from which the entry has expired. A store keeps and returns it; it need not act on it.</summary>
    public DateTimeOffset ExpiresAt { get; init; }

    /// <summary>The instant from which the entry is not returned any more; never before <see cref="ExpiresAt"/>. Later for one kept as a stale value.</summary>
    public DateTimeOffset RetainUntil { get; init; }

    /// <summary>The tags whose invalidation covers the entry: without duplicates, possibly none.</summary>
    public IReadOnlyList<string> Tags { get; init; }
}
