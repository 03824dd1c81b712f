using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.ComponentModel;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using CacheKit.Engine;
using CacheKit.Engine.Isolation;
using CacheKit.Memory;

namespace CacheKit.Tests.Engine.Isolation;

public sealed partial class ValueIsolationTests
{
    // ---- which values are copied ----

    public static TheoryData<object> Immutable =>
    [
        "text", 1, 'c', 1.5, true, 1.5m, (nint)1, Int128.One, BigInteger.One, Half.One, DayOfWeek.Friday,
        DateTime.UnixEpoch, DateTimeOffset.UnixEpoch, DateOnly.MinValue, TimeOnly.MinValue, TimeSpan.Zero, TimeZoneInfo.Utc,
        Guid.Empty, new Uri("https://example.org"), new Version(1, 0), typeof(string), new Rune('r'),
        (1, "two"), Tuple.Create(1, "two"), (1, 2, 3, 4, 5, 6, 7, 8, "nine"), KeyValuePair.Create("one", 1), new int?(1),
        ImmutableArray.Create("one"), ImmutableList.Create(1), ImmutableDictionary<string, int>.Empty,
        new[] { "one", "two" }.ToFrozenSet(), new[] { 1 }.ToFrozenSet(), new[] { 1L }.ToFrozenDictionary(number => number),
        new SealedRecord(1, "one", null), new Tree(1, new Tree(2, null, []), []), new WithInit { Name = "one" }, new ReadOnlyPoint(1, 2),
        new SealedChild { Name = "child" }, new Marked(), new MarkedButOpen(), new Even(null),
    ];

    [Theory]
    [MemberData(nameof(Immutable))]
    public void A_value_that_cannot_change_is_never_copied_whatever_is_set(object value)
    {
        var isolation = Isolation(all: true);
        isolation.Applies(value, null).Should().BeFalse();
        isolation.Applies(value, true).Should().BeFalse();
    }

    public static TheoryData<object> Mutable =>
    [
        new byte[1], Array.Empty<string>(), new List<int>(), new Dictionary<string, string>(), new object(), new StringBuilder(), new Func<int>(() => 1),
        ImmutableArray.Create(new List<int>()), new[] { new List<int>() }.ToFrozenSet(), (1, new[] { 2 }), Tuple.Create(new object()),
        (Memory<byte>)new byte[1], new ArraySegment<byte>([1]), new ReadOnlyCollectionHolder([1]),
        new OpenRecord(1), new ChildOfOpenRecord(1), new WithSetter(), new WithPrivateSetter("one"), new SealedRecordWithList([]), new ChildOfMutable(),
        new ChildOfMarked(), new HoldsMarkedButOpen(new()), new MarkedMutable(), new EvenMutable(null), new OddMutable(null), new Endless<int>(),
    ];

    [Theory]
    [MemberData(nameof(Mutable))]
    public void A_value_that_might_change_is_copied_where_isolation_is_on(object value)
    {
        Isolation(all: true).Applies(value, null).Should().BeTrue();
        Isolation().Applies(value, true).Should().BeTrue();
    }

    [Fact]
    public void What_is_found_of_a_type_does_not_depend_on_the_type_asked_about_before()
    {
        // The two refer to each other, and one of them has a setter: while that is looked at, the other seems immutable.
        foreach (object[] order in new object[][] { [new EvenMutable(null), new OddMutable(null)], [new OddMutable(null), new EvenMutable(null)] })
        {
            var isolation = Isolation(all: true);
            order.Should().OnlyContain(value => isolation.Applies(value, null));
        }
    }

    [Fact]
    public void A_struct_that_can_be_changed_is_copied_only_if_callers_would_share_its_box()
    {
        var isolation = Isolation(all: true);
        isolation.Applies(new Counter(), null).Should().BeFalse();
        isolation.Applies<ICounter>(new Counter(), null).Should().BeTrue();
        isolation.Applies<object>(new ReadOnlyPoint(1, 2), null).Should().BeFalse();
    }

    [Fact]
    public void Null_is_never_copied()
    {
        Isolation(all: true).Applies<List<int>?>(null, true).Should().BeFalse();
        Isolation(all: true).Applies<int?>(null, true).Should().BeFalse();
    }

