using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class SizeEstimatorTests
{
    private static readonly long _emptyEntry = SizeEstimator.Estimate("key", null);

    [Theory]
    [InlineData(0, 24)]
    [InlineData(1, 24)]
    [InlineData(2, 32)]
    [InlineData(1_000, 2_024)]
    public void A_key_counts_as_the_string_it_is(int length, long bytes) =>
        SizeEstimator.Estimate(new string('k', length), null).Should().Be(SizeEstimator.EntryBytes + bytes);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    public void A_string_counts_as_what_the_runtime_allocates_for_it(int length)
    {
        var allocated = Allocated(() => new string('x', length), out var text);
        if (length > 0)
        {
            SizeOf(text).Should().Be(allocated);
        }
        else
        {
            SizeOf(text).Should().Be(24, "the empty string is there once, and counts like others");
        }
    }

    public static TheoryData<string, Func<object>> Arrays => new()
    {
        { "byte[4]", () => new byte[4] },
        { "byte[1]", () => new byte[1] },
        { "byte[1_000_001]", () => new byte[1_000_001] },
        { "bool[13]", () => new bool[13] },
        { "char[13]", () => new char[13] },
        { "int[13]", () => new int[13] },
        { "double[13]", () => new double[13] },
        { "decimal[13]", () => new decimal[13] },
        { "Guid[13]", () => new Guid[13] },
        { "DateTimeOffset[13]", () => new DateTimeOffset[13] },
        { "DayOfWeek[13]", () => new DayOfWeek[13] },
        { "int?[13]", () => new int?[13] },
        { "(byte, long)[13]", () => new (byte, long)[13] },
        { "KeyValuePair<int, int>[13]", () => new KeyValuePair<int, int>[13] },
        { "string[13] of nulls", () => new string[13] },
        { "strings", () => Enumerable.Range(0, 1_000).Select(i => $"text {i:D4}").ToArray() },
        { "arrays", () => Enumerable.Range(0, 20).Select(_ => new int[50]).ToArray() },
    };

    [Theory]
    [MemberData(nameof(Arrays))]
    public void An_array_counts_as_what_the_runtime_allocates_for_it(string name, Func<object> create)
    {
        // Building a sequence allocates too; its result counts as what copying it, part by part, allocates.
        var value = create();
        var allocated = value switch
        {
            string[] texts when texts[0] is not null => 24 + (8 * texts.Length) + texts.Sum(text => Allocated(() => new string(text.AsSpan()), out _)),
            int[][] rows => 24 + (8 * rows.Length) + rows.Sum(row => Allocated(() => row.Clone(), out _)),
            _ => Allocated(create, out _),
        };

        SizeOf(value).Should().Be(allocated, name);
    }

    public static TheoryData<string, Func<object>> Collections => new()
    {
        { "List<int>", () => Fill(new List<int>(1_000), i => i) },
        { "List<Guid>", () => Fill(new List<Guid>(1_000), _ => Guid.Empty) },
        { "List<string>", () => Fill(new List<string>(1_000), Text) },
        { "List<object> of boxed numbers", () => Fill(new List<object>(1_000), i => i) },
        { "List<int[]>", () => Fill(new List<int[]>(1_000), _ => new int[10]) },
        { "List<List<string>>", () => Fill(new List<List<string>>(100), _ => (List<string>)Fill(new List<string>(10), Text)) },
        { "List<Tuple<int, string>>", () => Fill(new List<Tuple<int, string>>(1_000), i => Tuple.Create(i, Text(i))) },
        { "List<(int, string)>", () => Fill(new List<(int, string)>(1_000), i => (i, Text(i))) },
        { "Queue<long>", () => new Queue<long>(new long[1_000]) },
        { "HashSet<int>", () => Fill(new HashSet<int>(1_000), i => i) },
        { "HashSet<string>", () => Fill(new HashSet<string>(1_000), Text) },
        { "LinkedList<string>", () => Fill(new LinkedList<string>(), Text) },
        { "SortedSet<int>", () => Fill(new SortedSet<int>(), i => i) },
        { "Dictionary<int, int>", () => Fill(new Dictionary<int, int>(1_000), i => new(i, i)) },
        { "Dictionary<int, string>", () => Fill(new Dictionary<int, string>(1_000), i => new(i, Text(i))) },
        { "Dictionary<string, string>", () => Fill(new Dictionary<string, string>(1_000), i => new(Text(i), Text(i))) },
        { "Dictionary<string, object>", () => Fill(new Dictionary<string, object>(1_000), i => new(Text(i), i)) },
        { "SortedDictionary<int, string>", () => Fill(new SortedDictionary<int, string>(), i => new(i, Text(i))) },
        { "SortedList<int, string>", () => Fill(new SortedList<int, string>(1_000), i => new(i, Text(i))) },
        { "ConcurrentDictionary<string, string>", () => Fill(new ConcurrentDictionary<string, string>(1, 1_000), i => new(Text(i), Text(i))) },
    };

    [Theory]
    [MemberData(nameof(Collections))]
    public void A_collection_of_the_base_library_is_estimated_within_a_factor_of_two(string name, Func<object> create)
    {
        create();
        var allocated = Allocated(create, out var collection);
        SizeOf(collection).Should().BeInRange(allocated / 2, allocated * 2, "{0} takes {1} bytes", name, allocated);
    }

    public static TheoryData<object, Func<object>> UnchangeableCollections => new()
    {
        { ImmutableArray.CreateRange(Texts), () => Texts },
        { ImmutableList.CreateRange(Texts), () => Fill(new LinkedList<string>(), Text) },
        { ImmutableHashSet.CreateRange(Texts), () => Fill(new LinkedList<string>(), Text) },
        { ImmutableDictionary.CreateRange(Texts.Select(text => KeyValuePair.Create(text, text))), () => Fill(new LinkedList<string>(), Text) },
        { Texts.ToFrozenSet(), () => Fill(new HashSet<string>(1_000), Text) },
        { Texts.ToFrozenDictionary(text => text), () => Fill(new HashSet<string>(1_000), Text) },
    };

    [Theory]
    [MemberData(nameof(UnchangeableCollections))]
    public void An_unchangeable_collection_counts_at_least_its_elements(object collection, Func<object> similar)
    {
        var atLeast = Texts.Sum(text => 22L + (2 * text.Length)) + (8 * Texts.Length);
        SizeOf(collection).Should().BeGreaterThan(atLeast).And.BeLessThan(4 * SizeOf(similar()), collection.GetType().Name);
    }

    [Fact]
    public void A_number_lies_within_the_entry_and_a_larger_struct_makes_it_larger()
    {
        SizeOf(42).Should().Be(0);
        SizeOf(DateTime.UnixEpoch).Should().Be(0);
        SizeOf(Guid.Empty).Should().Be(8);
        SizeOf((1L, 2L, 3L)).Should().Be(16);
    }

    [Fact]
    public void Memory_counts_as_the_bytes_it_shows()
    {
        var bytes = new byte[10_000];
        SizeOf(bytes.AsMemory()).Should().BeInRange(10_000, 10_064);
        SizeOf((ReadOnlyMemory<byte>)bytes.AsMemory(0, 5_000)).Should().BeInRange(5_000, 5_064);
    }

    [Fact]
    public void What_a_tuple_holds_is_counted()
    {
        SizeOf(("one", new byte[1_000])).Should().BeInRange(1_056, 1_100);
        SizeOf(Tuple.Create("one", new byte[1_000])).Should().BeInRange(1_056, 1_120);
    }

    [Fact]
    public void An_object_of_which_nothing_is_known_counts_as_a_constant()
    {
        SizeOf(new object()).Should().Be(SizeEstimator.ObjectBytes);
        SizeOf(new Customized()).Should().Be(SizeEstimator.ObjectBytes);
        SizeOf(new SortedSet<int> { 1, 2, 3 }.GetViewBetween(1, 2)).Should().Be(SizeEstimator.ObjectBytes, "a view counts its elements each time");
    }

    [Fact]
    public void No_code_of_the_value_is_run_and_no_lazy_sequence_enumerated()
    {
        var computed = 0;
        SizeOf(new Trap()).Should().Be(SizeEstimator.ObjectBytes);
        SizeOf(Enumerable.Range(0, 3).Select(_ => computed++)).Should().Be(SizeEstimator.ObjectBytes);
        SizeOf(new List<object> { new Trap() }).Should().BeGreaterThan(SizeEstimator.ObjectBytes);
        SizeOf(new Dictionary<string, Trap> { ["one"] = new() }).Should().BeGreaterThan(SizeEstimator.ObjectBytes);
        computed.Should().Be(0);
        Trap.Runs.Should().Be(0);
    }

    [Fact]
    public void It_does_not_throw_for_a_value_that_cannot_be_counted() =>
        SizeOf(default(ImmutableArray<string>)).Should().Be(SizeEstimator.ObjectBytes);

    [Fact]
    public void It_does_not_throw_while_another_thread_changes_the_value()
    {
        var changing = new Dictionary<int, string>();
        using var stop = new CancellationTokenSource();
        var writer = new Thread(() =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                changing[i % 100] = "text";
                changing.Remove((i + 50) % 100);
            }
        });
        writer.Start();
        try
        {
            for (var i = 0; i < 20_000; i++)
            {
                SizeOf(changing).Should().BeGreaterThanOrEqualTo(0);
            }
        }
        finally
        {
            stop.Cancel();
            writer.Join();
        }
    }

    [Fact]
    public void A_value_that_contains_itself_has_a_size()
    {
        var itself = new object[1];
        itself[0] = itself;
        SizeOf(itself).Should().BeInRange(32, 100_000);
    }

    [Fact]
    public void What_would_be_more_than_a_long_can_tell_is_the_largest_long()
    {
        object huge = new byte[1_000];
        for (var i = 0; i < 4; i++)
        {
            var level = new object[100_000];
            Array.Fill(level, huge);
            huge = level;
        }

        SizeOf(huge).Should().BeGreaterThan(long.MaxValue / 2);
        SizeEstimator.Estimate("key", new[] { huge, huge }).Should().Be(long.MaxValue);
    }

    [Fact]
    public void Only_a_few_elements_are_looked_at_however_many_there_are()
    {
        // Large texts everywhere but where samples are taken: were more elements looked at, the estimate would be large.
        var large = new string('x', 10_000);
        var list = Enumerable.Repeat(large, 70_001).ToList();
        for (var sample = 0; sample < SizeEstimator.Samples; sample++)
        {
            list[sample * 10_000] = "";
        }

        var dictionary = new Dictionary<string, string>();
        for (var i = 0; i < 10_000; i++)
        {
            dictionary.Add(Text(i), i < SizeEstimator.Samples ? "" : large);
        }

        SizeOf(list).Should().BeLessThan(100 * list.Count);
        SizeOf(dictionary).Should().BeLessThan(200 * dictionary.Count);
    }

    [Fact]
    public void Collections_of_collections_are_looked_into_only_so_far()
    {
        var allocatedForTwo = Allocated(() => SizeOf(Nested(2)), out _) - Allocated(() => Nested(2), out _);
        var allocatedForFour = Allocated(() => SizeOf(Nested(4)), out _) - Allocated(() => Nested(4), out _);
        allocatedForFour.Should().BeLessThan(4 * allocatedForTwo, "else it grows by the number of samples with each level");

        static object Nested(int levels) =>
            levels == 0 ? new object() : Enumerable.Range(0, SizeEstimator.Samples).Select(_ => Nested(levels - 1)).ToList();
    }

    [Fact]
    public void Samples_are_spread_over_a_list_whose_first_elements_are_not_like_the_rest()
    {
        List<string> texts = [.. Enumerable.Repeat("", 500), .. Enumerable.Repeat(new string('x', 1_000), 500)];
        SizeOf(texts).Should().BeInRange(500_000, 2_000_000);
    }

    private static string[] Texts { get; } = Enumerable.Range(0, 1_000).Select(Text).ToArray();

    private static long SizeOf(object? value) => SizeEstimator.Estimate("key", value) - _emptyEntry;

    private static string Text(int number) => string.Create(12, number, static (text, number) => number.TryFormat(text, out _, "D12", null));

    private static object Fill<T>(ICollection<T> collection, Func<int, T> create)
    {
        var count = collection is List<List<string>> ? 100 : collection is List<string> { Capacity: 10 } ? 10 : 1_000;
        for (var i = 0; i < count; i++)
        {
            collection.Add(create(i));
        }

        return collection;
    }

    private static long Allocated<T>(Func<T> create, out T value)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        value = create();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private sealed class Customized : List<int>;

    /// <summary>Tells if it was run. It must not just throw: the estimator catches.</summary>
    private sealed class Trap : IReadOnlyCollection<object>, ICollection
    {
        public static int Runs { get; private set; }

        public int Count => Run(1);

        public bool IsSynchronized => Run(false);

        public object SyncRoot => Run(this);

        public void CopyTo(Array array, int index) => Run(0);

        public IEnumerator<object> GetEnumerator() => Run(Enumerable.Empty<object>()).GetEnumerator();

        public override string ToString() => Run("");

        public override int GetHashCode() => Run(0);

        public override bool Equals(object? obj) => Run(true);

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        private static T Run<T>(T result)
        {
            Runs++;
            return result;
        }
    }
}
