using System.Collections.ObjectModel;
using System.Text.Json.Serialization;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>What was stored as one type and is asked for as another is given as memory would give it.</summary>
public sealed class StoredTypeTests
{
    private static readonly Dog _dog = new() { Name = "Rex", Breed = "collie" };

    [Fact]
    public void A_number_is_handed_over_as_what_it_was_stored_as_whatever_was_asked_for()
    {
        var (status, decoded, _) = new Codec().Decode<long>(new Codec().Encode(5));
        status.Should().Be(DecodeStatus.Decoded);
        decoded.StoredAs.Should().Be<int>("whoever asked knows how to convert, and how to complain");
        decoded.Value.Should().Be(5);
        new Codec().Read<object>(new Codec().Encode(5)).Should().Be(5);
        new Codec().Read<int?>(new Codec().Encode(5)).Should().Be(5);
        new Codec().Read<int>(new Codec().Encode<int?>(5)).Should().Be(5);
        new Codec().Read<Guid>(new Codec().Encode("text")).Should().Be("text");
    }

    [Fact]
    public void A_value_can_be_asked_for_as_its_base_or_an_interface_by_a_process_that_never_saw_its_type()
    {
        var bytes = new Codec().Encode(_dog);
        new Codec().Read<Dog>(bytes).Should().BeEquivalentTo(_dog);
        new Codec().Read<Animal>(bytes).Should().BeOfType<Dog>().And.BeEquivalentTo(_dog);
        new Codec().Read<INamed>(bytes).Should().BeOfType<Dog>().And.BeEquivalentTo(_dog);
    }

    [Fact]
    public void A_value_stored_as_its_base_loses_nothing()
    {
        foreach (var bytes in new[] { new Codec().Encode<Animal>(_dog), new Codec().Encode<INamed>(_dog), new Codec().Encode<object>(_dog) })
        {
            new Codec().Read<Dog>(bytes).Should().BeEquivalentTo(_dog);
            new Codec().Read<Animal>(bytes).Should().BeOfType<Dog>().And.BeEquivalentTo(_dog);
            new Codec().Read<INamed>(bytes).Should().BeOfType<Dog>().And.BeEquivalentTo(_dog);
        }

        new Codec().Decode<Animal>(new Codec().Encode<Animal>(_dog)).Decoded.StoredAs.Should().Be<Animal>("then the next who asks finds just that");
    }

    [Fact]
    public void A_type_is_read_as_object_only_by_who_knows_it()
    {
        foreach (var bytes in new[] { new Codec().Encode(_dog), new Codec().Encode<object>(_dog) })
        {
            new Codec().StatusOf<object>(bytes).Should().Be(DecodeStatus.UnknownType, "a name in a store makes nobody load a type");
            new Codec(new SerializationOptions().Know<Dog>()).Read<object>(bytes).Should().BeOfType<Dog>();

            var wrote = new Codec();
            wrote.Encode(_dog);
            wrote.Read<object>(bytes).Should().BeOfType<Dog>();

            var read = new Codec();
            read.Read<Animal>(bytes);
            read.Read<object>(bytes).Should().BeOfType<Dog>();
        }
    }

    [Fact]
    public void A_type_that_is_not_what_was_asked_for_is_a_mismatch_and_named()
    {
        var bytes = new Codec().Encode(_dog);
        new Codec().StatusOf<Cat>(bytes).Should().Be(DecodeStatus.TypeMismatch);
        new Codec().StatusOf<IDisposable>(bytes).Should().Be(DecodeStatus.TypeMismatch);
        new Codec().StatusOf<int>(bytes).Should().Be(DecodeStatus.TypeMismatch);
        EntryCodec.TryParse(bytes, Codec.Key, out var envelope);
        envelope.TypeName.Should().Be("CacheKit.Tests.Serialization.StoredTypeTests+Dog, CacheKit.Tests");

        var knows = new Codec(new SerializationOptions().Know<Dog>());
        knows.Decode<Cat>(bytes).Decoded.StoredAs.Should().Be<Dog>("of a known type the receiver sees for itself");
        var asked = new Codec();
        asked.Read<Animal>(bytes);
        asked.StatusOf<Cat>(bytes).Should().Be(DecodeStatus.TypeMismatch);
    }

    [Fact]
    public void Null_has_the_type_it_was_stored_as()
    {
        var bytes = new Codec().Encode<Dog?>(null);
        new Codec().Read<Animal?>(bytes).Should().BeNull();
        new Codec().Read<Dog?>(new Codec().Encode<Animal?>(null)).Should().BeNull();
        new Codec().StatusOf<int>(bytes).Should().Be(DecodeStatus.TypeMismatch);
        new Codec().StatusOf<Cat>(bytes).Should().Be(DecodeStatus.TypeMismatch);
        new Codec().Decode<long?>(new Codec().Encode<int?>(null)).Decoded.StoredAs.Should().Be<int?>();
    }

