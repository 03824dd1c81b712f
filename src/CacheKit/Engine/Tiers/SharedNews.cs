using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>What other processes have changed in a store whose memory this one shares: one look at a number tells whether there is anything.</summary>
internal sealed unsafe class SharedNews(ISharedMemoryFeed feed, RemoteChanges changes, EntryWriter writer) : ISharedMemoryFeedReader
{
    private readonly Lock _lock = new();

    // The store keeps it readable as long as it is referenced, which it is from here.
    private readonly long* _head = feed.Head;
    private long _seen = *feed.Head;
    private EndedEntries _ended;

    /// <summary>Whether something may have changed. Cheap: asked on every hit.</summary>
    internal bool IsThere => Volatile.Read(ref *_head) != Volatile.Read(ref _seen);

    /// <summary>Applies what has changed, before anything older is looked at.</summary>
    internal void Catch()
    {
        if (!IsThere)
        {
            return;
        }

        EndedEntries ended;
        lock (_lock)
        {
            var head = Volatile.Read(ref *_head);
            if (head == _seen)
            {
                return;
            }

            if (!feed.TryDrain(this))
            {
                changes.ApplyAnything();
            }

            Volatile.Write(ref _seen, head);
            ended = _ended;
            _ended = default;
        }

        writer.Announce(in ended);
    }

    void ISharedMemoryFeedReader.OnKeyChanged(string key) => changes.ApplyKey(key, InvalidationKind.Remove, stamp: 0, ref _ended);

    void ISharedMemoryFeedReader.OnTagInvalidated(string tag, InvalidationKind kind) => changes.ApplyTags([tag], TagMatch.Any, kind);

    void ISharedMemoryFeedReader.OnAllChanged(bool isCleared)
    {
        if (isCleared)
        {
            changes.ApplyClear();
        }
        else
        {
            changes.ApplyAnything();
        }
    }
}
