using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>The last removals of what carries <em>all</em> of several tags.</summary>
/// <remarks>
/// <para>A small ring of them is kept exactly. One that is pushed out, or does not fit, becomes a removal by its first tag alone, which
/// covers more, never less.</para>
/// <para>A place is taken by a compare-and-swap of its state, and read between two looks at it. Nobody waits: who finds a place taken
/// (its owner is writing, or has died) removes by the first tag.</para>
/// </remarks>
internal sealed unsafe class Conjunctions(DiskIndex index)
{
    internal const int MostTags = 7;
    internal const int EntryBytes = 72;

    private const long Busy = -1;

    // State: the stamp, doubled, plus one if entries are only to expire; Busy; or 0. The states of all entries come first, to be scanned fast.
    private readonly long* _states = (long*)index.ConjunctionTable;
    private readonly ulong* _tags = (ulong*)(index.ConjunctionTable + (index.Geometry.Conjunctions * sizeof(long)));

    /// <summary>Records a removal of what carries all of these tags.</summary>
    internal void Add(ReadOnlySpan<ulong> tags, long stamp, InvalidationKind kind)
    {
        var place = (Interlocked.Increment(ref index.ConjunctionCount) - 1) % index.Geometry.Conjunctions;
        if (tags.Length > MostTags || !TryTake(place))
        {
            RaiseTag(tags[0], stamp, kind);
            return;
        }

        var entry = Entry(place);
        for (var i = 0; i < MostTags; i++)
        {
            // Repeating one fills the rest: nothing to count.
            Volatile.Write(ref entry[i], tags[Math.Min(i, tags.Length - 1)]);
        }

        Interlocked.Exchange(ref _states[place], (stamp << 1) | (kind == InvalidationKind.Expire ? 1L : 0));
        DiskIndex.Raise(ref index.LastConjunction, stamp);
    }

    /// <summary>Whether one of them, later than the cover, asks for no other tags than the entry's.</summary>
    internal bool Covers(in Record record, InvalidationKind kind)
    {
        var cover = record.Cover;
        if (record.TagCount < 2 || Volatile.Read(ref index.LastConjunction) <= cover)
        {
            return false;
        }

        for (var place = 0; place < index.Geometry.Conjunctions; place++)
        {
            var state = Volatile.Read(ref _states[place]);
            if (state > 0 && state >> 1 > cover && (state & 1) == (kind == InvalidationKind.Expire ? 1 : 0)
                && CarriesAll(record, Entry(place)))
            {
                // If the place changed hands meanwhile, its former tags are covered by a cell before that.
                Thread.MemoryBarrier();
                if (Volatile.Read(ref _states[place]) == state)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Records a removal, or an expiry, of what carries one tag.</summary>
    internal void RaiseTag(ulong tag, long stamp, InvalidationKind kind)
    {
        var isExpiry = kind == InvalidationKind.Expire;
        index.Tags.Raise(isExpiry ? ToExpiry(tag) : tag, stamp);

        // After the cells: who finds this word where it was need not look at them.
        DiskIndex.Raise(ref isExpiry ? ref index.LastTagExpiry : ref index.LastTag, stamp);
    }

    /// <summary>Frees what processes that died have left taken. Only while nobody else is there.</summary>
    internal void Repair()
    {
        for (var place = 0; place < index.Geometry.Conjunctions; place++)
        {
            Interlocked.CompareExchange(ref _states[place], 0, Busy);
        }
    }

    /// <summary>The hash under which the cells keep that entries of a tag have expired.</summary>
    internal static ulong ToExpiry(ulong tag) => Mix64.Of(tag, 0x45_7870_6972_65);

    private static bool CarriesAll(in Record record, ulong* wanted)
    {
        for (var i = 0; i < MostTags; i++)
        {
            var tag = Volatile.Read(ref wanted[i]);
            var isCarried = false;
            for (var own = 0; own < record.TagCount && !isCarried; own++)
            {
                isCarried = record.Tag(own) == tag;
            }

            if (!isCarried)
            {
                return false;
            }
        }

        return true;
    }

    private bool TryTake(long place)
    {
        var state = Volatile.Read(ref _states[place]);
        if (state == Busy)
        {
            return false;
        }

        if (state > 0)
        {
            // It must be covered before it disappears; if it changes hands while it is read, this is another's affair.
            var first = Volatile.Read(ref *Entry(place));
            Thread.MemoryBarrier();
            if (Volatile.Read(ref _states[place]) != state)
            {
                return false;
            }

            RaiseTag(first, state >> 1, (state & 1) == 1 ? InvalidationKind.Expire : InvalidationKind.Remove);
        }

        return Interlocked.CompareExchange(ref _states[place], Busy, state) == state;
    }

    private ulong* Entry(long place) => _tags + (place * MostTags);
}
