using System.Diagnostics;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>Two writers and two readers on one table, each of whom knows what it may see. Tells the first thing that was wrong.</summary>
/// <remarks>
/// <para>Each writer alone writes its own keys, so it knows the outcome of each of its operations exactly; and both write
/// some keys in common, for which it is checked that every entry leaves once. Before and after each operation the writer
/// announces it, so that a reader knows, for the time of its look-up, which versions of a key it may find and whether it
/// may find none. Some keys are put once and stay; some are replaced but never removed; some come and go; and new
/// ones come all the time, so that the table grows. When there are enough, the round ends with a full comparison, and
/// the next begins with a small table again.</para>
/// <para>A reader also goes through whole rounds of scanning, and must meet all that was there before and stays.</para>
/// </remarks>
/// <param name="create">Makes the table of a round.</param>
/// <param name="newKeys">How many new keys each writer puts in a round.</param>
/// <param name="others">How many other writes there are for each new key.</param>
internal sealed class TableStress(Func<IEntryTable> create, int newKeys, int others)
{
    private const int Writers = 2;
    private const int KeysOfEachKind = 48;
    private const int SharedKeys = 8;

    private volatile string? _violation;

    internal int Rounds { get; private set; }

    internal long Writes;

    internal long Reads;

    /// <summary>Runs for about as long as asked, or until something is wrong.</summary>
    /// <returns>What was wrong, or <see langword="null"/>.</returns>
    internal string? Run(TimeSpan duration)
    {
        var start = Stopwatch.GetTimestamp();
        do
        {
            new Round(this, new SerialTable(create()), newKeys).Run(others);
            Rounds++;
        }
        while (_violation is null && Stopwatch.GetElapsedTime(start) < duration);
        return _violation;
    }

    private void Fail(string violation) => Interlocked.CompareExchange(ref _violation, violation, null);

    /// <summary>An entry's value: which version of its key it is, and how often it has left.</summary>
    private sealed class Version(long number)
    {
        internal readonly long Number = number;
        internal int Left;
    }

    private enum Kind
    {
        Stays,
        IsReplaced,
        ComesAndGoes,
    }

    /// <summary>A key with one writer.</summary>
    private sealed class OwnKey(string name, Kind kind)
    {
        internal readonly string Name = name;
        internal readonly string Probe = new(name.AsSpan());
        internal readonly Kind Kind = kind;

        /// <summary>The writer's: what is in the table.</summary>
        internal MemoryEntry<Version>? Current;

        /// <summary>The number of the last operation begun: each put and each removal is one.</summary>
        internal long Begun;

        /// <summary>The number of the last operation completed, doubled, plus one if the key was there then.</summary>
        internal long Completed;
    }

    private sealed class Round
    {
        private readonly TableStress _stress;
        private readonly SerialTable _table;
        private readonly OwnKey[][] _keys = new OwnKey[Writers][];
        private readonly OwnKey[][] _newKeys = new OwnKey[Writers][];
        private readonly int[] _newCounts = new int[Writers];
        private readonly List<MemoryEntry<Version>>[] _sharedPuts = new List<MemoryEntry<Version>>[Writers];
        private readonly string[] _sharedNames = [.. Enumerable.Range(0, SharedKeys).Select(i => Name("shared", 0, i))];
        private readonly HashSet<MemoryEntry> _staying = [];
        private int _writersLeft = Writers;

        internal Round(TableStress stress, SerialTable table, int newKeys)
        {
            _stress = stress;
            _table = table;
            for (var writer = 0; writer < Writers; writer++)
            {
                var number = writer;
                _keys[writer] = [.. Enum.GetValues<Kind>().SelectMany(kind => Enumerable.Range(0, KeysOfEachKind).Select(i => new OwnKey(Name(kind.ToString(), number, i), kind)))];
                _newKeys[writer] = new OwnKey[newKeys];
                _sharedPuts[writer] = [];
                foreach (var key in _keys[writer])
                {
                    Put(key);
                    if (key.Kind == Kind.Stays)
                    {
                        _staying.Add(key.Current!); // just put
                    }
                }
            }
        }

