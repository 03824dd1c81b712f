using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace CacheKit.Tests.Serialization;

public sealed class RoundTripTests
{
    private enum Small : sbyte { Minus = -1, Zero, Most = sbyte.MaxValue }

    private enum Wide : ulong { None, Most = ulong.MaxValue }

    public static TheoryData<object> Plain =>
    [
        true, false, sbyte.MinValue, byte.MaxValue, short.MinValue, ushort.MaxValue, int.MinValue, uint.MaxValue, long.MinValue, ulong.MaxValue,
        Int128.MinValue, UInt128.MaxValue, (Half)1.5, float.Epsilon, float.NaN, double.NegativeInfinity, double.NaN, -0.0, 'x', '\ud800', 1.00m, decimal.MinValue,
        Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"), TimeSpan.MinValue, DateTime.MaxValue, new DateTime(1, DateTimeKind.Utc), new DateTime(2026, 3, 29, 2, 30, 0, DateTimeKind.Local),
        DateTimeOffset.MaxValue, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromMinutes(-765)), DateOnly.MaxValue, TimeOnly.MaxValue,
        "", "text", "ünïcödé 😀 \0", "lone \ud800 surrogate", new string('ä', 100_000),
        Small.Minus, (Small)77, Wide.Most, DayOfWeek.Friday,
    ];

    [Theory]
    [MemberData(nameof(Plain), DisableDiscoveryEnumeration = true)]
    public void A_plain_value_comes_back_as_it_was(object value) =>
        typeof(RoundTripTests).GetMethod(nameof(CheckPlain), System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!
            .MakeGenericMethod(value.GetType()).Invoke(null, [value]);

    private static void CheckPlain<T>(T value)
        where T : notnull
    {
        Codec.RoundTrip(value).Should().Be(value);
        var bytes = new Codec().Encode<object>(value);
        new Codec(new SerializationOptions().Know<T>()).Read<object>(bytes).Should().BeOfType<T>().And.Be(value, "its type is stored with it");
        new Codec().Read<T>(bytes).Should().BeOfType<T>().And.Be(value);
        if (value is DateTime instant)
        {
            ((DateTime)(object)Codec.RoundTrip(value)).Kind.Should().Be(instant.Kind);
        }

        if (value is decimal number)
        {
            decimal.GetBits(Codec.RoundTrip(number)).Should().Equal(decimal.GetBits(number), "trailing zeros are kept");
        }
    }

    [Fact]
    public void A_nullable_comes_back_with_and_without_a_value()
    {
        Codec.RoundTrip<int?>(5).Should().Be(5);
        Codec.RoundTrip<int?>(null).Should().BeNull();
        Codec.RoundTrip<Small?>(Small.Minus).Should().Be(Small.Minus);
        Codec.RoundTrip<Wide?>(Wide.Most).Should().Be(Wide.Most);
        Codec.RoundTrip<Small?>(null).Should().BeNull();
        Codec.RoundTrip<Guid?>(Guid.AllBitsSet).Should().Be(Guid.AllBitsSet);
    }

    [Fact]
    public void Null_is_a_value()
    {
        Codec.RoundTrip<string?>(null).Should().BeNull();
        Codec.RoundTrip<Order?>(null).Should().BeNull();
        Codec.RoundTrip<object?>(null).Should().BeNull();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(128)]
    [InlineData(1 << 10)]
    [InlineData(16 << 10)]
    [InlineData(8_001)]
    [InlineData(3 << 20)]
    public void Bytes_of_any_length_come_back_exactly_whatever_they_are_in(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        Codec.RoundTrip(bytes).Should().Equal(bytes);
        Codec.RoundTrip(new ReadOnlyMemory<byte>(bytes)).ToArray().Should().Equal(bytes);
        Codec.RoundTrip(new Memory<byte>(bytes)).ToArray().Should().Equal(bytes);
        Codec.RoundTrip(Segmented(bytes)).ToArray().Should().Equal(bytes);
    }

    [Fact]
    public void Arrays_of_numbers_come_back()
    {
        Codec.RoundTrip<float[]>([1.5f, float.NaN, -0f]).Should().Equal(1.5f, float.NaN, -0f);
        Codec.RoundTrip<int[]>([]).Should().BeEmpty();
        Codec.RoundTrip<long[]>([long.MinValue, 1]).Should().Equal(long.MinValue, 1);
        Codec.RoundTrip<char[]>(['a', '\ud800']).Should().Equal('a', '\ud800');
    }

    [Fact]
    public void Objects_come_back_with_fields_tuples_nested_and_recursive_ones()
    {
        var order = new Order { Lines = { new() { Product = "tea", Price = 1.50m } }, Total = double.NaN, When = DateTimeOffset.UnixEpoch };
        Codec.RoundTrip(order).Should().BeEquivalentTo(order);
        Codec.RoundTrip((1, "two", 3.0)).Should().Be((1, "two", 3.0));
        Codec.RoundTrip(Tuple.Create(1, "two")).Should().Be(Tuple.Create(1, "two"));
        Codec.RoundTrip(new Tree { Value = 1, Children = [new() { Value = 2 }, new() { Value = 3, Children = [new()] }] })
            .Should().BeEquivalentTo(new Tree { Value = 1, Children = [new() { Value = 2 }, new() { Value = 3, Children = [new()] }] });
        Codec.RoundTrip(new Dictionary<string, List<int>> { ["a"] = [1, 2] }).Should().BeEquivalentTo(new Dictionary<string, List<int>> { ["a"] = [1, 2] });
        Codec.RoundTrip(ImmutableArray.Create(1, 2, 3)).Should().Equal(1, 2, 3);
        Codec.RoundTrip(new Pair { Left = 1, Right = 2 }).Should().Be(new Pair { Left = 1, Right = 2 });
        var anonymous = new { Name = "x", Count = 2 };
        Codec.RoundTrip(anonymous).Should().Be(anonymous);
    }

    [Fact]
    public void What_a_member_declared_as_object_holds_keeps_its_type()
    {
        var mixed = new Dictionary<string, object?> { ["number"] = 5L, ["text"] = "x", ["day"] = DayOfWeek.Friday, ["none"] = null, ["instant"] = DateTimeOffset.UnixEpoch };
        var options = new SerializationOptions().Know<DayOfWeek>();
        Codec.RoundTrip(mixed, options).Should().Equal(mixed);
    }

    [Fact]
    public void What_a_json_document_or_a_plain_collection_within_an_object_holds_is_read_by_anybody()
    {
        var parsed = System.Text.Json.JsonSerializer.Deserialize<Dictionary<string, object>>("""{ "a": { "b": [1, "x"] } }""")!;
        ((System.Text.Json.JsonElement)Codec.RoundTrip(parsed)["a"]).GetRawText().Should().Be("""{"b":[1,"x"]}""");
        var nested = new Dictionary<string, object> { ["list"] = new List<object> { 1, "x", new Dictionary<string, object> { ["y"] = 2.5m } }, ["numbers"] = new[] { 1, 2 } };
        Codec.RoundTrip(nested).Should().BeEquivalentTo(nested);
        new Codec().Read<object>(new Codec().Encode(new List<string> { "a" })).Should().BeOfType<List<string>>();
    }

    [Fact]
    public void What_was_decoded_is_nobody_elses()
    {
        var codec = new Codec();
        var bytes = new byte[] { 1, 2, 3 };
        var envelope = codec.Encode(bytes);
        bytes[0] = 9;
        var first = (byte[])codec.Read<byte[]>(envelope)!;
        first.Should().Equal(1, 2, 3);
        first[0] = 8;
        codec.Read<byte[]>(envelope).Should().BeEquivalentTo(new byte[] { 1, 2, 3 });

        var list = codec.Encode(new List<int> { 1 });
        codec.Read<List<int>>(list).Should().NotBeSameAs(codec.Read<List<int>>(list));
    }

    private static ReadOnlySequence<byte> Segmented(byte[] bytes)
    {
        var last = new Segment(ReadOnlyMemory<byte>.Empty, null);
        var first = last;
        foreach (var chunk in bytes.Chunk(1_000))
        {
            last = new Segment(new byte[] { 0 }.Concat(chunk).ToArray().AsMemory(1), last);
        }

        return new(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        internal Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is not null)
            {
                before.Next = this;
                RunningIndex = before.RunningIndex + before.Memory.Length;
            }
        }
    }

    private struct Pair
    {
        public int Left;
        public int Right;
    }

    private sealed record Order
    {
        public List<Line> Lines { get; } = [];

        public double Total { get; set; }

        public DateTimeOffset When { get; init; }
    }

    private sealed class Line
    {
        public string? Product;
        public decimal Price;
    }

    private sealed class Tree
    {
        public int Value { get; set; }

        public List<Tree> Children { get; set; } = [];
    }
}
