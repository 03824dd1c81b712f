using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json.Serialization;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>A value that cannot be written is told with its type, the member, the reason and the remedy, and without what it holds.</summary>
public sealed class SerializationMessageTests
{
    private const string Secret = "secret";

    [Fact]
    public void A_member_that_can_be_read_but_not_set_is_named()
    {
        MessageOf(new Page<ReadOnly>(new ReadOnly(5))).Should().Contain($"{typeof(Page<ReadOnly>)} cannot be written for a store, because of 'Items[0].Value'. It can be read but not set")
            .And.Contain("Give it a set or init accessor").And.Contain("UseFor").And.Contain("CacheEntryOptions.Tiers");
        MessageOf(new Dictionary<string, ReadOnly> { [Secret] = new(5) }).Should().Contain("because of '[key].Value'. It can be read");
        MessageOf(new Renamed(5)).Should().Contain("because of 'Value'. It can be read", "the name in the code, not the one in JSON");
        MessageOf(new ReadOnlyList([1, 2])).Should().Contain("because of 'Numbers'. It can be read but not set");
    }

    [Fact]
    public void What_is_computed_from_a_member_that_is_lost_is_not_blamed() =>
        MessageOf(new Trimming { Text = " a " }).Should().Contain("because of 'Text'. Read back from JSON it differs: a constructor, a setter or a converter");

    [Fact]
    public void A_cycle_is_told_as_one_and_its_way_once()
    {
        var node = new Node();
        node.Children.Add(new Node { Parent = node });
        MessageOf(new Page<Node>(node)).Should().Contain("because of 'Items[].Children[].Parent…'. It is nested more than 64 levels deep").And.Contain("(a cycle)")
            .And.Contain("[JsonIgnore]").And.Contain("ReferenceHandler");
        var loose = new Loose();
        loose.Next = loose;
        MessageOf(loose).Should().Contain("because of 'Next…'. It is nested more than");
    }

    [Fact]
    public void A_stream_and_a_task_are_refused_with_what_to_do_instead()
    {
        using var stream = new MemoryStream([1]);
        MessageOf(stream).Should().Contain("System.IO.MemoryStream cannot be written for a store. A stream cannot").And.Contain("SetStreamAsync");
        MessageOf(new Page<Stream>(stream)).Should().Contain("because of 'Items'. A stream cannot");
        MessageOf(Task.FromResult(1)).Should().Contain("Await it");
        MessageOf(new Page<ValueTask<int>>(new ValueTask<int>(1))).Should().Contain("because of 'Items'. A task is not its result");
    }

    [Fact]
    public void A_stack_of_several_is_refused_however_many_values_of_its_type_were_fine()
    {
        var codec = new Codec();
        for (var i = 0; i < 20; i++)
        {
            codec.Encode(new Stack<int>([i]));
        }

        codec.Invoking(it => it.Encode(new Stack<int>([1, 2]))).Should().Throw<CacheSerializationException>().WithMessage("*reverse order*list*");
        MessageOf(new Page<ConcurrentStack<int>>(new ConcurrentStack<int>([1, 2]))).Should().Contain("because of 'Items'. A System.Collections.Concurrent.ConcurrentStack`1[System.Int32] comes back");
        MessageOf(ImmutableStack.Create(1, 2)).Should().Contain("reverse order");
        Codec.RoundTrip(new Queue<int>([1, 2])).Should().Equal(1, 2);
    }

    [Fact]
    public void A_type_that_json_does_not_take_is_named_with_the_member()
    {
        MessageOf(new Page<Type>(typeof(int))).Should().Contain("because of 'Items'.").And.Contain("'System.Type' instances is not supported").And.NotContain("Path:");
        MessageOf(new Dictionary<string, object> { [Secret] = new Page<Type>(typeof(int)) }).Should().Contain("because of '[key].Items'");
        MessageOf(new Page<NoConstructor>(new NoConstructor(1, true))).Should().Contain("because of 'Items[0]'. It can be written as JSON, but not be read back.")
            .And.Contain("parameterless constructor").And.Contain(nameof(NoConstructor));
        MessageOf(new Twice()).Should().Contain("collides", "what is wrong with a type says nothing of the value");
    }

    [Fact]
    public void A_derived_type_and_an_odd_text_are_told_with_where_they_are()
    {
        MessageOf(new Page<Base>(new Derived())).Should().Contain("because of 'Items'. It holds a").And.Contain("[JsonDerivedType]");
        MessageOf(new Dictionary<string, object> { [Secret] = new Page<string>("\ud800") }).Should().Contain("because of '[key].Items'. It has a text with a lone surrogate");
        MessageOf(new Dictionary<string, Page<object>> { [Secret] = new(new object()) }).Should().Contain("because of '[key].Items'. It holds a bare object");
    }

    [Fact]
    public void What_others_throw_is_inside_and_not_quoted()
    {
        var exception = FluentActions.Invoking(() => new Codec().Encode(new Throwing())).Should().Throw<CacheSerializationException>().Which;
        exception.Message.Should().Contain("has thrown a System.InvalidOperationException").And.NotContain(Secret);
        exception.InnerException.Should().BeOfType<InvalidOperationException>().Which.Message.Should().Be(Secret);
    }

    private static string MessageOf<T>(T value) =>
        FluentActions.Invoking(() => new Codec().Encode(value)).Should().Throw<CacheSerializationException>().Which.Message.Should().NotContain(Secret).And.Subject;

    private sealed class Page<T>
    {
        public Page()
        {
        }

        internal Page(T item) => Items.Add(item);

        public List<T> Items { get; init; } = [];
    }

    private sealed class ReadOnly
    {
        public ReadOnly()
        {
        }

        internal ReadOnly(int value) => Value = value;

        public int Value { get; }
    }

    private sealed class Renamed
    {
        public Renamed()
        {
        }

        internal Renamed(int value) => Value = value;

        [JsonPropertyName("v")]
        public int Value { get; }
    }

    private sealed class ReadOnlyList
    {
        public ReadOnlyList()
        {
        }

        internal ReadOnlyList(IReadOnlyList<int> numbers) => Numbers = numbers;

        public IReadOnlyList<int> Numbers { get; } = [];
    }

    private sealed class Trimming
    {
        private string _text = "";
        private bool _isSet;

        public int Length => _text.Length;

        public string Text
        {
            get => _text;
            set => (_text, _isSet) = (_isSet ? value : value[..^1], true);
        }
    }

    private sealed class Node
    {
        public List<Node> Children { get; init; } = [];

        public Node? Parent { get; set; }
    }

    private sealed class Loose
    {
        public object? Next { get; set; }
    }

    private sealed class NoConstructor(int first, bool second)
    {
        public NoConstructor(string both)
            : this(both.Length, true)
        {
        }

        public string Text => $"{first} {second}";
    }

    private sealed class Twice
    {
        public int Number { get; set; }

        [JsonPropertyName("Number")]
        public int Other { get; set; }
    }

    private class Base;

    private sealed class Derived : Base;

    private sealed class Throwing
    {
        public string Text { get; init; } = Secret;

        public int Length => throw new InvalidOperationException(Text);
    }
}
