using System.Reflection;
using System.Runtime.Loader;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>Two versions of a program share a store: what one cannot understand of the other is a miss.</summary>
public sealed class SchemaTests
{
    private const string Child = " public class Child { public int A { get; set; } } public enum Color { Red, Green }";

    [Theory]
    [InlineData("public class Item { public int A { get; set; } public string? B { get; set; } }", "public class Item { public string? B { get; set; } public int A { get; set; } }")]
    [InlineData("public class Item { public int A; }", "public class Item { public int A; private int _b; public int M() => _b; }")]
    [InlineData("public class Item { public int A; }", "public class Item { public int A; [System.Text.Json.Serialization.JsonIgnore] public int B; }")]
    [InlineData("public class Item { public List<Child>? A; }" + Child, "public class Item { public Child[]? A; }" + Child)]
    [InlineData("public class Item { public Item? A; public List<Item>? B; }", "public sealed class Item { public Item? A; public List<Item>? B; }")]
    public void A_change_that_changes_nothing_for_a_reader_is_none(string before, string after) => StatusAfter(before, after).Should().Be(DecodeStatus.Decoded);

    [Theory]
    [InlineData("public class Item { public int A; }", "public class Item { public int A; public int B; }")]
    [InlineData("public class Item { public int A; public int B; }", "public class Item { public int A; }")]
    [InlineData("public class Item { public int A; }", "public class Item { public int B; }")]
    [InlineData("public class Item { public int A; }", "public class Item { public long A; }")]
    [InlineData("public class Item { public int A; }", "[CacheKit.CacheSchema(1)] public class Item { public int A; }")]
    [InlineData("[CacheKit.CacheSchema(1)] public class Item { public int A; }", "[CacheKit.CacheSchema(2)] public class Item { public int A; }")]
    [InlineData("public class Item { public Child? A; }" + Child, "public class Item { public Child? A; } public class Child { public int A { get; set; } public int B; }")]
    [InlineData("public class Item { public List<Child>? A; }" + Child, "public class Item { public List<Child>? A; } [CacheKit.CacheSchema(1)] public class Child { public int A { get; set; } }")]
    [InlineData("public class Item { public Dictionary<string, Child>? A; }" + Child, "public class Item { public Dictionary<string, Child>? A; } public class Child { public int B { get; set; } }")]
    [InlineData("public class Item { public Color A; }" + Child, "public class Item { public Color A; } public enum Color { Green, Red }")]
    [InlineData("public class Item { public Color? A; }" + Child, "public class Item { public Color? A; } public enum Color { Green, Red }")]
    [InlineData("public enum Item { Red, Green }", "public enum Item { Green, Red }")]
    [InlineData("public enum Item { Red, Green }", "public class Item { public int A; }")]
    public void A_change_of_shape_or_number_is_a_miss(string before, string after) => StatusAfter(before, after).Should().Be(DecodeStatus.SchemaChanged);

    [Fact]
    public void A_change_of_what_a_member_declared_as_object_holds_is_a_miss()
    {
        const string Holder = "public class Item { public object Held = new Child { A = 5 }; }";
        StatusAfter(Holder + Child, Holder + Child).Should().Be(DecodeStatus.Corrupt, "the type in it is not known; but");
        StatusAfter(Holder + Child, Holder + Child, knowsChild: true).Should().Be(DecodeStatus.Decoded);
        StatusAfter(Holder + Child, Holder + " public class Child { public int A { get; set; } public int B { get; set; } }", knowsChild: true)
            .Should().Be(DecodeStatus.Corrupt);
    }

    [Fact]
    public void A_renamed_json_property_is_a_miss()
    {
        var camel = new SerializationOptions { JsonSerializerOptions = new() { PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.CamelCase } };
        var bytes = new Codec().Encode(new Version1 { Amount = 5 });
        new Codec(camel).StatusOf<Version1>(bytes).Should().Be(DecodeStatus.SchemaChanged);
    }

    [Fact]
    public void A_type_that_is_not_there_any_more_is_a_miss()
    {
        // Renamed, or another program's: nobody made a mistake, and nobody could mend it.
        var bytes = new Codec().Encode(new Version1 { Amount = 5 });
        bytes[bytes.AsSpan().IndexOf("Version1"u8) + 7] = (byte)'0';
        EnvelopeTests.SumUp(bytes);
        new Codec().StatusOf<Version1>(bytes).Should().Be(DecodeStatus.SchemaChanged);
        new Codec().StatusOf<object>(bytes).Should().Be(DecodeStatus.SchemaChanged);
        new Codec().StatusOf<int>(bytes).Should().Be(DecodeStatus.SchemaChanged);
    }

    private static DecodeStatus StatusAfter(string before, string after, bool knowsChild = false)
    {
        var (stored, asked) = (Load(before), Load(after));
        var type = ItemIn(stored);
        var bytes = (byte[])Invoke(new Codec(), nameof(Codec.Encode), type, Activator.CreateInstance(type), null, null, Codec.Key);
        var options = new SerializationOptions();
        if (knowsChild)
        {
            typeof(SerializationOptions).GetMethod(nameof(SerializationOptions.Know))!.MakeGenericMethod(asked.GetType("Child")!).Invoke(options, null);
        }

        return (DecodeStatus)Invoke(new Codec(options), nameof(Codec.StatusOf), ItemIn(asked), bytes);
    }

    private static Type ItemIn(Assembly assembly) => assembly.GetType("Item", throwOnError: true)!; // or it would have thrown

    private static Assembly Load(string source) =>
        new AssemblyLoadContext(null, isCollectible: true).LoadFromStream(new MemoryStream(Compiler.CompileLibrary("Shop", source)));

    private static object Invoke(Codec codec, string method, Type type, params object?[] arguments) =>
        typeof(Codec).GetMethod(method, BindingFlags.Instance | BindingFlags.NonPublic)!.MakeGenericMethod(type).Invoke(codec, arguments)!;

    private sealed class Version1
    {
        public int Amount { get; set; }
    }
}
