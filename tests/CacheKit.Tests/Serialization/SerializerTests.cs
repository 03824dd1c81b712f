using System.Buffers;
using System.Text;
using System.Text.Json.Serialization;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

public sealed class SerializerTests
{
    [Fact]
    public void A_serializer_for_a_type_wins_over_the_one_for_all_which_wins_over_the_default()
    {
        Codec.RoundTrip("text").Should().Be("text");
        var all = new SerializationOptions().Use(new Marking("all"));
        Codec.RoundTrip("text", all).Should().Be("text, as all wrote it");
        var one = new SerializationOptions().UseFor<string>(new Marking("one")).Use(new Marking("all"));
        Codec.RoundTrip("text", one).Should().Be("text, as one wrote it");
    }

    [Fact]
    public void A_serializer_for_a_type_says_nothing_of_others_whatever_comes_first()
    {
        foreach (var options in new[]
        {
            new SerializationOptions().Know<int>().UseFor<int?>("mine", static (_, _) => { }, static _ => 9),
            new SerializationOptions().UseFor<int?>("mine", static (_, _) => { }, static _ => 9).Know<int>(),
        })
        {
            Codec.RoundTrip<int?>(5, options).Should().Be(9);
            Codec.RoundTrip(5, options).Should().Be(5);
        }
    }

    [Fact]
    public void A_serializer_for_a_type_writes_its_values_also_where_they_are_stored_as_something_less()
    {
        var options = new SerializationOptions().UseFor<Item>("item", static (item, target) => target.Write(BitConverter.GetBytes(item.Number)), static bytes => new() { Number = BitConverter.ToInt32(bytes.Span) + 1 });
        new Codec(options).Read<object>(new Codec(options).Encode<object>(new Item { Number = 1 })).Should().BeEquivalentTo(new Item { Number = 2 });
        Codec.RoundTrip<IItem>(new Item { Number = 1 }, options).Should().BeEquivalentTo(new Item { Number = 2 });
        var wins = new SerializationOptions().Use(new Marking("all")).UseFor<Item>("item", static (_, _) => { }, static _ => new() { Number = 9 });
        Codec.RoundTrip<object>(new Item { Number = 1 }, wins).Should().BeEquivalentTo(new Item { Number = 9 });
    }

    [Fact]
    public void A_serializer_for_a_base_writes_all_that_is_stored_as_that()
    {
        var options = new SerializationOptions().UseFor<IItem>("items", static (item, target) => target.Write([(byte)((Item)item).Number]), static bytes => new Item { Number = bytes.Span[0] + 1 });
        Codec.RoundTrip<IItem>(new Item { Number = 1 }, options).Should().BeEquivalentTo(new Item { Number = 2 });
        Codec.RoundTrip(new Item { Number = 1 }, options).Should().BeEquivalentTo(new Item { Number = 1 }, "that was not stored as it");
    }

    [Fact]
    public void What_another_serializer_wrote_is_a_miss()
    {
        var first = new SerializationOptions().UseFor<string>(new Marking("1"));
        var second = new SerializationOptions().UseFor<string>(new Marking("2"));
        new Codec(second).StatusOf<string>(new Codec(first).Encode("x")).Should().Be(DecodeStatus.SchemaChanged);
        new Codec().StatusOf<string>(new Codec(first).Encode("x")).Should().Be(DecodeStatus.SchemaChanged);
        new Codec(first).StatusOf<string>(new Codec().Encode("x")).Should().Be(DecodeStatus.SchemaChanged);
    }

    [Fact]
    public void A_serializer_is_never_given_null()
    {
        var options = new SerializationOptions().Use(new Broken());
        Codec.RoundTrip<string?>(null, options).Should().BeNull();
    }

