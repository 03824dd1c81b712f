using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using CacheKit.Adapters;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Adapters;

/// <summary>Serializers that an application has registered for <see cref="HybridCache"/> copy and write its values.</summary>
public sealed class HybridSerializerTests
{
    [Theory]
    [InlineData("some value", 1, 2, false)]
    [InlineData("read fail", 1, 1, true)]
    [InlineData("write fail", 1, 0, true)]
    public async Task What_a_serializer_throws_reaches_the_caller_as_it_is(string value, int writes, int reads, bool fails)
    {
        var serializer = new NoteSerializer();
        await using var host = new AdapterHost(cache => cache.AsHybridCache(), services => services.AddSingleton<IHybridCacheSerializer<Note>>(serializer));
        var runs = 0;
        ValueTask<Note> GetAsync() => host.Get<HybridCache>().GetOrCreateAsync("k", _ =>
        {
            runs++;
            return ValueTask.FromResult(new Note { Text = value });
        });
        if (fails)
        {
            await FluentActions.Awaiting(() => GetAsync().AsTask()).Should().ThrowAsync<FormatException>();
            (await host.Cache.ExistsAsync("k")).Should().BeFalse();
        }
        else
        {
            var first = await GetAsync();
            var second = await GetAsync();
            (first.Text, second.Text).Should().Be((value, value));
            second.Should().NotBeSameAs(first);
        }

        (runs, serializer.Writes, serializer.Reads).Should().Be((1, writes, reads));
    }

    [Fact]
    public async Task One_for_a_plain_type_is_found_whichever_of_its_kin_came_first()
    {
        await using var host = new AdapterHost(cache => cache.UseStore(_ => new InMemoryStore(TimeProvider.System)).WithoutMemory().AsHybridCache(), services =>
            services.AddSingleton<IHybridCacheSerializer<int?>>(new NullableSerializer()));
        var cache = host.Get<HybridCache>();
        (await cache.GetOrCreateAsync("plain", _ => ValueTask.FromResult(1))).Should().Be(1);
        await cache.SetAsync<int?>("k", 1);
        (await cache.GetOrCreateAsync<int?>("k", _ => ValueTask.FromResult<int?>(null))).Should().Be(1001, "the given serializer has read it");
    }

    [Fact]
    public async Task One_for_the_type_wins_over_the_factories_and_of_these_the_last_that_has_one()
    {
        var own = new NoteSerializer();
        var services = new ServiceCollection();
        services.AddSingleton<IHybridCacheSerializerFactory>(new Factory("first"));
        services.AddSingleton<IHybridCacheSerializerFactory>(new Factory("second"));
        services.AddSingleton<IHybridCacheSerializerFactory>(new Factory(null));
        services.AddSingleton<IHybridCacheSerializer<Note>>(own);
        await using var provider = services.BuildServiceProvider();
        var serializers = new HybridSerializers(provider, "default");
        serializers.Find<Note>()!.Name.Should().Contain(nameof(NoteSerializer));
        Written(serializers.Find<Memo>()!).Should().Be("second");
        serializers.Find<Memo>().Should().BeSameAs(serializers.Find<Memo>());
        serializers.Find<int>().Should().BeNull();
    }

    [Fact]
    public async Task Those_registered_under_the_name_of_the_cache_come_first()
    {
        var services = new ServiceCollection();
        services.AddKeyedSingleton<IHybridCacheSerializerFactory>("products", new Factory("keyed"));
        services.AddSingleton<IHybridCacheSerializerFactory>(new Factory("unkeyed"));
        await using var provider = services.BuildServiceProvider();
        Written(new HybridSerializers(provider, "products").Find<Memo>()!).Should().Be("keyed");
        Written(new HybridSerializers(provider, "orders").Find<Memo>()!).Should().Be("unkeyed");
    }

    [Fact]
    public async Task Options_for_json_are_those_of_the_type_or_else_those_of_all_types()
    {
        var services = new ServiceCollection();
        services.AddKeyedSingleton<JsonSerializerOptions>(typeof(IHybridCacheSerializer<>), new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseUpper });
        services.AddKeyedSingleton<JsonSerializerOptions>(typeof(IHybridCacheSerializer<Memo>), new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.KebabCaseLower });
        await using var provider = services.BuildServiceProvider();
        var serializers = new HybridSerializers(provider, "default");
        Written(serializers.Find<Memo>()!).Should().Be("""{"first-line":null}""");
        var note = serializers.Find<Note>()!; // there are options for all types
        var buffer = new ArrayBufferWriter<byte>();
        note.Serialize(new() { Text = "a" }, buffer);
        Encoding.UTF8.GetString(buffer.WrittenSpan).Should().Be("""{"TEXT":"a"}""");
        note.Deserialize(buffer.WrittenMemory).Text.Should().Be("a");
        serializers.Find<string>().Should().BeNull();
        new HybridSerializers(new ServiceCollection().BuildServiceProvider(), "default").Find<Note>().Should().BeNull("there are none");
    }

    private static string Written(CacheKit.Serialization.FoundSerializer<Memo> serializer)
    {
        var buffer = new ArrayBufferWriter<byte>();
        serializer.Serialize(new(), buffer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public sealed class Note
    {
        public string Text { get; set; } = "";
    }

    public sealed class Memo
    {
        public string? FirstLine { get; set; }
    }

    private sealed class NoteSerializer : IHybridCacheSerializer<Note>
    {
        internal int Writes { get; private set; }

        internal int Reads { get; private set; }

        public Note Deserialize(ReadOnlySequence<byte> source)
        {
            Reads++;
            var text = Encoding.UTF8.GetString(source);
            return text == "read fail" ? throw new FormatException(text) : new() { Text = text };
        }

        public void Serialize(Note value, IBufferWriter<byte> target)
        {
            Writes++;
            if (value.Text == "write fail")
            {
                throw new FormatException(value.Text);
            }

            Encoding.UTF8.GetBytes(value.Text, target);
        }
    }

    private sealed class NullableSerializer : IHybridCacheSerializer<int?>
    {
        public int? Deserialize(ReadOnlySequence<byte> source) => source.FirstSpan[0] + 1000;

        public void Serialize(int? value, IBufferWriter<byte> target) => target.Write([(byte)value.GetValueOrDefault()]);
    }

    private sealed class Factory(string? mark) : IHybridCacheSerializerFactory
    {
        public bool TryCreateSerializer<T>([NotNullWhen(true)] out IHybridCacheSerializer<T>? serializer)
        {
            serializer = mark is not null && typeof(T) == typeof(Memo) ? (IHybridCacheSerializer<T>)(object)new MemoSerializer(mark) : null;
            return serializer is not null;
        }
    }

    private sealed class MemoSerializer(string mark) : IHybridCacheSerializer<Memo>
    {
        public Memo Deserialize(ReadOnlySequence<byte> source) => new();

        public void Serialize(Memo value, IBufferWriter<byte> target) => Encoding.UTF8.GetBytes(mark, target);
    }
}
