using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
/// <para>A large sketch is in parts, each for an equal range of hashes, that grow one after the other: no insert waits for more than one of them.</para>
/// </remarks>
internal sealed class FrequencySketch
{
    /// <summary>The largest estimate.</summary>
    internal const int Maximum = 15;

    private const int Rows = 4;

    /// <summary>Two words for each row.</summary>
    private const int BlockWords = 2 * Rows;
    private const ulong LowBits = 0x7777_7777_7777_7777;

    /// <summary>So many words a call of <see cref="Add"/> halves at least, while there are some, and at most.</summary>
    private const int LeastSlice = 4 * BlockWords;
    private const int MostSlice = 128 * BlockWords;

    /// <summary>The bound on words, all parts together: a larger cache shares counters.</summary>
    private const long MaximumWords = 1L << 28;

    /// <summary>One part of so many words is copied in some ten microseconds; what is larger is divided.</summary>
    private const int MostWordsUndivided = 1 << 15;

    private const int PartBits = 6;

    private readonly long _callsPerEntry;
    private ulong[][] _parts = [[]];
    private long _calls;
    private long _sample;

    /// <summary>How far hashes are shifted to tell their part.</summary>
    private int _partShift = 32;

    /// <summary>How many blocks each part has, or will have when it has grown.</summary>
    private int _partBlocks;

    /// <summary>The next part to grow; their number means that none is to.</summary>
    private int _growing = 1;

    /// <summary>The words from here on, in the parts' order, are still to be halved; the end of the last part means that none is.</summary>
    private int _halvingPart = 1;
    private int _halvingWord;

    /// <param name="callsPerEntry">After how many calls of <see cref="Add"/> per entry of capacity all counters are halved.</param>
    internal FrequencySketch(int callsPerEntry)
    {
        _callsPerEntry = callsPerEntry;
        _partBlocks = 1;
        GrowPart(0);
        SetCapacity(1);
    }

    /// <summary>Whether parts of it are still smaller than they are to be.</summary>
    internal bool IsGrowing => _growing < _parts.Length;

    private long Words => (long)_partBlocks * _parts.Length * BlockWords;

    /// <summary>Makes it fit for so many entries, or begins with it: then <see cref="GrowOn"/> does the rest. Never gives up memory, but the next halving may come sooner.</summary>
    /// <param name="entries">How many there are.</param>
    /// <param name="expected">How many there will be, if known: it does not grow past that, unless there are more.</param>
    internal void SetCapacity(int entries, int expected = int.MaxValue)
    {
        _sample = _callsPerEntry * Math.Max(entries, 1);
        while (Words < entries && Words < MaximumWords)
        {
            var doubled = Math.Min(2 * Words, MaximumWords);
            var words = expected > Words ? Math.Min(doubled, (long)expected + BlockWords - 1) : doubled;
            if (words > MostWordsUndivided && _parts.Length == 1)
            {
                Divide();
            }

            // One at a time as a rule; the last growth may not be through where much is asked for at once.
            while (IsGrowing)
            {
                GrowOn();
            }

            _partBlocks = (int)Math.Max((words + _parts.Length - 1) / _parts.Length / BlockWords, _partBlocks + 1);
            _growing = 0;
            GrowOn();
        }
    }

    /// <summary>Has one part grow, if one is to.</summary>
    internal void GrowOn()
    {
        if (_growing < _parts.Length)
        {
            GrowPart(_growing);
            _growing++; // only now, as there may have been no memory for it
        }
    }

    /// <summary>Does without the growth that is under way, in want of memory: keys share counters then, until it is made fit for more entries once again.</summary>
    internal void StopGrowing()
    {
        _growing = _parts.Length;
        _partBlocks = _parts.Min(static part => part.Length) / BlockWords;
    }

    /// <summary>Counts one use of a key.</summary>
    internal void Add(uint hash)
    {
        if (_halvingPart < _parts.Length)
        {
            HalveOn((int)Math.Clamp(2 * Words / _sample, LeastSlice, MostSlice));
        }

        ref var words = ref BlockOf(hash, out _, out _, out var counters);
        Increment(ref words, counters);
        if (++_calls >= _sample && _halvingPart == _parts.Length) // the last round is through long before, unless the capacity has shrunk
        {
            _calls = 0;
            _halvingPart = 0;
            _halvingWord = 0;
        }
    }

