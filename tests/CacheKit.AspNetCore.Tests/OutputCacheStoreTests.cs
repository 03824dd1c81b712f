using System.Buffers;
using System.IO.Pipelines;
using CacheKit.Testing;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.AspNetCore.Tests;

/// <summary>What the platform's middleware may expect of a store of responses.</summary>
public sealed class OutputCacheStoreTests : IAsyncDisposable
{
    private static readonly TimeSpan _minute = TimeSpan.FromMinutes(1);
    private static readonly byte[] _value = [1, 2, 3];

    private readonly ManualTimeProvider _time = new();
    private readonly ServiceProvider _services;

    public OutputCacheStoreTests()
    {
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(_time);
        services.AddLogging();
        services.AddCacheKitOutputCache();
        services.AddCacheKitOutputCache("pages");
        _services = services.BuildServiceProvider();
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private IOutputCacheStore Store => _services.GetRequiredService<IOutputCacheStore>();

    private IOutputCacheBufferStore Buffers => (IOutputCacheBufferStore)Store; // as the middleware asks for it

    private ICache Cache => _services.GetRequiredKeyedService<ICache>("pages");

    [Theory]
    [InlineData(0)]
    [InlineData(1017)]
    [InlineData(1 << 20)]
    public async Task Bodies_come_back_byte_for_byte_by_array_sequence_and_pipe(int length)
    {
        var body = new byte[length];
        new Random(length).NextBytes(body);
        await Store.SetAsync("array", body, null, _minute, default);
        await Buffers.SetAsync("sequence", Split(body, 100), default, _minute, default);
        foreach (var key in new[] { "array", "sequence" })
        {
            (await Store.GetAsync(key, default)).Should().Equal(body);
            var pipe = new Pipe();
            var writing = Task.Run(async () =>
            {
                (await Buffers.TryGetAsync(key, pipe.Writer, default)).Should().BeTrue();
                await pipe.Writer.CompleteAsync();
            });
            var read = new MemoryStream();
            await pipe.Reader.CopyToAsync(read);
            await writing;
            read.ToArray().Should().Equal(body);
        }
    }

    [Fact]
    public async Task A_missing_response_is_null_and_writes_nothing()
    {
        (await Store.GetAsync("absent", default)).Should().BeNull();
        var pipe = new Pipe();
        (await Buffers.TryGetAsync("absent", pipe.Writer, default)).Should().BeFalse();
        await pipe.Writer.CompleteAsync();
        (await pipe.Reader.ReadAsync()).Buffer.IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task Null_is_refused_by_the_name_of_the_parameter()
    {
        (string Parameter, Func<Task> Call)[] calls =
        [
            ("key", () => Store.GetAsync(null!, default).AsTask()),
            ("key", () => Store.SetAsync(null!, _value, null, _minute, default).AsTask()),
            ("value", () => Store.SetAsync("k", null!, null, _minute, default).AsTask()),
            ("key", () => Buffers.SetAsync(null!, default, default, _minute, default).AsTask()),
            ("key", () => Buffers.TryGetAsync(null!, new Pipe().Writer, default).AsTask()),
            ("destination", () => Buffers.TryGetAsync("k", null!, default).AsTask()),
            ("tag", () => Store.EvictByTagAsync(null!, default).AsTask()),
        ];
        foreach (var (parameter, call) in calls)
        {
            (await call.Should().ThrowAsync<ArgumentNullException>()).WithParameterName(parameter);
        }
    }

    [Fact]
    public async Task A_call_that_is_cancelled_already_changes_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);
        await Store.SetAsync("k", _value, ["t"], _minute, default);
        foreach (var call in new Func<Task>[]
        {
            () => Store.SetAsync("k", [9], ["t"], _minute, cancelled).AsTask(), () => Buffers.SetAsync("k", default, default, _minute, cancelled).AsTask(),
            () => Store.EvictByTagAsync("t", cancelled).AsTask(), () => Store.GetAsync("k", cancelled).AsTask(),
            () => Buffers.TryGetAsync("k", new Pipe().Writer, cancelled).AsTask(),
        })
        {
            await call.Should().ThrowAsync<OperationCanceledException>();
        }

        (await Store.GetAsync("k", default)).Should().Equal(_value);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task A_response_that_is_valid_for_no_time_is_not_kept_and_neither_is_the_one_before(int seconds)
    {
        await Store.SetAsync("k", _value, null, _minute, default);
        await Store.SetAsync("k", [9], null, TimeSpan.FromSeconds(seconds), default);
        (await Store.GetAsync("k", default)).Should().BeNull();
    }

    [Fact]
    public async Task Null_among_the_tags_is_refused_and_changes_nothing()
    {
        await Store.SetAsync("k", _value, ["t"], _minute, default);
        foreach (var call in new Func<Task>[]
        {
            () => Store.SetAsync("k", [9], ["more", null!], _minute, default).AsTask(),
            () => Buffers.SetAsync("k", new([9]), new[] { "more", null! }, _minute, default).AsTask(),
        })
        {
            (await call.Should().ThrowExactlyAsync<ArgumentException>()).WithParameterName("tags");
        }

        (await Store.GetAsync("k", default)).Should().Equal(_value);
    }

    [Fact]
    public async Task A_response_is_kept_as_long_as_it_is_valid_and_no_longer()
    {
        await Store.SetAsync("k", _value, null, TimeSpan.FromMilliseconds(250), default);
        _time.Advance(TimeSpan.FromMilliseconds(249));
        (await Store.GetAsync("k", default)).Should().Equal(_value);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        (await Store.GetAsync("k", default)).Should().BeNull();
        await Store.SetAsync("k", _value, null, _minute, default);
        await Store.SetAsync("k", [4], null, TimeSpan.FromSeconds(1), default);
        (await Store.GetAsync("k", default)).Should().Equal(4);
        _time.Advance(TimeSpan.FromSeconds(1));
        (await Store.GetAsync("k", default)).Should().BeNull("the later set was for a second");
    }

    [Fact]
    public async Task Any_one_of_its_tags_evicts_a_response_and_no_other()
    {
        await Store.SetAsync("ab", _value, ["a", "b"], _minute, default);
        await Buffers.SetAsync("bc", new(_value), new[] { "not this", "b", "c" }.AsMemory(1), _minute, default);
        await Store.SetAsync("none", _value, [], _minute, default);
        await Store.EvictByTagAsync("not this", default);
        await Store.EvictByTagAsync("unknown", default);
        await Store.EvictByTagAsync("unknown", default);
        (await Store.GetAsync("bc", default)).Should().NotBeNull();
        await Store.EvictByTagAsync("a", default);
        (await Store.GetAsync("ab", default)).Should().BeNull();
        (await Store.GetAsync("bc", default)).Should().NotBeNull();
        await Store.EvictByTagAsync("c", default);
        (await Store.GetAsync("bc", default)).Should().BeNull();
        (await Store.GetAsync("none", default)).Should().NotBeNull();
        await Store.SetAsync("ab", _value, ["a"], _minute, default);
        (await Store.GetAsync("ab", default)).Should().NotBeNull("it was stored after the eviction");
    }

    [Fact]
    public async Task A_response_stored_again_forgets_its_old_tags()
    {
        await Store.SetAsync("k", _value, ["old"], _minute, default);
        await Store.SetAsync("k", _value, ["new"], _minute, default);
        await Store.EvictByTagAsync("old", default);
        (await Store.GetAsync("k", default)).Should().NotBeNull();
        await Store.EvictByTagAsync("new", default);
        (await Store.GetAsync("k", default)).Should().BeNull();
    }

    [Theory]
    [InlineData("*")]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("^")]
    public async Task Any_text_is_a_tag_and_a_key(string given)
    {
        var text = given.Replace('^', '\ud800'); // attributes are stored as UTF-8, which has no lone surrogates
        await Store.SetAsync("other", _value, ["other"], _minute, default);
        await Store.SetAsync(text, _value, [text, text, "more"], _minute, default);
        (await Store.GetAsync(text, default)).Should().Equal(_value);
        await Store.EvictByTagAsync(text, default);
        (await Store.GetAsync(text, default)).Should().BeNull();
        (await Store.GetAsync("other", default)).Should().NotBeNull();
    }