    [Fact]
    public void Nothing_is_copied_unless_asked_for() => Isolation().Applies(new List<int>(), null).Should().BeFalse();

    [Theory]
    [InlineData(null, null, false, false)]
    [InlineData(null, null, true, true)]
    [InlineData(null, true, false, true)]
    [InlineData(null, false, true, false)]
    [InlineData(true, null, false, true)]
    [InlineData(true, true, false, true)]
    [InlineData(false, null, true, false)]
    [InlineData(false, true, true, false)]
    [InlineData(true, false, true, false)] // declared immutable
    public void The_entry_counts_before_its_type_and_that_before_the_cache(bool? perEntry, bool? perType, bool all, bool isCopied)
    {
        var isolation = Isolation(all, options => _ = perType switch
        {
            true => options.Isolate<List<int>>(),
            false => options.Share<List<int>>(),
            null => options,
        });
        isolation.Applies(new List<int>(), perEntry).Should().Be(isCopied);
    }

    [Fact]
    public void The_setting_for_the_values_own_type_counts_before_that_for_the_type_it_is_stored_as()
    {
        var isolation = Isolation(configure: options => options
            .Isolate<IList<int>>().Share<List<int>>().Share<ISet<int>>().Isolate<HashSet<int>>());
        isolation.Applies<IList<int>>(new[] { 1 }, null).Should().BeTrue();
        isolation.Applies<IList<int>>(new List<int>(), null).Should().BeFalse();
        isolation.Applies<ISet<int>>(new HashSet<int>(), null).Should().BeTrue();
        isolation.Applies<ISet<int>>(new SortedSet<int>(), null).Should().BeFalse();
    }

    [Fact]
    public void Values_stored_as_a_type_that_is_declared_shared_are_so_even_if_the_entry_asks_for_copies() =>
        Isolation(configure: options => options.Share<IList<int>>()).Applies<IList<int>>(new List<int>(), true).Should().BeFalse();

    [Fact]
    public void A_type_made_of_declared_ones_is_immutable()
    {
        Isolation(all: true).Applies(new SealedRecordWithList([]), null).Should().BeTrue();
        Isolation(all: true, options => options.Share<List<int>>()).Applies(new SealedRecordWithList([]), null).Should().BeFalse();
    }

    [Fact]
    public void A_type_with_a_copy_function_is_copied_even_if_it_looks_immutable() =>
        Isolation(configure: options => options.CopyWith<SealedRecord>(record => record with { }))
            .Applies(new SealedRecord(1, "one", null), null).Should().BeTrue();

    [Fact]
    public void Settings_are_read_once()
    {
        var options = new IsolationOptions();
        var isolation = new ValueIsolation(options);
        options.IsolateAll = true;
        options.Isolate<List<int>>();
        isolation.Applies(new List<int>(), null).Should().BeFalse();
    }

    // ---- that copies are independent ----

