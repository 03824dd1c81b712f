using CacheKit.Stores;

namespace CacheKit.Engine.Feed;

/// <summary>One thing that a node tells the others.</summary>
/// <param name="Kind">What has happened.</param>
/// <param name="Text">The key or the tag; of a set of tags, their canonical form; empty if it concerns everything.</param>
/// <param name="Stamp">The authority's stamp of the change; 0 if there is none.</param>
/// <param name="Tags">The tags of a set, sorted; else <see langword="null"/>.</param>
internal readonly record struct InvalidationNotice(NoticeKind Kind, string Text, long Stamp, string[]? Tags = null)
{
    internal static InvalidationNotice EverythingSuspect => new(NoticeKind.EverythingSuspect, "", 0);

    internal static InvalidationNotice OfKey(string key, KeyChange change, long stamp) => new(
        change switch { KeyChange.Removed => NoticeKind.KeyRemoved, KeyChange.Expired => NoticeKind.KeyExpired, _ => NoticeKind.KeySet }, key, stamp);

    internal static InvalidationNotice OfTag(string tag, InvalidationKind kind, long stamp) =>
        new(kind == InvalidationKind.Remove ? NoticeKind.TagRemoved : NoticeKind.TagExpired, tag, stamp);

    /// <summary>For the entries that carry all of several tags.</summary>
    internal static InvalidationNotice OfTagSet(IReadOnlyList<string> tags, InvalidationKind kind, long stamp)
    {
        string[] sorted = [.. tags];
        Array.Sort(sorted, StringComparer.Ordinal);
        // The lengths tell apart what would read the same when joined.
        var text = string.Concat(sorted.Select(static tag => $"{tag.Length}:{tag}"));
        return new(kind == InvalidationKind.Remove ? NoticeKind.TagSetRemoved : NoticeKind.TagSetExpired, text, stamp, sorted);
    }

    /// <summary>Tells a listener of it, unless everything is suspect: of that it is told in its turn.</summary>
    internal void TellTo(IInvalidationListener listener)
    {
        switch (Kind)
        {
            case NoticeKind.KeyRemoved:
                listener.OnKeyChanged(Text, KeyChange.Removed, Stamp);
                break;
            case NoticeKind.KeyExpired:
                listener.OnKeyChanged(Text, KeyChange.Expired, Stamp);
                break;
            case NoticeKind.KeySet:
                listener.OnKeyChanged(Text, KeyChange.Set, Stamp);
                break;
            case NoticeKind.KeyFilled:
                listener.OnKeyFilled(Text);
                break;
            case NoticeKind.TagRemoved or NoticeKind.TagExpired:
                listener.OnTagsInvalidated([Text], TagMatch.Any, Kind == NoticeKind.TagRemoved ? InvalidationKind.Remove : InvalidationKind.Expire, Stamp);
                break;
            case NoticeKind.TagSetRemoved or NoticeKind.TagSetExpired:
                listener.OnTagsInvalidated(
                    Tags!, // a set has tags
                    TagMatch.All, Kind == NoticeKind.TagSetRemoved ? InvalidationKind.Remove : InvalidationKind.Expire, Stamp);
                break;
            case NoticeKind.Cleared:
                listener.OnCleared(Stamp);
                break;
        }
    }
}

/// <summary>What a node tells the others. The numbers are part of the format.</summary>
internal enum NoticeKind : byte
{
    KeyRemoved = 1,
    KeyExpired = 2,
    KeySet = 3,

    /// <summary>A value that others may be waiting for is in the store. Nothing is outdated by it.</summary>
    KeyFilled = 4,

    TagRemoved = 5,
    TagExpired = 6,

    /// <summary>Entries that carry all of several tags were removed.</summary>
    TagSetRemoved = 7,

    TagSetExpired = 8,
    Cleared = 9,

    /// <summary>So much has changed, or what has changed is so long, that it cannot be said.</summary>
    EverythingSuspect = 10,
}