    [Fact]
    public void A_collection_stored_as_an_interface_is_read_as_that()
    {
        IReadOnlyList<Animal> made = [new Animal { Name = "a" }];
        IEnumerable<int> numbers = Enumerable.Range(0, 3).Where(number => number != 1);
        IReadOnlyCollection<int> wrapped = new ReadOnlyCollection<int>([1, 2]);
        Codec.RoundTrip(made).Should().BeEquivalentTo(made);
        Codec.RoundTrip(numbers).Should().Equal(0, 2);
        Codec.RoundTrip(wrapped).Should().Equal(1, 2);
        Codec.RoundTrip<IDictionary<string, int>>(new ReadOnlyDictionary<string, int>(new Dictionary<string, int> { ["a"] = 1 })).Should().Contain("a", 1);
        Codec.RoundTrip<IReadOnlyList<Animal>>(new List<Animal> { new() { Name = "a" } }).Should().BeOfType<List<Animal>>();
        Codec.RoundTrip<IEnumerable<int>>(new HashSet<int> { 1 }).Should().BeOfType<HashSet<int>>();
        Codec.RoundTrip<IEnumerable<int>>(new[] { 1 }).Should().BeOfType<int[]>();
        Codec.RoundTrip<object[]>(["a", 1]).Should().Equal("a", 1);
    }

    [Fact]
    public void A_collection_can_be_asked_for_as_an_interface()
    {
        var list = new Codec().Encode(new List<Dog> { _dog });
        new Codec().Read<IReadOnlyList<Dog>>(list).Should().BeOfType<List<Dog>>();
        new Codec().Read<IEnumerable<Animal>>(list).Should().BeOfType<List<Dog>>();
        new Codec().Read<Dog[]>(new Codec().Encode(new[] { _dog })).Should().BeOfType<Dog[]>();
        new Codec().Read<IReadOnlyList<Animal>>(new Codec().Encode(new[] { _dog })).Should().BeOfType<Dog[]>();
        new Codec().StatusOf<IEnumerable<object>>(list).Should().Be(DecodeStatus.TypeMismatch, "that would be as good as object");
        new Codec().StatusOf<Dog[]>(list).Should().Be(DecodeStatus.TypeMismatch, "in memory it would be, too");
    }

    [Fact]
    public void A_type_with_json_marks_of_its_own_is_written_with_those()
    {
        Codec.RoundTrip<Shape>(new Circle { Radius = 2 }).Should().BeOfType<Circle>().Which.Radius.Should().Be(2);
        new Codec().Read<Circle>(new Codec().Encode<Shape>(new Circle { Radius = 2 })).Should().BeOfType<Circle>();
        Codec.RoundTrip<Shape>(new Square { Side = 3 }).Should().BeOfType<Square>("it has none, and is written as itself");
        Codec.RoundTrip(new List<Shape> { new Circle { Radius = 2 } })[0].Should().BeOfType<Circle>();
    }

    [Fact]
    public void An_enum_in_an_object_is_read_as_itself()
    {
        var bytes = new Codec().Encode<object>(DayOfWeek.Friday);
        new Codec().Read<DayOfWeek>(bytes).Should().Be(DayOfWeek.Friday);
        new Codec(new SerializationOptions().Know<DayOfWeek>()).Read<object>(bytes).Should().Be(DayOfWeek.Friday);
        new Codec().Read<DayOfWeek?>(bytes).Should().Be(DayOfWeek.Friday);
        new Codec().Read<Enum>(bytes).Should().Be(DayOfWeek.Friday);
    }

    [Fact]
    public void A_type_is_named_without_versions_and_the_base_library_without_assemblies()
    {
        TypeNames.Of(typeof(int)).Should().Be("System.Int32");
        TypeNames.Of(typeof(Dictionary<string, Dog?[]>)).Should().Be(
            "System.Collections.Generic.Dictionary`2[[System.String],[CacheKit.Tests.Serialization.StoredTypeTests+Dog[], CacheKit.Tests]]");
        TypeNames.Of(typeof(HashSet<int>)).Should().Be("System.Collections.Generic.HashSet`1[[System.Int32]]");
        TypeNames.Of(typeof(Box<int>.Inner)).Should().Be("CacheKit.Tests.Serialization.StoredTypeTests+Box`1+Inner[[System.Int32]], CacheKit.Tests");
        TypeNames.Of(typeof(int[,])).Should().Be("System.Int32[,]");
        TypeNames.Of(typeof(Dog[][])).Should().Be("CacheKit.Tests.Serialization.StoredTypeTests+Dog[][], CacheKit.Tests");
    }

    [Fact]
    public void A_type_with_an_endless_name_has_a_short_one()
    {
        var type = typeof(int);
        for (var depth = 0; depth < 500; depth++)
        {
            type = typeof(List<>).MakeGenericType(type);
        }

        TypeNames.Of(type).Should().StartWith("#").And.HaveLength(65);
        TypeNames.Of(type).Should().NotBe(TypeNames.Of(typeof(List<>).MakeGenericType(type)));
    }

    private interface INamed
    {
        string Name { get; }
    }

    private class Animal : INamed
    {
        public string Name { get; set; } = "";
    }

    private sealed class Dog : Animal
    {
        public string Breed { get; set; } = "";
    }

    private sealed class Cat : Animal;

    [JsonDerivedType(typeof(Circle), "circle")]
    private abstract class Shape;

    private sealed class Circle : Shape
    {
        public int Radius { get; set; }
    }

    private sealed class Square : Shape
    {
        public int Side { get; set; }
    }

    private sealed class Box<T>
    {
        internal sealed class Inner
        {
            public T? Value { get; set; }
        }
    }
}