        internal void Run(int others)
        {
            var threads = new List<Thread>();
            for (var i = 0; i < Writers; i++)
            {
                var writer = i;
                threads.Add(new(() => Guard(() => Write(writer, others), () => Interlocked.Decrement(ref _writersLeft))));
            }

            threads.Add(new(() => Guard(() => Read(seed: 1, scans: false))));
            threads.Add(new(() => Guard(() => Read(seed: 2, scans: true))));
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            if (_stress._violation is null)
            {
                Guard(Compare);
            }
        }

        private static string Name(string kind, int writer, int i) => string.Create(CultureInfo.InvariantCulture, $"{kind}:{writer}:{i}");

        private void Guard(Action work, Action? last = null)
        {
            try
            {
                work();
            }
            catch (Exception failure)
            {
                _stress.Fail(failure.ToString());
            }
            finally
            {
                last?.Invoke();
            }
        }

        private void Write(int writer, int others)
        {
            var random = new Random(HashCode.Combine(writer, _stress.Rounds));
            var keys = _keys[writer];
            var newKeys = _newKeys[writer];
            var added = 0;
            var writes = 0L;
            while (added < newKeys.Length && _stress._violation is null)
            {
                writes++;
                if (random.Next(1 + others) == 0)
                {
                    var key = newKeys[added] = new OwnKey(Name("new", writer, added), Kind.Stays);
                    Put(key);
                    Volatile.Write(ref _newCounts[writer], ++added);
                }
                else if (random.Next(5) == 0)
                {
                    WriteShared(writer, _sharedNames[random.Next(SharedKeys)], isPut: random.Next(3) != 0);
                }
                else
                {
                    var key = keys[random.Next(KeysOfEachKind, keys.Length)];
                    if (key.Kind == Kind.ComesAndGoes && key.Current is not null && random.Next(3) != 0)
                    {
                        Remove(key);
                    }
                    else
                    {
                        Put(key);
                    }
                }
            }

            Interlocked.Add(ref _stress.Writes, writes);
        }

        private void Put(OwnKey key)
        {
            var number = key.Begun + 1;
            var entry = new MemoryEntry<Version>(key.Name, new Version(number));
            Volatile.Write(ref key.Begun, number);
            var replaced = _table.Put(entry);
            Volatile.Write(ref key.Completed, (2 * number) + 1);
            if (!ReferenceEquals(replaced, key.Current))
            {
                _stress.Fail($"Putting {key.Name} should have replaced version {key.Current?.Value.Number}, but replaced {Describe(replaced)}.");
            }

            if (replaced is { HasLeft: false })
            {
                _stress.Fail($"A replaced entry of {key.Name} is not marked as left.");
            }

            key.Current = entry;
        }

        private void Remove(OwnKey key)
        {
            var number = key.Begun + 1;
            var entry = key.Current!; // the caller has checked
            Volatile.Write(ref key.Begun, number);
            var isRemoved = _table.Remove(entry);
            Volatile.Write(ref key.Completed, 2 * number);
            if (!isRemoved || !entry.HasLeft)
            {
                _stress.Fail($"Removing {key.Name} failed, though it was there.");
            }

            if (_table.Remove(entry))
            {
                _stress.Fail($"{key.Name} was removed twice.");
            }

            key.Current = null;
        }

        private void WriteShared(int writer, string name, bool isPut)
        {
            if (isPut)
            {
                var entry = new MemoryEntry<Version>(name, new Version(0));
                _sharedPuts[writer].Add(entry);
                Leave(_table.Put(entry));
            }
            else if (_table.Find(name) is { } found && _table.Remove(found))
            {
                Leave(found);
            }
        }

        private void Leave(MemoryEntry? entry)
        {
            if (entry is not null && (!entry.HasLeft || Interlocked.Increment(ref ((MemoryEntry<Version>)entry).Value.Left) != 1))
            {
                _stress.Fail($"An entry of {entry.Key} left twice, or is not marked as left.");
            }
        }

