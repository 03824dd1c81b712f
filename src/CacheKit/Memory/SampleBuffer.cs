using System.Runtime.CompilerServices;

namespace CacheKit.Memory;

/// <summary>Carries the hashes of sampled hits from readers to whoever holds the eviction lock next. Loses some when it is full.</summary>
/// <remarks>
/// Readers never wait. A place that a slow reader fills only after it was passed is taken out a round later, or costs
/// another sample its place: a few requests more or less do not matter, but nothing may get stuck, so the taking follows the tickets
/// given out and does not wait for a place to be filled.
/// </remarks>
internal sealed class SampleBuffer
{
    private const int Length = 128;

    private readonly uint[] _hashes = new uint[Length]; // 0: empty; a key that hashes to 0 is never sampled

    // Apart from the mask, which every hit reads, so that taking a sample does not fetch that line from under the others.
    private readonly int[] _tickets = new int[2];

    /// <summary>A hash is sampled if it has none of these bits. Readers may see an older mask for a while, which does not matter.</summary>
    internal uint Mask { get; set; } = uint.MaxValue;

    private ref int Given => ref _tickets[0];

    private ref int Taken => ref _tickets[1];

    /// <summary>Adds a hash if it is one of those to be sampled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Offer(uint hash)
    {
        if ((hash & Mask) == 0)
        {
            Add(hash);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void Add(uint hash)
    {
        if (Volatile.Read(ref Given) - Volatile.Read(ref Taken) < Length)
        {
            Volatile.Write(ref _hashes[Interlocked.Increment(ref Given) - 1 & (Length - 1)], hash);
        }
    }

    /// <summary>Takes the next hash; 0 at the end. Under the eviction lock.</summary>
    internal uint Take()
    {
        var given = Volatile.Read(ref Given);
        while (Taken != given)
        {
            ref var place = ref _hashes[Taken & (Length - 1)];
            var hash = Volatile.Read(ref place);
            place = 0;
            Volatile.Write(ref Taken, Taken + 1);
            if (hash != 0)
            {
                return hash;
            }
        }

        return 0;
    }
}
