using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>A caller's wait for what he reads by a command he shares.</summary>
internal sealed class ReadCall : GatheredCall<StoreLookup>
{
    internal StoreReadOptions Options { get; private set; }

    internal EntryTags Tags { get; private set; } = EntryTags.None;

    /// <summary>Which of the values that are read is the entry; -1: none, it was given up before.</summary>
    internal int EntryAt { get; set; }

    /// <summary>Which is the record of clears.</summary>
    internal int ClearAt { get; set; }

    /// <summary>Where among the places of tags those of its own begin.</summary>
    internal int TagsFrom { get; set; }

    internal static ReadCall Begin(string key, StoreReadOptions options, EntryTags tags, CancellationToken cancellationToken, out ValueTask<StoreLookup> reading)
    {
        var call = CallPool<ReadCall>.Rent();
        (call.Options, call.Tags) = (options, tags);
        reading = call.Begin(key, cancellationToken);
        return call;
    }

    private protected override void Recycle()
    {
        (Options, Tags) = (default, EntryTags.None);
        CallPool<ReadCall>.Return(this);
    }
}
