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
    private int _given;
    private int _taken;

    internal void Add(uint hash)
    {
        if (Volatile.Read(ref _given) - Volatile.Read(ref _taken) < Length)
        {
            Volatile.Write(ref _hashes[Interlocked.Increment(ref _given) - 1 & (Length - 1)], hash);
        }
    }

    /// <summary>Takes the next hash; 0 at the end. Under the eviction lock.</summary>
    internal uint Take()
    {
        var given = Volatile.Read(ref _given);
        while (_taken != given)
        {
            ref var place = ref _hashes[_taken & (Length - 1)];
            var hash = Volatile.Read(ref place);
            place = 0;
            Volatile.Write(ref _taken, _taken + 1);
            if (hash != 0)
            {
                return hash;
            }
        }

        return 0;
    }
}
