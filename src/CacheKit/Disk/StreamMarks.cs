namespace CacheKit.Disk;

/// <summary>Tells those who write an entry part by part whether their key was written or invalidated meanwhile.</summary>
/// <remarks>
/// <para>That may take minutes, in which the fences of a key, which it shares with others, rise for no reason of its own. So a stream registers the whole hash
/// of its key in one of a few places, before it draws its stamp. Whoever raises a fence looks whether there is any, and leaves its stamp there, too: after the
/// fence, before it clears slots, so that what holds for fences holds for these.</para>
/// <para>If all places are taken, or left behind by processes that have died, or one's own was taken away, the fences have to do: a value not stored, never a wrong one.</para>
/// </remarks>
internal sealed unsafe class StreamMarks(DiskIndex index)
{
    internal const int Places = 64;

    private const int WordsPerPlace = 3;

    /// <summary>Registers a stream.</summary>
    /// <returns>Where it is; none if all places are taken.</returns>
    internal StreamPlace Enter(ulong hash)
    {
        Interlocked.Increment(ref index.Streams);
        var owner = Random.Shared.NextInt64(1, long.MaxValue);
        for (var number = 0; number < Places; number++)
        {
            ref var taken = ref Word(number, 0);
            if (Volatile.Read(ref taken) == 0 && Interlocked.CompareExchange(ref taken, owner, 0) == 0)
            {
                // What was left there for its last owner is of the past: stamps only grow.
                Interlocked.Exchange(ref Word(number, 1), (long)hash);
                return new(number, owner);
            }
        }

        Interlocked.Decrement(ref index.Streams);
        return default;
    }

    /// <summary>Ends a stream, unless its place was taken away.</summary>
    internal void Leave(StreamPlace place)
    {
        if (!place.IsNone && Interlocked.CompareExchange(ref Word(place.Number, 0), 0, place.Owner) == place.Owner)
        {
            Interlocked.Decrement(ref index.Streams);
        }
    }

    /// <summary>Leaves a stamp with all streams of a key.</summary>
    internal void Raise(ulong hash, long stamp)
    {
        if (Volatile.Read(ref index.Streams) == 0)
        {
            return;
        }

        for (var number = 0; number < Places; number++)
        {
            if (Volatile.Read(ref Word(number, 1)) == (long)hash)
            {
                DiskIndex.Raise(ref Word(number, 2), stamp);
            }
        }
    }

    /// <summary>Whether a later stamp was left, or may have been: nobody leaves one where a stream is not registered any more.</summary>
    internal bool IsLater(StreamPlace place, long stamp) =>
        place.IsNone || Volatile.Read(ref Word(place.Number, 2)) > stamp || Volatile.Read(ref Word(place.Number, 0)) != place.Owner;

    /// <summary>Frees what processes that died have left taken. Only while nobody else is there, as far as can be told.</summary>
    internal void Repair()
    {
        // Places first: who still has one finds it gone before others stop looking for it.
        for (var number = 0; number < Places; number++)
        {
            Interlocked.Exchange(ref Word(number, 0), 0);
        }

        Interlocked.Exchange(ref index.Streams, 0);
    }

    // Of each place: whose it is, or zero; the hash of the key; the last stamp of its invalidations and writes.
    private ref long Word(int place, int word) => ref index.StreamPlaces[(place * WordsPerPlace) + word];
}

/// <summary>Where a stream is registered.</summary>
/// <param name="Number">The number of the place.</param>
/// <param name="Owner">Tells its owner from those before and after; zero for a stream that has no place and goes by the fences.</param>
internal readonly record struct StreamPlace(int Number, long Owner)
{
    internal bool IsNone => Owner == 0;
}
