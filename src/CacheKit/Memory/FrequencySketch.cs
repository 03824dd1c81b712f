namespace CacheKit.Memory;

/// <summary>Estimates how often a key was asked for lately, in four bits per counter and eight bytes per entry.</summary>
/// <remarks>
/// <para>A count-min sketch with periodic halving: Einziger, Friedman and Manes, <i>TinyLFU</i>, ACM Trans. Storage 2017.
/// The four counters of a key lie in one block of 64 bytes, so that a look costs one cache miss.</para>
/// <para>Every call of <see cref="Add"/> counts towards the next halving, also one that finds all counters full: were
/// only increments counted, a saturated sketch would never halve again, and nothing could ever win against anything.</para>
/// <para>Halving goes on in slices, a few words with each <see cref="Add"/>, so that no insert pays for all of it;
/// estimates take the part still to be halved into account, so that all keys are seen at the same age at any time.</para>
/// <para>A key's block is where its hash falls when the blocks share out the range of hashes. So when their number doubles, each
/// is copied twice and every estimate stays as it was; when it grows by less, some keys take over the counts of others.</para>
/// </remarks>
internal sealed class FrequencySketch
{
    /// <summary>The largest estimate.</summary>
    internal const int Maximum = 15;

    private const int BlockWords = 8;
    private const ulong LowBits = 0x7777_7777_7777_7777;

    /// <summary>So many words a call of <see cref="Add"/> halves at most.</summary>
    private const int Slice = 4 * BlockWords;

    /// <summary>The bound on words: what one array of 2³¹ bytes holds. A larger cache shares counters.</summary>
    private const int MaximumWords = 1 << 28;

    private readonly long _callsPerEntry;
    private ulong[] _words = [];
    private long _calls;
    private long _sample;

    /// <summary>The words from here on are still to be halved; their number means that none is.</summary>
    private int _halved;

    /// <param name="callsPerEntry">After how many calls of <see cref="Add"/> per entry of capacity all counters are halved.</param>
    internal FrequencySketch(int callsPerEntry)
    {
        _callsPerEntry = callsPerEntry;
        Grow(1);
        SetCapacity(1);
    }

    /// <summary>Makes it fit for so many entries. Never gives up memory, but the next halving may come sooner.</summary>
    /// <param name="entries">How many there are.</param>
    /// <param name="expected">How many there will be, if known: it does not grow past that, unless there are more.</param>
    internal void SetCapacity(int entries, int expected = int.MaxValue)
    {
        _sample = _callsPerEntry * Math.Max(entries, 1);
        while (_words.Length < entries && _words.Length < MaximumWords)
        {
            var doubled = Math.Min((long)_words.Length * 2, MaximumWords);
            Grow((int)(expected > _words.Length ? Math.Min(doubled, (long)expected + BlockWords - 1) : doubled) / BlockWords);
        }
    }

    /// <summary>Counts one use of a key.</summary>
    internal void Add(uint hash)
    {
        if (_halved < _words.Length)
        {
            HalveTo(Math.Min(_halved + Slice, _words.Length));
        }

        var (block, counters) = Locate(hash);
        for (var row = 0; row < 4; row++)
        {
            ref var word = ref _words[block + (row * 2) + (int)(counters & 1)];
            var shift = (int)(counters >> 1 & 15) * 4;
            if ((word >> shift & 15) < Maximum)
            {
                word += 1UL << shift;
            }

            counters >>= 8;
        }

        if (++_calls >= _sample)
        {
            _calls = 0;
            HalveTo(_words.Length); // the last round is through long before, unless the capacity has shrunk
            _halved = 0;
        }
    }

    /// <summary>How often a key was counted: at least that, more where keys share counters, up to <see cref="Maximum"/>.</summary>
    internal int Estimate(uint hash)
    {
        var (block, counters) = Locate(hash);
        return (int)Least(block, counters) >> (block < _halved ? 0 : 1);
    }

    /// <summary>Halves what is estimated of one key. Counters that others have raised further stay as they are.</summary>
    internal void Halve(uint hash)
    {
        var (block, counters) = Locate(hash);
        var least = Least(block, counters);
        for (var row = 0; row < 4; row++)
        {
            ref var word = ref _words[block + (row * 2) + (int)(counters & 1)];
            var shift = (int)(counters >> 1 & 15) * 4;
            if ((word >> shift & 15) == least)
            {
                word -= (least - (least >> 1)) << shift;
            }

            counters >>= 8;
        }
    }

    /// <summary>The least of a key's counters, as they stand.</summary>
    private ulong Least(int block, uint counters)
    {
        var least = (ulong)Maximum;
        for (var row = 0; row < 4; row++)
        {
            var word = _words[block + (row * 2) + (int)(counters & 1)];
            least = Math.Min(least, word >> (int)(counters >> 1 & 15) * 4 & 15);
            counters >>= 8;
        }

        return least;
    }

    private (int Block, uint Counters) Locate(uint hash)
    {
        // Two independent 32-bit hashes out of one: the high half of each product depends on all bits.
        var block = (uint)(hash * 0x9E37_79B9_7F4A_7C15UL >> 32);
        var counters = (uint)((hash ^ hash >> 15) * 0xC2B2_AE3D_27D4_EB4FUL >> 32);
        return ((int)((ulong)block * (uint)(_words.Length / BlockWords) >> 32) * BlockWords, counters);
    }

    private void Grow(int blocks)
    {
        HalveTo(_words.Length);
        var old = _words.AsSpan();
        _words = new ulong[blocks * BlockWords];
        _halved = _words.Length;
        for (var block = 0; block < blocks && old.Length > 0; block++)
        {
            // From the block that covers the middle of this one's range of hashes.
            var from = (int)(((2L * block) + 1) * (old.Length / BlockWords) / (2L * blocks));
            old.Slice(from * BlockWords, BlockWords).CopyTo(_words.AsSpan(block * BlockWords));
        }
    }

    private void HalveTo(int end)
    {
        var words = _words.AsSpan(_halved, end - _halved);
        foreach (ref var word in words)
        {
            word = word >> 1 & LowBits;
        }

        _halved = end;
    }
}