    [Fact]
    public void A_serializer_that_fails_to_write_is_told_to_who_stores_without_the_value()
    {
        var codec = new Codec(new SerializationOptions().Use(new Broken()));
        var exception = FluentActions.Invoking(() => codec.Encode("secret")).Should().Throw<CacheSerializationException>().Which;
        exception.ValueType.Should().Be<string>();
        exception.Message.Should().Contain("System.String").And.NotContain("secret");
        exception.InnerException.Should().BeOfType<FormatException>();
    }

    [Fact]
    public void The_key_of_a_dictionary_is_not_told_either()
    {
        var value = new Dictionary<string, object> { ["secret"] = new[] { typeof(int) } };
        FluentActions.Invoking(() => new Codec().Encode(value)).Should().Throw<CacheSerializationException>().Which.Message
            .Should().Contain("System.Type").And.NotContain("secret");
    }

    [Fact]
    public void A_serializer_that_fails_to_read_is_a_miss_with_a_reason()
    {
        var good = new SerializationOptions().Use(new Marking("broken"));
        var (status, _, error) = new Codec(new SerializationOptions().Use(new Broken())).Decode<string>(new Codec(good).Encode("x"));
        status.Should().Be(DecodeStatus.Corrupt);
        error.Should().BeOfType<FormatException>();
    }

    [Fact]
    public void A_serializer_that_writes_much_or_reserves_wrongly_spoils_nothing()
    {
        var options = new SerializationOptions().UseFor<Item>(
            "long",
            static (_, target) =>
            {
                for (var i = 0; i < 100_000; i++)
                {
                    target.GetSpan()[0] = (byte)i;
                    target.Advance(1);
                }

                target.GetMemory(1_000_000);
            },
            static bytes => new() { Number = bytes.Length });
        Codec.RoundTrip(new Item(), options).Number.Should().Be(100_000);

        var wrong = new SerializationOptions().UseFor<Item>("wrong", static (_, target) => target.Advance(int.MaxValue), static _ => new());
        FluentActions.Invoking(() => new Codec(wrong).Encode(new Item())).Should().Throw<CacheSerializationException>();
    }

    [Fact]
    public void A_name_that_cannot_be_stored_is_refused()
    {
        foreach (var name in (string[])["", "\ud800"])
        {
            FluentActions.Invoking(() => new SerializationOptions().Use(new Marking(name))).Should().Throw<ArgumentException>();
        }

        new SerializationOptions().Use(new Marking(new string('n', 255)));
        FluentActions.Invoking(() => new SerializationOptions().UseFor<string>(new Marking(new string('n', 256)))).Should().Throw<ArgumentException>().WithMessage("*255 bytes*");
    }

    [Fact]
    public void What_json_would_lose_is_refused_when_it_is_stored()
    {
        FluentActions.Invoking(() => new Codec().Encode(new CannotBeSet(5))).Should().Throw<CacheSerializationException>().WithMessage("*can be read but not set*");
        FluentActions.Invoking(() => new Codec().Encode(new Holder { Held = new Derived { More = 5 } }))
            .Should().Throw<CacheSerializationException>().WithMessage("*Derived*where*Base*is declared*");
        var cycle = new Node();
        cycle.Next = cycle;
        FluentActions.Invoking(() => new Codec().Encode(cycle)).Should().Throw<CacheSerializationException>();
        FluentActions.Invoking(() => new Codec().Encode<object>(new object())).Should().Throw<CacheSerializationException>();
        FluentActions.Invoking(() => new Codec().Encode<Action>(() => { })).Should().Throw<CacheSerializationException>();
    }

    [Fact]
    public void A_text_that_is_not_well_formed_is_refused_within_json_which_would_change_it()
    {
        foreach (var text in (string[])["\ud800", "x\udc00y", "😀\ud83d", "\ud83d\ud83d\ude00"])
        {
            FluentActions.Invoking(() => new Codec().Encode(new Computed { First = text })).Should().Throw<CacheSerializationException>().WithMessage("*lone surrogate*");
            FluentActions.Invoking(() => new Codec().Encode(new Dictionary<string, int> { [text] = 1 })).Should().Throw<CacheSerializationException>();
        }

        Codec.RoundTrip(new Computed { First = "😀\"<ü>\0" }).First.Should().Be("😀\"<ü>\0");
    }