    /// <summary>How often a key was counted: at least that, more where keys share counters, up to <see cref="Maximum"/>.</summary>
    internal int Estimate(uint hash)
    {
        ref var words = ref BlockOf(hash, out var part, out var block, out var counters);
        return (int)Least(ref words, counters) >> (part < _halvingPart || (part == _halvingPart && block < _halvingWord) ? 0 : 1);
    }

    /// <summary>Has the processor fetch the counters of a key that is about to be counted. Without a lock: what it sees of a sketch that just grows may be out of date.</summary>
    internal void Prefetch(uint hash)
    {
        var parts = _parts;
        var share = Share(hash);
        if (share >> _partShift is var part && part < (ulong)parts.Length && parts[part] is { Length: > 0 } words)
        {
            Memory.Prefetch.Of(ref words[BlockIn(words, share)]);
        }
    }

    /// <summary>Halves what is estimated of one key. Counters that others have raised further stay as they are.</summary>
    internal void Halve(uint hash)
    {
        ref var words = ref BlockOf(hash, out _, out _, out var counters);
        var least = Least(ref words, counters);
        for (var row = 0; row < Rows; row++, counters >>= 8)
        {
            Lower(ref WordOf(ref words, row, counters), counters, least);
        }
    }

    /// <summary>The block of a key, and which of its counters are the key's: in each byte one bit for the word, and four for the place in it.</summary>
    /// <remarks>The block is within the words, by its computation: that is not checked again for each of the four.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref ulong BlockOf(uint hash, out int part, out int block, out uint counters)
    {
        // Two independent 32-bit hashes out of one: the high half of each product depends on all bits.
        var share = Share(hash);
        counters = (uint)((hash ^ hash >> 15) * 0xC2B2_AE3D_27D4_EB4FUL >> 32);
        part = (int)(share >> _partShift);
        var words = _parts[part];
        block = BlockIn(words, share);
        return ref words[block];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Share(uint hash) => (uint)(hash * 0x9E37_79B9_7F4A_7C15UL >> 32);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int BlockIn(ulong[] words, ulong share) =>
        (int)((uint)(share << 32 - _partShift) * (ulong)(uint)(words.Length / BlockWords) >> 32) * BlockWords;

    /// <summary>Raises each of a key's counters that is not full.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Increment(ref ulong words, uint counters)
    {
        if (Avx2.IsSupported)
        {
            IncrementAtOnce(ref words, counters);
        }
        else
        {
            IncrementInTurn(ref words, counters);
        }
    }

    /// <summary>The least of a key's counters, as they stand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Least(ref ulong words, uint counters) =>
        Avx2.IsSupported ? LeastAtOnce(ref words, counters) : LeastInTurn(ref words, counters);

    internal static void IncrementInTurn(ref ulong words, uint counters)
    {
        Increment(ref words, 0, counters);
        Increment(ref words, 1, counters >> 8);
        Increment(ref words, 2, counters >> 16);
        Increment(ref words, 3, counters >> 24);

        static void Increment(ref ulong words, int row, uint counter)
        {
            ref var word = ref WordOf(ref words, row, counter);
            if (Counter(word, counter) < Maximum)
            {
                word += 1UL << (int)(counter >> 1 & 15) * 4;
            }
        }
    }

    internal static ulong LeastInTurn(ref ulong words, uint counters)
    {
        return Math.Min(
            Math.Min(Value(ref words, 0, counters), Value(ref words, 1, counters >> 8)),
            Math.Min(Value(ref words, 2, counters >> 16), Value(ref words, 3, counters >> 24)));

        static ulong Value(ref ulong words, int row, uint counter) => Counter(WordOf(ref words, row, counter), counter);
    }

    // All rows side by side, a word of each in a lane: one after the other they take more than twice as many instructions, and branches that nobody can foretell.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void IncrementAtOnce(ref ulong words, uint counters)
    {
        var isFull = Vector256.Equals(Values(ref words, counters, out var shifts, out var isSecond), Vector256.Create((ulong)Maximum));
        var more = Vector256.AndNot(Avx2.ShiftLeftLogicalVariable(Vector256<ulong>.One, shifts), isFull);
        (Vector256.LoadUnsafe(ref words) + Vector256.AndNot(more, isSecond)).StoreUnsafe(ref words);
        (Vector256.LoadUnsafe(ref words, Rows) + (more & isSecond)).StoreUnsafe(ref words, Rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong LeastAtOnce(ref ulong words, uint counters)
    {
        var values = Values(ref words, counters, out _, out _).AsUInt32();
        var least = Vector128.Min(values.GetLower(), values.GetUpper());
        return Vector128.Min(least, Vector128.Shuffle(least, Vector128.Create(2u, 3u, 0u, 1u))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Values(ref ulong words, uint counters, out Vector256<ulong> shifts, out Vector256<ulong> isSecond)
    {
        var rows = Avx2.ConvertToVector256Int64(Vector128.CreateScalarUnsafe(counters).AsByte()).AsUInt64();
        shifts = (rows & Vector256.Create(30UL)) << 1;
        isSecond = Vector256.Equals(rows & Vector256<ulong>.One, Vector256<ulong>.One);
        var chosen = Vector256.ConditionalSelect(isSecond, Vector256.LoadUnsafe(ref words, Rows), Vector256.LoadUnsafe(ref words));
        return Avx2.ShiftRightLogicalVariable(chosen, shifts) & Vector256.Create((ulong)Maximum);
    }

    /// <summary>The word of a block with a key's counter of a row, which is one of two: the first of all rows come before the second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref ulong WordOf(ref ulong words, int row, uint counter) => ref Unsafe.Add(ref words, row + ((int)(counter & 1) * Rows));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Counter(ulong word, uint counter) => word >> (int)(counter >> 1 & 15) * 4 & 15;

    private static void Lower(ref ulong word, uint counter, ulong from)
    {
        if (Counter(word, counter) == from)
        {
            word -= (from - (from >> 1)) << (int)(counter >> 1 & 15) * 4;
        }
    }

    private void GrowPart(int part)
    {
        var old = _parts[part];
        if (part == _halvingPart && _halvingWord > 0)
        {
            HalveTo(old.Length); // all of a part is of one age when it is copied
        }

        _parts[part] = Spread(old, 0, 1, _partBlocks);
    }

    /// <summary>Makes parts of the whole.</summary>
    private void Divide()
    {
        var whole = _parts[0];
        var parts = new ulong[1 << PartBits][];
        if (_halvingPart == 0)
        {
            HalveTo(whole.Length);
        }

        var blocks = Math.Max(1, whole.Length / BlockWords >> PartBits);
        for (var part = 0; part < parts.Length; part++)
        {
            parts[part] = Spread(whole, part, parts.Length, blocks);
        }

        _parts = parts;
        _partShift = 32 - PartBits;
        _partBlocks = blocks;
        _growing = _halvingPart = parts.Length;
    }

    /// <summary>Gives one of several equal ranges of what there is so many blocks.</summary>
    private static ulong[] Spread(ulong[] old, int range, int ranges, int blocks)
    {
        var words = new ulong[blocks * BlockWords];
        for (var block = 0; block < blocks && old.Length > 0; block++)
        {
            // From the block that covers the middle of this one's range of hashes.
            var from = (int)(((2L * (((long)range * blocks) + block)) + 1) * (old.Length / BlockWords) / (2L * blocks * ranges));
            old.AsSpan(from * BlockWords, BlockWords).CopyTo(words.AsSpan(block * BlockWords));
        }

        return words;
    }

    private void HalveOn(int words) => HalveTo(Math.Min(_halvingWord + words, _parts[_halvingPart].Length));

    /// <summary>Halves what is left of the part up to a word, and comes to the next part at its end.</summary>
    private void HalveTo(int end)
    {
        var words = _parts[_halvingPart].AsSpan(_halvingWord, end - _halvingWord);
        foreach (ref var word in words)
        {
            word = word >> 1 & LowBits;
        }

        _halvingWord = end;
        if (end == _parts[_halvingPart].Length)
        {
            _halvingPart++;
            _halvingWord = 0;
        }
    }
}
