using CacheKit.Engine.Feed;
using CacheKit.Stores;

namespace CacheKit.Engine.Recovery;

/// <summary>What a store is to be told of.</summary>
internal enum PendingKind
{
    Key,
    Write,
    Tag,
    TagSet,
    Clear,
}

/// <summary>One thing a store is to be told. Which object it is tells whether it was added again.</summary>
internal sealed class PendingChange(PendingKind kind, string text)
{
    internal PendingKind Kind => kind;

    /// <summary>The key or the tag.</summary>
    internal string Text => text;

    internal IReadOnlyList<string> Tags { get; init; } = [];

    internal InvalidationKind Invalidation { get; init; }

    internal StoreEntry Entry { get; init; }

    internal long Stamp { get; init; }

    internal long PayloadBytes => Entry.Payload.Length;

    /// <summary>What the other nodes are told once it is delivered.</summary>
    internal InvalidationNotice ToNotice(long stamp) => kind switch
    {
        PendingKind.TagSet => InvalidationNotice.OfTagSet(Tags, Invalidation, stamp),
        PendingKind.Tag => new(Invalidation == InvalidationKind.Remove ? NoticeKind.TagRemoved : NoticeKind.TagExpired, text, stamp),
        PendingKind.Write => new(NoticeKind.KeySet, text, stamp),
        _ => new(Invalidation == InvalidationKind.Remove ? NoticeKind.KeyRemoved : NoticeKind.KeyExpired, text, stamp),
    };

    /// <summary>What is left to be told of this and of what was pending before it.</summary>
    internal PendingChange After(PendingChange? earlier, long payloadBytesLeft)
    {
        if (kind == PendingKind.Write)
        {
            return PayloadBytes <= payloadBytesLeft ? this : new(PendingKind.Key, text);
        }

        // What was removed must not come back as a stale value, and of a value never sent nothing is left to expire.
        return earlier is null || (earlier.Invalidation == Invalidation && earlier.Kind != PendingKind.Write)
            ? this
            : new(kind, text) { Tags = Tags, Invalidation = InvalidationKind.Remove };
    }
}
