namespace CacheKit.Disk;

/// <summary>Tells those who write an entry part by part whether their key was written or invalidated meanwhile.</summary>
/// <remarks>
/// <para>That may take minutes, in which the fences of a key, which it shares with others, rise for no reason of its own. So a stream registers the whole hash
/// of its key in one of a few places, before it draws its stamp. Whoever raises a fence looks whether there is any, and leaves its stamp there, too: after the
/// fence, before it clears slots, so that what holds for fences holds for these.</para>
/// <para>If all places are taken, or left behind by processes that have died, the fences have to do: a value not stored, never a wrong one.</para>
/// </remarks>
internal sealed unsafe class StreamMarks(DiskIndex index)
{
    internal const int Places = 64;

    /// <summary>For a stream that goes by the fences.</summary>
    internal const int None = -1;

    // Pairs: the hash of a key, or zero; the last stamp of its invalidations and writes.
    private readonly long* _places = index.StreamPlaces;

    /// <summary>Registers a stream.</summary>
    /// <returns>Its place, or <see cref="None"/>.</returns>
    internal int Enter(ulong hash)
    {
        Interlocked.Increment(ref index.Streams);
        for (var place = 0; place < Places; place++)
        {
            ref var owner = ref _places[2 * place];
            if (Volatile.Read(ref owner) == 0 && Interlocked.CompareExchange(ref owner, Id(hash), 0) == 0)
            {
                // What its last owner has left there is of the past: stamps only grow.
                return place;
            }
        }

        Interlocked.Decrement(ref index.Streams);
        return None;
    }

    /// <summary>Ends a stream.</summary>
    internal void Leave(int place)
    {
        if (place != None)
        {
            Interlocked.Exchange(ref _places[2 * place], 0);
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

        for (var place = 0; place < Places; place++)
        {
            if (Volatile.Read(ref _places[2 * place]) == Id(hash))
            {
                DiskIndex.Raise(ref _places[(2 * place) + 1], stamp);
            }
        }
    }

    /// <summary>Whether a later stamp was left.</summary>
    internal bool IsLater(int place, long stamp) => Volatile.Read(ref _places[(2 * place) + 1]) > stamp;

    /// <summary>Frees what processes that died have left taken. Only while nobody else is there.</summary>
    internal void Repair()
    {
        for (var place = 0; place < Places; place++)
        {
            Volatile.Write(ref _places[2 * place], 0);
        }

        Volatile.Write(ref index.Streams, 0);
    }

    private static long Id(ulong hash) => (long)(hash | 1);
}
