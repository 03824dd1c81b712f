using System.Buffers;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Adapters;

/// <summary>What code written for <see cref="IDistributedCache"/> may expect of a cache that stands in for it.</summary>
public sealed class DistributedCacheTests : IAsyncDisposable
{
    private static readonly DistributedCacheEntryOptions _forever = new();
    private static readonly byte[] _value = [1, 2, 3];

    private readonly AdapterHost _host = new(cache => cache.AsDistributedCache());

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private IDistributedCache Cache => _host.Get<IDistributedCache>();

    private IBufferDistributedCache Buffers => _host.Get<IBufferDistributedCache>();

    [Fact]
    public void Both_interfaces_are_one_adapter() => Buffers.Should().BeSameAs(Cache);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(128)]
    [InlineData(1024)]
    [InlineData(16 * 1024)]
    [InlineData(1 << 20)]
    public async Task Bytes_come_back_as_they_were_by_every_way_in_and_out(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        var ways = new Dictionary<string, Func<string, Task>>
        {
            ["array"] = key => { Cache.Set(key, bytes, _forever); return Task.CompletedTask; },
            ["array, async"] = key => Cache.SetAsync(key, bytes, _forever),
            ["sequence"] = key => { Buffers.Set(key, SplitSequence.Of(bytes, 100), _forever); return Task.CompletedTask; },
            ["sequence, async"] = key => Buffers.SetAsync(key, SplitSequence.Of(bytes, 333), _forever).AsTask(),
            ["memory of one's own"] = key => Buffers.SetAsync(key, new(new OwnMemory(bytes).Memory.Slice(2, length)), _forever).AsTask(),
            ["one piece"] = key => Buffers.SetAsync(key, new(bytes), _forever).AsTask(),
        };
        foreach (var (way, set) in ways)
        {
            await set(way);
            Cache.Get(way).Should().Equal(bytes, way);
            (await Cache.GetAsync(way)).Should().Equal(bytes, way);
            var target = new ArrayBufferWriter<byte>();
            Buffers.TryGet(way, target).Should().BeTrue();
            (await Buffers.TryGetAsync(way, target)).Should().BeTrue();
            target.WrittenSpan.ToArray().Should().Equal([.. bytes, .. bytes], way);
        }
    }

    [Fact]
    public async Task A_miss_is_null_and_writes_nothing()
    {
        Cache.Get("absent").Should().BeNull();
        (await Cache.GetAsync("absent")).Should().BeNull();
        var target = new ArrayBufferWriter<byte>();
        Buffers.TryGet("absent", target).Should().BeFalse();
        (await Buffers.TryGetAsync("absent", target)).Should().BeFalse();
        target.WrittenCount.Should().Be(0);
    }

    [Fact]
    public async Task Arrays_belong_to_their_callers()
    {
        byte[] given = [1, 2, 3];
        Cache.Set("array", given, _forever);
        await Buffers.SetAsync("buffer", new(given), _forever);
        given[0] = 9;
        Cache.Get("array")![0] = 8; // was set above
        (await Cache.GetAsync("buffer"))![0] = 8; // as above
        Cache.Get("array").Should().Equal(_value);
        Cache.Get("buffer").Should().Equal(_value);
    }

    [Fact]
    public async Task A_later_set_replaces_value_and_lifetime_and_a_removal_is_for_good()
    {
        Cache.Set("k", _value, new() { SlidingExpiration = TimeSpan.FromSeconds(1) });
        Cache.Set("k", [4], _forever);
        _host.Time.Advance(TimeSpan.FromHours(10));
        Cache.Get("k").Should().Equal(4);
        Cache.Set("k", [5], new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromSeconds(1) });
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        Cache.Get("k").Should().BeNull();

        Cache.Set("k", _value, _forever);
        Cache.Remove("k");
        Cache.Get("k").Should().BeNull();
        Cache.Set("k", _value, _forever);
        await Cache.RemoveAsync("k");
        Cache.Get("k").Should().BeNull();
        Cache.Remove("never there");
        await Cache.RemoveAsync("never there");
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData(" padded ")]
    [InlineData("Case")]
    [InlineData("case")]
    [InlineData("line\nend\0nul")]
    [InlineData("👩‍👩‍👧")]
    [InlineData("lone ^ surrogate")]
    public async Task Any_text_is_a_key_of_its_own(string text)
    {
        var key = text.Replace('^', '\ud800'); // attributes are stored as UTF-8, which has no lone surrogates
        Cache.Set("other", [0], _forever);
        await Cache.SetAsync(key, _value, _forever);
        Cache.Get(key).Should().Equal(_value);
        Cache.Get(key + " ").Should().BeNull();
        Cache.Get(key.ToUpperInvariant() + key.ToLowerInvariant()).Should().BeEquivalentTo(key.Length == 0 || key == "   " ? Cache.Get(key + key) : null);
        Cache.Refresh(key);
        Cache.Remove(key);
        Cache.Get(key).Should().BeNull();
        Cache.Get("other").Should().Equal(0);
    }

    [Fact]
    public void Long_keys_with_a_long_beginning_in_common_are_different_keys()
    {
        var beginning = new string('k', 100_000);
        Cache.Set(beginning + "1", [1], _forever);
        Cache.Set(beginning + "2", [2], _forever);
        Cache.Set("\ud800", [3], _forever);
        Cache.Set("\ud801", [4], _forever);
        Cache.Get(beginning + "1").Should().Equal(1);
        Cache.Get(beginning + "2").Should().Equal(2);
        Cache.Get("\ud800").Should().Equal(3);
        Cache.Get("\ud801").Should().Equal(4);
    }

    [Fact]
    public void Texts_that_look_alike_are_different_keys()
    {
        string[] keys = ["key", "Key", "KEY", " key", "key ", "\u00e9", "e\u0301", "a:b", "a", "*", "k?y"];
        for (var i = 0; i < keys.Length; i++)
        {
            Cache.Set(keys[i], [(byte)i], _forever);
        }

        keys.Select(key => Cache.Get(key)![0]).Should().Equal(Enumerable.Range(0, keys.Length).Select(i => (byte)i)); // all were set
    }

    [Fact]
    public void An_entry_ends_at_its_absolute_instant_not_before()
    {
        Cache.Set("relative", _value, new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromSeconds(10) });
        Cache.Set("instant", _value, new() { AbsoluteExpiration = _host.Time.GetUtcNow().AddSeconds(10) });
        Cache.Set("elsewhere", _value, new() { AbsoluteExpiration = _host.Time.GetUtcNow().AddSeconds(10).ToOffset(TimeSpan.FromHours(5)) });
        _host.Time.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        foreach (var key in new[] { "relative", "instant", "elsewhere" })
        {
            Cache.Get(key).Should().NotBeNull(key);
        }

        _host.Time.Advance(TimeSpan.FromTicks(1));
        foreach (var key in new[] { "relative", "instant", "elsewhere" })
        {
            Cache.Get(key).Should().BeNull(key);
        }
    }

    [Theory]
    [InlineData(10, 20)]
    [InlineData(20, 10)]
    public void Of_two_absolute_limits_the_earlier_holds(int relativeSeconds, int instantSeconds)
    {
        Cache.Set("k", _value, new()
        {
            AbsoluteExpirationRelativeToNow = TimeSpan.FromSeconds(relativeSeconds),
            AbsoluteExpiration = _host.Time.GetUtcNow().AddSeconds(instantSeconds),
        });
        _host.Time.Advance(TimeSpan.FromSeconds(9.999));
        Cache.Get("k").Should().NotBeNull();
        _host.Time.Advance(TimeSpan.FromSeconds(0.001));
        Cache.Get("k").Should().BeNull();
    }

    [Theory]
    [InlineData(50)]
    [InlineData(250)]
    public void Lifetimes_below_a_second_are_kept_as_they_are(int milliseconds)
    {
        Cache.Set("absolute", _value, new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromMilliseconds(milliseconds) });
        Cache.Set("sliding", _value, new() { SlidingExpiration = TimeSpan.FromMilliseconds(milliseconds) });
        _host.Time.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
        Cache.Get("absolute").Should().NotBeNull();
        Cache.Get("sliding").Should().NotBeNull();
        _host.Time.Advance(TimeSpan.FromMilliseconds(1));
        Cache.Get("absolute").Should().BeNull();
        Cache.Get("sliding").Should().NotBeNull("it was read a millisecond ago");
        _host.Time.Advance(TimeSpan.FromMilliseconds(milliseconds + 200));
        Cache.Get("sliding").Should().BeNull();
    }

    [Fact]
    public void A_sliding_entry_lives_as_long_as_it_is_used()
    {
        Cache.Set("k", _value, new() { SlidingExpiration = TimeSpan.FromMinutes(20) });
        for (var i = 0; i < 5; i++)
        {
            _host.Time.Advance(TimeSpan.FromMinutes(15));
            Cache.Get("k").Should().NotBeNull();
        }

        _host.Time.Advance(TimeSpan.FromMinutes(21));
        Cache.Get("k").Should().BeNull();
    }

    [Fact]
    public void Reads_carry_no_entry_past_its_absolute_limit()
    {
        Cache.Set("k", _value, new() { SlidingExpiration = TimeSpan.FromSeconds(10), AbsoluteExpirationRelativeToNow = TimeSpan.FromSeconds(25) });
        for (var i = 0; i < 4; i++)
        {
            _host.Time.Advance(TimeSpan.FromSeconds(6));
            Cache.Get("k").Should().NotBeNull();
        }

        _host.Time.Advance(TimeSpan.FromSeconds(1));
        Cache.Get("k").Should().BeNull();
    }

    [Fact]
    public void Refreshes_carry_no_entry_past_its_absolute_limit_either()
    {
        Cache.Set("k", _value, new() { SlidingExpiration = TimeSpan.FromSeconds(10), AbsoluteExpiration = _host.Time.GetUtcNow().AddSeconds(25) });
        for (var i = 0; i < 4; i++)
        {
            _host.Time.Advance(TimeSpan.FromSeconds(6));
            Cache.Refresh("k");
        }

        Cache.Get("k").Should().NotBeNull();
        _host.Time.Advance(TimeSpan.FromSeconds(1));
        Cache.Get("k").Should().BeNull();
    }

    [Fact]
    public async Task A_refresh_renews_a_sliding_entry_and_nothing_else()
    {
        Cache.Set("sliding", _value, new() { SlidingExpiration = TimeSpan.FromSeconds(10) });
        Cache.Set("absolute", _value, new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromSeconds(10) });
        _host.Time.Advance(TimeSpan.FromSeconds(6));
        Cache.Refresh("sliding");
        await Cache.RefreshAsync("absolute");
        Cache.Refresh("never there");
        await Cache.RefreshAsync("never there");
        _host.Time.Advance(TimeSpan.FromSeconds(6));
        Cache.Get("absolute").Should().BeNull();
        await Cache.RefreshAsync("absolute");
        Cache.Get("absolute").Should().BeNull("it is not revived");
        Cache.Get("never there").Should().BeNull();
        Cache.Get("sliding").Should().NotBeNull();
    }

    [Fact]
    public async Task An_absolute_expiration_in_the_past_is_refused_and_changes_nothing()
    {
        Cache.Set("k", _value, _forever);
        var past = new DistributedCacheEntryOptions { AbsoluteExpiration = _host.Time.GetUtcNow() };
        Cache.Invoking(cache => cache.Set("k", [9], past)).Should().Throw<ArgumentOutOfRangeException>().WithParameterName("AbsoluteExpiration");
        await Cache.Awaiting(cache => cache.SetAsync("k", [9], past)).Should().ThrowAsync<ArgumentOutOfRangeException>();
        Cache.Invoking(cache => Buffers.Set("k", new(_value), past)).Should().Throw<ArgumentOutOfRangeException>().Which.ActualValue.Should().Be(past.AbsoluteExpiration);
        Cache.Get("k").Should().Equal(_value);
    }

    [Fact]
    public void The_longest_lifetimes_do_not_overflow()
    {
        Cache.Set("relative", _value, new() { AbsoluteExpirationRelativeToNow = TimeSpan.MaxValue });
        Cache.Set("instant", _value, new() { AbsoluteExpiration = DateTimeOffset.MaxValue });
        Cache.Set("sliding", _value, new() { SlidingExpiration = TimeSpan.MaxValue });
        _host.Time.Advance(TimeSpan.FromHours(10));
        Cache.Get("relative").Should().NotBeNull();
        Cache.Get("instant").Should().NotBeNull();
        Cache.Get("sliding").Should().NotBeNull();
    }

    [Fact]
    public async Task Null_is_refused_by_the_name_of_the_parameter()
    {
        var target = new ArrayBufferWriter<byte>();
        (string Parameter, Func<Task> Call)[] calls =
        [
            ("key", () => Task.FromResult(Cache.Get(null!))),
            ("key", () => Cache.GetAsync(null!)),
            ("key", () => Task.Run(() => Cache.Set(null!, _value, _forever))),
            ("key", () => Cache.SetAsync(null!, _value, _forever)),
            ("value", () => Task.Run(() => Cache.Set("k", null!, _forever))),
            ("value", () => Cache.SetAsync("k", null!, _forever)),
            ("options", () => Task.Run(() => Cache.Set("k", _value, null!))),
            ("options", () => Cache.SetAsync("k", _value, null!)),
            ("key", () => Task.Run(() => Cache.Refresh(null!))),
            ("key", () => Cache.RefreshAsync(null!)),
            ("key", () => Task.Run(() => Cache.Remove(null!))),
            ("key", () => Cache.RemoveAsync(null!)),
            ("key", () => Task.FromResult(Buffers.TryGet(null!, target))),
            ("key", () => Buffers.TryGetAsync(null!, target).AsTask()),
            ("destination", () => Task.FromResult(Buffers.TryGet("k", null!))),
            ("destination", () => Buffers.TryGetAsync("k", null!).AsTask()),
            ("key", () => Task.Run(() => Buffers.Set(null!, default, _forever))),
            ("key", () => Buffers.SetAsync(null!, default, _forever).AsTask()),
            ("options", () => Task.Run(() => Buffers.Set("k", default, null!))),
            ("options", () => Buffers.SetAsync("k", default, null!).AsTask()),
        ];
        foreach (var (parameter, call) in calls)
        {
            (await call.Should().ThrowAsync<ArgumentNullException>()).WithParameterName(parameter);
        }

        Cache.Get("k").Should().BeNull();
    }

    [Fact]
    public async Task A_call_that_is_cancelled_already_does_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);
        Cache.Set("k", _value, _forever);
        await Cache.Awaiting(cache => cache.SetAsync("k", [9], _forever, cancelled)).Should().ThrowAsync<OperationCanceledException>();
        await Cache.Awaiting(cache => cache.RemoveAsync("k", cancelled)).Should().ThrowAsync<OperationCanceledException>();
        await Cache.Awaiting(cache => cache.GetAsync("k", cancelled)).Should().ThrowAsync<OperationCanceledException>();
        await Cache.Awaiting(cache => cache.RefreshAsync("k", cancelled)).Should().ThrowAsync<OperationCanceledException>();
        await Buffers.Awaiting(cache => cache.SetAsync("k", default, _forever, cancelled).AsTask()).Should().ThrowAsync<OperationCanceledException>();
        await Buffers.Awaiting(cache => cache.TryGetAsync("k", new ArrayBufferWriter<byte>(), cancelled).AsTask()).Should().ThrowAsync<OperationCanceledException>();
        Cache.Get("k").Should().Equal(_value);
    }

    [Fact]
    public async Task What_the_cache_keeps_as_another_type_is_not_found()
    {
        await _host.Cache.SetAsync("k", "text");
        Cache.Get("k").Should().BeNull();
        (await Cache.GetAsync("k")).Should().BeNull();
        Buffers.TryGet("k", new ArrayBufferWriter<byte>()).Should().BeFalse();
        (await Buffers.TryGetAsync("k", new ArrayBufferWriter<byte>())).Should().BeFalse();
    }

    [Fact]
    public async Task The_defaults_of_the_cache_hold_only_where_a_call_says_nothing_of_time()
    {
        await using var host = new AdapterHost(cache => cache.AsDistributedCache().WithDefaults(new()
        {
            Expiration = TimeSpan.FromMinutes(5),
            SlidingExpiration = TimeSpan.FromMinutes(1),
            Jitter = TimeSpan.FromHours(1),
            StaleFor = TimeSpan.FromHours(1),
            AllowStale = true,
        }));
        var cache = host.Get<IDistributedCache>();
        cache.Set("nothing said", _value, new());
        cache.Set("session", _value, new() { SlidingExpiration = TimeSpan.FromMinutes(20) });
        cache.Set("absolute", _value, new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromMinutes(10) });
        host.Time.Advance(TimeSpan.FromMinutes(1.5));
        cache.Get("nothing said").Should().BeNull("it was not read for a minute, and stale values are not for this interface");
        host.Time.Advance(TimeSpan.FromMinutes(8));
        cache.Get("session").Should().NotBeNull("it is not bound by the cache's five minutes");
        cache.Get("absolute").Should().NotBeNull("it does not slide");
        host.Time.Advance(TimeSpan.FromMinutes(0.5));
        cache.Get("absolute").Should().BeNull("it has no jitter, and is not kept as a stale value");
    }

    [Fact]
    public async Task What_is_invalidated_through_the_cache_is_gone_here_too()
    {
        Cache.Set("a", _value, _forever);
        (await _host.Cache.GetAsync<byte[]>("a")).Value.Should().Equal(_value);
        await _host.Cache.RemoveAsync("a");
        Cache.Get("a").Should().BeNull();
        Cache.Set("b", _value, _forever);
        await _host.Cache.ClearAsync();
        Cache.Get("b").Should().BeNull();
    }

    /// <summary>Bytes that are not an array to whoever reads them, padded.</summary>
    private sealed class OwnMemory(byte[] bytes) : MemoryManager<byte>
    {
        private readonly byte[] _padded = [0xAA, 0xAA, .. bytes, 0xAA];

        public override Span<byte> GetSpan() => _padded;

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
