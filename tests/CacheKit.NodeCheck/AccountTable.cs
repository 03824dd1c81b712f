using System.IO.MemoryMappedFiles;

namespace CacheKit.NodeCheck;

/// <summary>What all processes know together of what must come out exactly: who has added what, what was counted, who holds a lock.</summary>
internal sealed class AccountTable : IDisposable
{
    internal const int Numbers = 4;
    internal const int Places = 8;
    internal const int MostRounds = 1 << 17;
    internal const int MostMarks = 1 << 18;

    /// <summary>How many try to add a value under one key.</summary>
    internal const int PerRound = 4;

    // Of a number: how often one was added to it, how often Redis has said so, and the greatest it was.
    private const int WordsOfNumber = 3;
    private const int NumbersAt = 8;
    private const int PlacesAt = NumbersAt + (Numbers * WordsOfNumber);

    // Of a round: the value, who added it, who has been told whether they did, and who are done.
    private const int WordsOfRound = 4;
    private const int RoundsAt = PlacesAt + Places;
    private const int MarksAt = RoundsAt + (MostRounds * WordsOfRound);
    private const long Words = MarksAt + ((long)Numbers * MostMarks);

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly unsafe long* _words;

    internal unsafe AccountTable(string path)
    {
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, mapName: null, Words * sizeof(long));
        _view = _file.CreateViewAccessor(0, Words * sizeof(long));
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _words = (long*)start;
    }

    internal enum RoundWord
    {
        Value,
        Added,
        Told,
        Done,
    }

    internal long TakeTicket() => Interlocked.Increment(ref Word(0)) - 1;

    internal ref long Round(long round, RoundWord word) => ref Word(RoundsAt + (round * WordsOfRound) + (int)word);

    /// <summary>Who is where only one may be.</summary>
    internal ref long Place(int place) => ref Word(PlacesAt + place);

    internal long Tried(int number) => Volatile.Read(ref Word(NumbersAt + (number * WordsOfNumber)));

    internal long Counted(int number) => Volatile.Read(ref Word(NumbersAt + (number * WordsOfNumber) + 1));

    internal long Greatest(int number) => Volatile.Read(ref Word(NumbersAt + (number * WordsOfNumber) + 2));

    internal void Try(int number) => Interlocked.Increment(ref Word(NumbersAt + (number * WordsOfNumber)));

    /// <summary>Redis has said that a number has become so much.</summary>
    /// <returns>Whether nobody was told the same.</returns>
    internal bool Mark(int number, long value)
    {
        ref var greatest = ref Word(NumbersAt + (number * WordsOfNumber) + 2);
        for (var seen = Volatile.Read(ref greatest); seen < value;)
        {
            var before = Interlocked.CompareExchange(ref greatest, value, seen);
            if (before == seen)
            {
                break;
            }

            seen = before;
        }

        Interlocked.Increment(ref Word(NumbersAt + (number * WordsOfNumber) + 1));
        return value is > 0 and < MostMarks && Interlocked.Exchange(ref Word(MarksAt + ((long)number * MostMarks) + value), 1) == 0;
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private unsafe ref long Word(long word) => ref _words[word];
}