    [Fact]
    public async Task Bytes_belong_to_their_callers()
    {
        byte[] given = [1, 2, 3];
        await Store.SetAsync("array", given, null, _minute, default);
        await Buffers.SetAsync("buffer", new(given), default, _minute, default);
        given[0] = 9;
        (await Store.GetAsync("array", default))![0] = 9; // was stored above
        (await Store.GetAsync("array", default)).Should().Equal(_value);
        (await Store.GetAsync("buffer", default)).Should().Equal(_value);
    }

    [Fact]
    public async Task Responses_and_tags_are_those_of_the_named_cache()
    {
        await Store.SetAsync("k", _value, ["products"], _minute, default);
        (await Cache.ExistsAsync("k")).Should().BeTrue("the last registration wins");
        (await _services.GetRequiredService<ICache>().ExistsAsync("k")).Should().BeFalse();
        await Cache.RemoveByTagAsync("products");
        (await Store.GetAsync("k", default)).Should().BeNull();
        await Cache.SetAsync("k", "text");
        (await Store.GetAsync("k", default)).Should().BeNull();
    }

    [Fact]
    public async Task The_defaults_of_the_cache_neither_shorten_nor_lengthen_a_response()
    {
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(_time).AddLogging();
        services.AddCacheKitOutputCache();
        services.AddCacheKit(cache => cache.WithDefaults(new()
        {
            Expiration = TimeSpan.FromSeconds(1), SlidingExpiration = TimeSpan.FromSeconds(1), Jitter = TimeSpan.FromHours(1),
            StaleFor = TimeSpan.FromHours(1), AllowStale = true, Tags = ["all"],
        }));
        await using var provider = services.BuildServiceProvider();
        var store = provider.GetRequiredService<IOutputCacheStore>();
        await store.SetAsync("k", _value, ["page"], _minute, default);
        _time.Advance(_minute - TimeSpan.FromTicks(1));
        (await store.GetAsync("k", default)).Should().NotBeNull();
        _time.Advance(TimeSpan.FromTicks(1));
        (await store.GetAsync("k", default)).Should().BeNull();
        await store.SetAsync("k", _value, ["page"], _minute, default);
        await store.EvictByTagAsync("all", default);
        (await store.GetAsync("k", default)).Should().BeNull("the tags of the cache come on top");
    }

    [Fact]
    public async Task Nothing_is_left_after_the_last_eviction_however_many_stored_meanwhile()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                await Store.SetAsync($"{worker}:{i % 10}", _value, ["all"], _minute, default);
                if (i % 7 == worker)
                {
                    await Store.EvictByTagAsync("all", default);
                }
            }
        })));
        await Store.EvictByTagAsync("all", default);
        for (var worker = 0; worker < 4; worker++)
        {
            for (var i = 0; i < 10; i++)
            {
                (await Store.GetAsync($"{worker}:{i}", default)).Should().BeNull();
            }
        }
    }

    private static ReadOnlySequence<byte> Split(byte[] bytes, int pieceLength)
    {
        var pipe = new Pipe(new PipeOptions(minimumSegmentSize: pieceLength, pauseWriterThreshold: 0));
        for (var from = 0; from < bytes.Length; from += pieceLength)
        {
            var length = Math.Min(pieceLength, bytes.Length - from);
            bytes.AsSpan(from, length).CopyTo(pipe.Writer.GetSpan(length));
            pipe.Writer.Advance(length);
        }

        pipe.Writer.Complete();
        return pipe.Reader.TryRead(out var read) ? read.Buffer : default;
    }
}
