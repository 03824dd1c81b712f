namespace CacheKit.Serialization;

/// <summary>What an envelope says of an entry beside its key and value.</summary>
internal readonly struct EntryMetadata
{
    public EntryMetadata()
    {
    }

    /// <summary>The authority's stamp, if it is known when the envelope is made; see <see cref="EntryCodec.PatchStamp"/>.</summary>
    internal long Stamp { get; init; }

    internal DateTimeOffset CreatedAt { get; init; }

    /// <summary>The instant the entry was given; a store may have been told of a later one since.</summary>
    internal DateTimeOffset ExpiresAt { get; init; } = DateTimeOffset.MaxValue;

    /// <summary>Zero for an entry that is not sliding.</summary>
    internal TimeSpan Sliding { get; init; }

    /// <summary>How long past its expiration it may stand in.</summary>
    internal TimeSpan StaleFor { get; init; }

    internal IReadOnlyList<string> Tags { get; init; } = [];
}
