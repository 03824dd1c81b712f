using CacheKit.Memory;

namespace CacheKit.Diagnostics;

/// <summary>Remembers of the last thousands of entries why they left memory, or were never taken in, for those who ask about a key.</summary>
/// <remarks>
/// A table of single words, one for each hash of a key modulo its size: writing costs one store, no lock, and a later departure takes the place of an
/// earlier one. A word has the upper hash bits, the reason and the second, so that it is never torn; another key's is told apart but for one in a million.
/// </remarks>
internal sealed class DepartureLog(CacheClock clock)
{
    private const int Size = 4096;
    private const int ReasonBits = 4;
    private const int SecondBits = 40;

    /// <summary>In the place of a reason: memory did not take the entry in. The reasons are told from 1 on, and nought is an empty word.</summary>
    private const long Refused = (1 << ReasonBits) - 1;

    private readonly long[] _words = new long[Size];
    private readonly long _origin = clock.Coarse;

    internal void Note(uint hash, CacheEntryEndReason reason) => Note(hash, (long)reason + 1);

    internal void NoteRefusal(uint hash) => Note(hash, Refused);

    /// <summary>Why the entry is not there, and for how long; no reason means that it was not taken in.</summary>
    internal (CacheEntryEndReason? Reason, TimeSpan Ago)? Find(uint hash)
    {
        var word = Volatile.Read(ref _words[hash % Size]);
        if (word == 0 || (uint)(word >>> (SecondBits + ReasonBits)) != hash / Size)
        {
            return null;
        }

        var why = word & ((1 << ReasonBits) - 1);
        var second = (word >>> ReasonBits) & ((1L << SecondBits) - 1);
        return (why == Refused ? null : (CacheEntryEndReason)(why - 1), TimeSpan.FromSeconds(((clock.Coarse - _origin) / TimeSpan.TicksPerSecond) - second));
    }

    private void Note(uint hash, long why)
    {
        var second = Math.Max(0, (clock.Coarse - _origin) / TimeSpan.TicksPerSecond) & ((1L << SecondBits) - 1);
        var word = ((long)(hash / Size) << (SecondBits + ReasonBits)) | (second << ReasonBits) | why;
        Volatile.Write(ref _words[hash % Size], word);
    }
}