    public static TheoryData<object, Action<object>> Changes => new()
    {
        { new byte[] { 1, 2, 3 }, value => ((byte[])value)[0] = 9 },
        { new[] { "one", "two" }, value => ((string[])value)[0] = "changed" },
        { new[,] { { 1, 2 }, { 3, 4 } }, value => ((int[,])value)[0, 0] = 9 },
        { new int[][] { [1], [2] }, value => ((int[][])value)[0][0] = 9 },
        { (Memory<byte>)new byte[] { 1, 2 }, value => ((Memory<byte>)value).Span[0] = 9 },
        { new List<int> { 1, 2 }, value => ((List<int>)value).Add(3) },
        { new List<WithSetter> { new() { Name = "one" } }, value => ((List<WithSetter>)value)[0].Name = "changed" },
        { new Dictionary<string, List<int>> { ["a"] = [1] }, value => ((Dictionary<string, List<int>>)value)["a"].Add(2) },
        { new HashSet<string> { "one" }, value => ((HashSet<string>)value).Clear() },
        { new WithSetter { Name = "one", Number = double.NaN }, value => ((WithSetter)value).Name = "changed" },
        { new FieldsOnly { Name = "one", Numbers = [1, 2] }, value => ((FieldsOnly)value).Numbers[0] = 9 },
        { new SealedRecordWithList([1]), value => ((SealedRecordWithList)value).Numbers.Add(2) },
        { new OpenRecord(1) { Tags = ["one"] }, value => ((OpenRecord)value).Tags.Add("two") },
        { new Order { Lines = { "one" } }, value => ((Order)value).Lines.Add("two") },
        { new WithDefault { Roles = ["admin"] }, value => ((WithDefault)value).Roles.Clear() },
        { Tuple.Create(new List<int> { 1 }, "two"), value => ((Tuple<List<int>, string>)value).Item1.Add(2) },
        { (new List<int> { 1 }, "two"), value => (((List<int>, string))value).Item1.Add(2) },
        { new MutableTree { Children = { new() { Name = "child" } } }, value => ((MutableTree)value).Children[0].Name = "changed" },
        { new Owner { Pet = new Dog { Barks = 3 } }, value => ((Dog)((Owner)value).Pet).Barks = 9 },
        { new ConcurrentDictionary<string, int> { ["a"] = 1, ["b"] = 2 }, value => ((ConcurrentDictionary<string, int>)value)["a"] = 9 },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public void Neither_who_stored_a_value_nor_who_got_it_can_change_it_for_others(object value, Action<object> change)
    {
        var original = Isolation(all: true).Capture("key", value).Copy();
        original.Should().BeOfType(value.GetType());
        var entry = Isolation(all: true).Capture("key", value);

        change(value);
        change(entry.Copy());
        change(entry.CopyAsObject());

        BeEquivalent(entry.Copy(), original);
        Described(entry.Copy()).Should().NotBe(Described(value), "else the change changes nothing");
    }

    [Fact]
    public void Every_caller_gets_another_copy()
    {
        var entry = Isolation().Capture("key", new List<string> { "one" });
        entry.Copy().Should().NotBeSameAs(entry.Copy()).And.BeEquivalentTo("one");
    }

    [Fact]
    public void Read_only_memory_does_not_show_later_changes_of_the_array_behind_it()
    {
        var bytes = new byte[] { 1, 2, 3 };
        var memory = Isolation().Capture<ReadOnlyMemory<byte>>("key", bytes.AsMemory(1));
        var sequence = Isolation().Capture("key", new ReadOnlySequence<byte>(bytes));

        bytes[1] = 9;

        memory.Copy().ToArray().Should().Equal(2, 3);
        sequence.Copy().ToArray().Should().Equal(1, 2, 3);
    }

    [Fact]
    public void A_copy_has_the_values_own_type_and_all_that_belongs_to_it()
    {
        var entry = Isolation().Capture<Animal>("key", new Dog { Name = "Rex", Barks = 3 });
        entry.ValueType.Should().Be<Animal>();
        entry.Copy().Should().BeOfType<Dog>().Which.Barks.Should().Be(3);

        Isolation().Capture<IReadOnlyList<int>>("key", new List<int> { 1 }).Copy().Should().BeOfType<List<int>>();
    }

    [Fact]
    public void What_is_declared_as_object_keeps_its_type()
    {
        var entry = Isolation().Capture("key", new Dictionary<string, object?>
        {
            ["number"] = 1, ["date"] = DateTime.UnixEpoch, ["text"] = "two", ["list"] = new List<object> { 1L, "three" }, ["none"] = null,
            ["dog"] = new Dog { Barks = 3 },
        });

        var copy = entry.Copy();
        copy["number"].Should().Be(1);
        copy["date"].Should().Be(DateTime.UnixEpoch);
        copy["text"].Should().Be("two");
        copy["list"].Should().BeOfType<List<object>>().Which.Should().Equal(1L, "three");
        copy["none"].Should().BeNull();
        copy["dog"].Should().BeOfType<Dog>().Which.Barks.Should().Be(3);
    }

    [Fact]
    public void Copies_may_be_made_by_many_threads_at_once()
    {
        var isolation = Isolation();
        var copies = new ConcurrentBag<object>();
        Parallel.For(0, 200, i =>
        {
            var entry = isolation.Capture("key", new List<object> { i, $"text {i}", new WithSetter { Name = $"{i}" } });
            var copy = entry.Copy();
            copy[0].Should().Be(i);
            ((WithSetter)copy[2]).Name.Should().Be($"{i}");
            copies.Add(copy);
        });
        copies.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void An_entry_tells_what_it_holds()
    {
        Isolation().Capture("key", new List<int> { 1, 2 }).StoredValue.Should().BeEquivalentTo("[1,2]"u8.ToArray());
        var array = new[] { 1 };
        Isolation().Capture("key", array).StoredValue.Should().BeEquivalentTo(array).And.NotBeSameAs(array);
        Isolation().Capture("key", array).Key.Should().Be("key");
    }

    // ---- copy functions ----

    [Fact]
    public void A_copy_function_is_called_when_a_value_is_stored_and_for_every_caller()
    {
        var calls = 0;
        var isolation = Isolation(configure: options => options.CopyWith<Unserializable>(value =>
        {
            calls++;
            return new Unserializable(value.Content);
        }));

        var entry = isolation.Capture("key", new Unserializable("one"));
        calls.Should().Be(1);
        entry.Copy().Content.Should().Be("one");
        entry.Copy().Should().NotBeSameAs(entry.Copy());
        calls.Should().Be(4);
    }

    [Fact]
    public void A_copy_function_serves_values_of_its_type_however_they_are_stored()
    {
        var isolation = Isolation(configure: options => options
            .CopyWith<Dog>(dog => new Dog { Name = dog.Name + " copied as dog" })
            .CopyWith<Animal>(animal => new Cat { Name = animal.Name + " copied as animal" }));

        isolation.Capture<object>("key", new Dog()).Copy().Should().BeOfType<Dog>();
        isolation.Capture<Animal>("key", new Dog()).Copy().Should().BeOfType<Dog>();
        isolation.Capture<Animal>("key", new Cat()).Copy().Name.Should().EndWith("copied as animal copied as animal");
    }

    [Fact]
    public void A_copy_function_also_copies_structs() =>
        Isolation(configure: options => options.CopyWith<Counter>(counter => new Counter { Count = counter.Count + 1 }))
            .Capture("key", new Counter()).Copy().Count.Should().Be(2);

    [Fact]
    public void An_exception_of_a_copy_function_reaches_the_caller_as_it_is()
    {
        var failure = new TimeoutException();
        var isolation = Isolation(configure: options => options.CopyWith<WithSetter>(_ => throw failure));
        isolation.Invoking(it => it.Capture("key", new WithSetter())).Should().Throw<TimeoutException>().Which.Should().BeSameAs(failure);
    }

    [Fact]
    public void A_copy_function_that_returns_null_is_an_error_that_names_the_type()
    {
        var isolation = Isolation(configure: options => options.CopyWith<WithSetter>(_ => null!));
        isolation.Invoking(it => it.Capture("key", new WithSetter())).Should().Throw<InvalidOperationException>().WithMessage($"*CopyWith*{typeof(WithSetter)}*null*");
    }

    // ---- what cannot be copied ----

    public static TheoryData<object> NotCopied =>
    [
        new Unserializable("confidential"), Cycle(), new Func<string>(() => "confidential"), new object(), new List<object> { new() },
        new Throwing(), new MemoryStream([1]), new NoWayBack("confidential"), new ReadOnlyName("confidential"),
        new Dictionary<string, Type> { ["confidential"] = typeof(int) }, new Stack<string>(["confidential", "two"]), new Disguised(),
    ];

    [Theory]
    [MemberData(nameof(NotCopied))]
    public void A_value_that_cannot_be_copied_is_an_error_that_says_what_to_do_and_not_what_the_value_is(object value)
    {
        var isolation = Isolation();
        isolation.Invoking(it => it.Capture("key", value)).Should().Throw<InvalidOperationException>()
            .WithMessage($"*{value.GetType()}*CopyWith*Share*Isolate*")
            .Where(exception => exception.InnerException != null)
            .Which.Message.Should().NotContain("confidential");
    }

    [Fact]
    public void A_member_that_holds_more_than_its_type_declares_is_an_error_not_a_loss()
    {
        var isolation = Isolation();
        isolation.Capture("key", new Kennel { Boss = new Plain { Name = "one" } }).Copy().Boss!.Name.Should().Be("one");
        isolation.Invoking(it => it.Capture("key", new Kennel { Boss = new NotSoPlain { Name = "one", Secret = 1 } }))
            .Should().Throw<InvalidOperationException>().WithMessage($"*{typeof(NotSoPlain)}*{typeof(Plain)}*JsonDerivedType*");
        isolation.Invoking(it => it.Capture("key", new List<Plain> { new NotSoPlain() })).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void The_check_is_made_for_every_value_not_for_the_first_of_a_type()
    {
        var isolation = Isolation();
        isolation.Capture("key", new ReadOnlyName(null)).Copy().Name.Should().BeNull();
        isolation.Invoking(it => it.Capture("key", new ReadOnlyName("one"))).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void A_property_that_changes_by_itself_does_not_fail_the_check()
    {
        var isolation = Isolation();
        isolation.Capture("key", new Ticking { Name = "one" }).Copy().Name.Should().Be("one");
    }

    [Fact]
    public void A_dictionary_whose_copy_has_another_order_is_no_loss()
    {
        var dictionary = new ConcurrentDictionary<int, string>(1, 10_000);
        for (var i = 0; i < 100; i++)
        {
            dictionary[i * 997] = $"text {i}";
        }

        var copy = Isolation().Capture("key", dictionary).Copy();
        copy.Should().BeEquivalentTo(dictionary);
        copy.Keys.Should().NotEqual(dictionary.Keys, "else the test tests nothing");
    }

    // ---- JSON options ----

    [Fact]
    public void Given_json_options_are_used_and_fields_are_copied_all_the_same()
    {
        var options = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.KebabCaseUpper, ReferenceHandler = ReferenceHandler.Preserve };
        var isolation = Isolation(configure: it => it.JsonSerializerOptions = options);

        isolation.Capture("key", Cycle()).Copy().Should().Match<MutableTree>(tree => ReferenceEquals(tree, tree.Children[0]));
        isolation.Capture("key", new FieldsOnly { Name = "one", Numbers = [] }).Copy().Name.Should().Be("one");
        Encoding.UTF8.GetString((byte[])isolation.Capture("key", new WithSetter()).StoredValue!).Should().Contain("NUMBER");
        options.IsReadOnly.Should().BeFalse("they are the caller's");
    }

    [Fact]
    public void A_generated_context_copies_what_it_knows_and_names_the_type_it_does_not()
    {
        var isolation = Isolation(configure: it => it.JsonSerializerOptions = new() { TypeInfoResolver = Context.Default });
        isolation.Capture("key", new WithSetter { Name = "one" }).Copy().Name.Should().Be("one");
        isolation.Invoking(it => it.Capture("key", new FieldsOnly())).Should().Throw<InvalidOperationException>()
            .WithMessage($"*{typeof(FieldsOnly)}*").WithInnerException<NotSupportedException>();
    }

    [Fact]
    public void A_given_converter_for_object_is_left_in_place()
    {
        var isolation = Isolation(configure: it => it.JsonSerializerOptions = new() { Converters = { new ObjectAsText() } });
        isolation.Capture("key", new List<object> { "one" }).StoredValue.Should().BeEquivalentTo("""["one"]"""u8.ToArray());
    }

    private static ValueIsolation Isolation(bool all = false, Action<IsolationOptions>? configure = null)
    {
        var options = new IsolationOptions { IsolateAll = all };
        configure?.Invoke(options);
        return new(options);
    }

    private static MutableTree Cycle()
    {
        var tree = new MutableTree { Name = "confidential" };
        tree.Children.Add(tree);
        return tree;
    }

    private static void BeEquivalent(object actual, object expected) => Described(actual).Should().Be(Described(expected));

    private static readonly JsonSerializerOptions _describing = new()
    {
        IncludeFields = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static string Described(object value) => value is int[,] matrix
        ? string.Join(',', matrix.Cast<int>())
        : JsonSerializer.Serialize(value, value.GetType(), _describing);

    // ---- immutable ----

    private sealed record SealedRecord(int Id, string Name, DateTime? Changed);

    private sealed record Tree(int Value, Tree? Left, ImmutableArray<Tree> Others);

    private sealed class WithInit
    {
        public required string Name { get; init; }
    }

    private readonly record struct ReadOnlyPoint(int X, int Y);

    private abstract class ReadOnlyParent
    {
        public string? Name { get; init; }
    }

    private sealed class SealedChild : ReadOnlyParent;

    [ImmutableObject(true)]
    private sealed class Marked
    {
        public List<int> Numbers { get; set; } = [];
    }

    [ImmutableObject(true)]
    private class MarkedButOpen
    {
        public List<int> Numbers { get; set; } = [];
    }

    private sealed record Even(Odd? Next);

    private sealed record Odd(Even? Next);

    // ---- mutable ----

    private record OpenRecord(int Id)
    {
        public List<string> Tags { get; set; } = [];
    }

    private sealed record ChildOfOpenRecord(int Id) : OpenRecord(Id);

    private sealed class WithSetter
    {
        public string? Name { get; set; }

        public double Number { get; set; }
    }

    private sealed class WithPrivateSetter(string name)
    {
        public string Name { get; private set; } = name;

        public void Rename(string newName) => Name = newName;
    }

    private sealed record SealedRecordWithList(List<int> Numbers);

    private abstract class MutableParent
    {
        private int _count;

        public int Next() => _count++;
    }

    private sealed class ChildOfMutable : MutableParent;

    private sealed class ChildOfMarked : MarkedButOpen;

    private sealed record HoldsMarkedButOpen(MarkedButOpen Held);

    [ImmutableObject(false)]
    private sealed class MarkedMutable;

    private sealed record EvenMutable(OddMutable? Next);

    private sealed record OddMutable(EvenMutable? Next)
    {
        public int Count { get; set; }
    }

    private sealed class Endless<T>
    {
        public Endless<List<T>>? Next { get; init; }

        public Endless<Endless<T>>? Other { get; init; }
    }

    private sealed record ReadOnlyCollectionHolder(IReadOnlyList<int> Numbers);

    private interface ICounter
    {
        int Count { get; set; }
    }

    private struct Counter : ICounter
    {
        public int Count { get; set; }
    }

    // ---- copied ----

    private sealed class FieldsOnly
    {
        public string? Name;
        public int[] Numbers = [];
    }

    private sealed class Order
    {
        public List<string> Lines { get; } = [];
    }

    private sealed class WithDefault
    {
        public List<string> Roles { get; set; } = ["user"];
    }

    private sealed class MutableTree
    {
        public string? Name { get; set; }

        public List<MutableTree> Children { get; set; } = [];
    }

    [JsonDerivedType(typeof(Dog), "dog")]
    [JsonDerivedType(typeof(Cat), "cat")]
    private abstract class Animal
    {
        public string? Name { get; set; }
    }

    private sealed class Dog : Animal
    {
        public int Barks { get; set; }
    }

    private sealed class Cat : Animal;

    private sealed class Owner
    {
        public required Animal Pet { get; set; }
    }

    private sealed class Ticking
    {
        private static int _ticks;

        public string? Name { get; set; }

        public string Label => $"{Name} {_ticks++}";
    }

    // ---- not copied ----

    private sealed class Unserializable(string content)
    {
        private readonly string _content = content;

        [JsonIgnore]
        public string Content => _content;

        public nint Handle => _content.Length;
    }

    private sealed class Throwing
    {
        public string Name
        {
            get => throw new TimeoutException($"confidential {GetHashCode()}");
            set => _ = value;
        }
    }

    private sealed class NoWayBack
    {
        public NoWayBack(string name) => Name = name;

        public NoWayBack(string name, int number)
            : this(name + number)
        {
        }

        public string Name { get; set; }
    }

    private sealed class ReadOnlyName
    {
        public ReadOnlyName()
        {
        }

        public ReadOnlyName(string? name) => Name = name;

        public string? Name { get; }
    }

    [JsonConverter(typeof(DisguisedConverter))]
    private class Disguised;

    private sealed class FromJson : Disguised;

    private sealed class DisguisedConverter : JsonConverter<Disguised>
    {
        public override Disguised Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new FromJson();

        public override void Write(Utf8JsonWriter writer, Disguised value, JsonSerializerOptions options) => writer.WriteNumberValue(1);
    }

    private class Plain
    {
        public string? Name { get; set; }
    }

    private sealed class NotSoPlain : Plain
    {
        public int Secret { get; set; }
    }

    private sealed class Kennel
    {
        public Plain? Boss { get; set; }
    }

    private sealed class ObjectAsText : JsonConverter<object>
    {
        public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetString();

        public override void Write(Utf8JsonWriter writer, object value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }

    [JsonSerializable(typeof(WithSetter))]
    private sealed partial class Context : JsonSerializerContext;
}