    [Fact]
    public void What_is_computed_from_the_rest_is_not_lost() => Codec.RoundTrip(new Computed { First = "a" }).Should().BeEquivalentTo(new Computed { First = "a" });

    [Fact]
    public void A_generated_context_is_all_that_is_asked_for_its_types()
    {
        var options = new SerializationOptions { JsonSerializerOptions = new() { TypeInfoResolver = ItemContext.Default } };
        Codec.RoundTrip(new Item { Number = 5 }, options).Number.Should().Be(5);
        Codec.RoundTrip<IItem>(new Item { Number = 5 }, options).Should().BeOfType<Item>();
        Codec.RoundTrip("text", options).Should().Be("text", "plain types need none");
        Codec.RoundTrip(DayOfWeek.Friday, options).Should().Be(DayOfWeek.Friday);
        FluentActions.Invoking(() => new Codec(options).Encode(new Node())).Should().Throw<CacheSerializationException>().WithMessage("*Node*");
        new Codec(options).StatusOf<Node>(new Codec().Encode(new Node())).Should().Be(DecodeStatus.Corrupt);
    }

    [Fact]
    public void A_generated_context_and_reflection_agree_on_the_shape()
    {
        var options = new SerializationOptions { JsonSerializerOptions = new() { TypeInfoResolver = ItemContext.Default } };
        new Codec(options).Read<Item>(new Codec().Encode(new Item { Number = 5 })).Should().BeEquivalentTo(new Item { Number = 5 });
    }

    [Fact]
    public void A_serializer_may_use_a_codec_itself()
    {
        var inner = new Codec();
        var options = new SerializationOptions { JsonSerializerOptions = new() { Converters = { new Nesting(inner) } } };
        Codec.RoundTrip(new List<Item> { new() { Number = 1 }, new() { Number = 2 } }, options).Select(item => item.Number).Should().Equal(1, 2);
    }

    private sealed class Marking(string name) : ICacheSerializer
    {
        public string Name => name;

        public void Serialize<T>(T value, IBufferWriter<byte> target) => target.Write(Encoding.UTF8.GetBytes($"{value}, as {name} wrote it"));

        public T Deserialize<T>(ReadOnlyMemory<byte> source) => (T)(object)Encoding.UTF8.GetString(source.Span);
    }

    private sealed class Broken : ICacheSerializer
    {
        public string Name => "broken";

        public void Serialize<T>(T value, IBufferWriter<byte> target)
        {
            target.Write("half"u8);
            throw new FormatException($"It is {value}.");
        }

        public T Deserialize<T>(ReadOnlyMemory<byte> source) => throw new FormatException();
    }

    private sealed class Nesting(Codec codec) : JsonConverter<Item>
    {
        public override Item Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
            (Item)codec.Read<Item>(reader.GetBytesFromBase64())!;

        public override void Write(System.Text.Json.Utf8JsonWriter writer, Item value, System.Text.Json.JsonSerializerOptions options) =>
            writer.WriteBase64StringValue(codec.Encode(value));
    }

    private sealed class CannotBeSet
    {
        public CannotBeSet()
        {
        }

        internal CannotBeSet(int value) => Value = value;

        public int Value { get; }
    }

    private class Base;

    private sealed class Derived : Base
    {
        public int More { get; set; }
    }

    private sealed class Holder
    {
        public Base? Held { get; set; }
    }

    private sealed class Node
    {
        public Node? Next { get; set; }
    }

    private sealed class Computed
    {
        public string First { get; set; } = "";

        public string Both => First + First;
    }

    internal interface IItem;

    internal sealed class Item : IItem
    {
        public int Number { get; set; }
    }
}

[JsonSerializable(typeof(SerializerTests.Item))]
internal sealed partial class ItemContext : JsonSerializerContext;
