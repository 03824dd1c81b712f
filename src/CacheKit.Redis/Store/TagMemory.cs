using CacheKit.Redis.Protocol;

namespace CacheKit.Redis.Store;

/// <summary>Which tags the entries of keys had lately, so that a read can fetch along what is known of them. Bounded, and only a hint.</summary>
internal sealed class TagMemory
{
    private readonly Remembered?[] _slots = new Remembered?[16_384];

    internal EntryTags? Find(string key) => Volatile.Read(ref Slot(key)) is { } remembered && remembered.Key == key ? remembered.Tags : null;

    internal void Remember(string key, EntryTags tags)
    {
        ref var slot = ref Slot(key);
        var remembered = Volatile.Read(ref slot);
        var isSame = remembered is not null && remembered.Key == key;

        // That there are none is what is assumed of those not remembered.
        if (tags.Tags.Length == 0)
        {
            if (isSame)
            {
                Volatile.Write(ref slot, null);
            }
        }
        else if (!isSame || !remembered!.Tags.Block.AsSpan().SequenceEqual(tags.Block)) // not null where it is the same
        {
            Volatile.Write(ref slot, new(key, tags));
        }
    }

    private ref Remembered? Slot(string key) => ref _slots[(uint)key.GetHashCode(StringComparison.Ordinal) % (uint)_slots.Length];

    private sealed record Remembered(string Key, EntryTags Tags);
}