        private void Read(int seed, bool scans)
        {
            var random = new Random(seed);
            var reads = 0L;
            var scan = new Scanning(this);
            while (Volatile.Read(ref _writersLeft) > 0 && _stress._violation is null)
            {
                for (var i = 0; i < 50; i++)
                {
                    var keys = _keys[random.Next(Writers)];
                    Check(keys[random.Next(keys.Length)]);
                    reads++;
                }

                if (scans)
                {
                    scan.Continue();
                }
            }

            Interlocked.Add(ref _stress.Reads, reads);
        }

        private void Check(OwnKey key)
        {
            var completed = Volatile.Read(ref key.Completed);
            var found = _table.Find(key.Probe);
            Volatile.ReadBarrier();
            var begun = Volatile.Read(ref key.Begun);
            var (oldest, wasThere) = (completed >> 1, (completed & 1) != 0);
            if (found is null)
            {
                if (wasThere && (key.Kind != Kind.ComesAndGoes || begun == oldest))
                {
                    _stress.Fail($"{key.Name} was there throughout and was not found (operations {oldest} to {begun}).");
                }

                return;
            }

            var number = ((MemoryEntry<Version>)found).Value.Number;
            if (!string.Equals(found.Key, key.Name, StringComparison.Ordinal) || number > begun || number < (wasThere ? oldest : oldest + 1))
            {
                _stress.Fail($"{key.Name} was found as {Describe(found)} between operations {oldest} and {begun}.");
            }
        }

        private void Compare()
        {
            var expected = new HashSet<MemoryEntry>();
            foreach (var key in _keys.Concat(_newKeys.AsEnumerable()).SelectMany(keys => keys))
            {
                var found = _table.Find(key.Probe);
                if (!ReferenceEquals(found, key.Current))
                {
                    _stress.Fail($"In the end {key.Name} is {Describe(found)} instead of version {key.Current?.Value.Number}.");
                }

                if (key.Current is not null)
                {
                    expected.Add(key.Current);
                }
            }

            foreach (var entry in _sharedPuts.SelectMany(entries => entries))
            {
                if (entry.Value.Left == 0)
                {
                    expected.Add(entry);
                    if (!ReferenceEquals(_table.Find(entry.Key), entry))
                    {
                        _stress.Fail($"An entry of {entry.Key} has got lost.");
                    }
                }
            }

            if (_table.Count != expected.Count)
            {
                _stress.Fail($"The table counts {_table.Count} entries instead of {expected.Count}.");
            }

            _table.Verify();
        }

        private static string Describe(MemoryEntry? entry) =>
            entry is null ? "nothing" : string.Create(CultureInfo.InvariantCulture, $"{entry.Key} version {((MemoryEntry<Version>)entry).Value.Number}");

        /// <summary>Rounds of scanning, a slice now and then.</summary>
        private sealed class Scanning(Round round)
        {
            private readonly HashSet<MemoryEntry> _visited = [];
            private readonly List<MemoryEntry> _slice = [];
            private readonly int[] _newBefore = new int[Writers];
            private long _position;

            internal void Continue()
            {
                if (_position == 0)
                {
                    _visited.Clear();
                    for (var writer = 0; writer < Writers; writer++)
                    {
                        _newBefore[writer] = Volatile.Read(ref round._newCounts[writer]);
                    }
                }

                _slice.Clear();
                round._table.Scan(ref _position, 300, _slice);
                _visited.UnionWith(_slice);
                if (_position == 0)
                {
                    var staying = round._newKeys.SelectMany((keys, writer) => keys.Take(_newBefore[writer])).Select(key => (MemoryEntry?)key.Current);
                    if (staying.Concat(round._staying).FirstOrDefault(entry => !_visited.Contains(entry!)) is { } missed)
                    {
                        round._stress.Fail($"A whole round of scanning did not visit {missed.Key}, which was there throughout.");
                    }
                }
            }
        }
    }
}
