using System.ComponentModel;
using CacheKit.Testing;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Adapters;

/// <summary>What code written for <see cref="HybridCache"/> may expect of a cache that stands in for it.</summary>
public sealed class HybridCacheTests : IAsyncDisposable
{
    private readonly AdapterHost _host = new(cache => cache.AsHybridCache());
    private int _runs;

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private HybridCache Cache => _host.Get<HybridCache>();

    [Fact]
    public async Task The_factory_runs_once_and_its_value_is_found_again()
    {
        (await GetAsync("k")).Should().Be(1);
        (await GetAsync("k")).Should().Be(1);
        (await GetAsync("other")).Should().Be(2);
        (await _host.Cache.GetAsync<int>("k")).Value.Should().Be(1, "the entries are those of the cache");
    }

    [Fact(Timeout = 30_000)]
    public async Task A_hit_allocates_nothing_whatever_options_and_tags_it_is_asked_with()
    {
        static ValueTask<string> Get(HybridCache cache, HybridCacheEntryOptions? options, string[]? tags) =>
            cache.GetOrCreateAsync("k", 1, static (_, _) => ValueTask.FromResult("made"), options, tags);

        var cache = Cache;
        var options = new HybridCacheEntryOptions { Expiration = TimeSpan.FromMinutes(5) };
        string[] tags = ["a", "b"];
        await Get(cache, options, tags);
        long allocated;
        do // until its code is optimized, which this time is the limit of
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1000; i++)
            {
                _ = (await Get(cache, options, tags)).Length + (await Get(cache, null, null)).Length;
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            await Task.Yield();
        }
        while (allocated > 0 && !TestContext.Current.CancellationToken.IsCancellationRequested);

        allocated.Should().Be(0);
    }

    [Fact]
    public async Task A_call_that_reads_and_writes_no_memory_leaves_what_is_there()
    {
        foreach (var flags in new[] { HybridCacheEntryFlags.DisableLocalCache, HybridCacheEntryFlags.DisableLocalCache | HybridCacheEntryFlags.DisableDistributedCache })
        {
            await Cache.SetAsync("k", 100);
            (await GetAsync("k", options: new() { Flags = flags })).Should().BeLessThan(100);
            (await GetAsync("k")).Should().Be(100);
        }
    }

    [Fact]
    public async Task State_is_handed_through()
    {
        (await Cache.GetOrCreateAsync("k", (Name: "Ada", Year: 1815), static (state, _) => ValueTask.FromResult($"{state.Name} {state.Year}"))).Should().Be("Ada 1815");
        (await Cache.GetOrCreateAsync("k", 7, static (_, _) => ValueTask.FromResult("never made"))).Should().Be("Ada 1815");
    }

    [Fact(Timeout = 30_000)]
    public async Task Callers_with_states_of_different_types_share_one_factory()
    {
        var gate = new TaskCompletionSource<string>();
        var first = Cache.GetOrCreateAsync("k", gate, static (state, _) => new ValueTask<string>(state.Task)).AsTask();
        var second = Cache.GetOrCreateAsync("k", 42, static (state, _) => ValueTask.FromResult($"{state}")).AsTask();
        second.IsCompleted.Should().BeFalse();
        gate.SetResult("one");
        (await first).Should().Be("one");
        (await second).Should().Be("one");
    }

    [Theory(Timeout = 30_000)]
    [InlineData(10)]
    [InlineData(1000)]
    public async Task Callers_at_once_share_one_run_and_a_later_wave_starts_anew_if_nothing_is_cached(int count)
    {
        var options = new HybridCacheEntryOptions { Flags = HybridCacheEntryFlags.DisableLocalCache | HybridCacheEntryFlags.DisableDistributedCache };
        for (var wave = 1; wave <= 2; wave++)
        {
            var gate = new TaskCompletionSource();
            var callers = Enumerable.Range(0, count).Select(_ => GetAsync("k", options: options, gate: gate.Task).AsTask()).ToList();
            gate.SetResult();
            (await Task.WhenAll(callers)).Should().AllBeEquivalentTo(wave);
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task One_caller_gives_up_alone_and_the_last_takes_the_factory_along()
    {
        var entered = new TaskCompletionSource<CancellationToken>();
        var gate = new TaskCompletionSource<int>();
        async ValueTask<int> Make(CancellationToken token)
        {
            entered.TrySetResult(token);
            return await gate.Task.WaitAsync(token);
        }

        using CancellationTokenSource first = new(), second = new();
        var firstCall = Cache.GetOrCreateAsync("k", Make, cancellationToken: first.Token).AsTask();
        var secondCall = Cache.GetOrCreateAsync("k", Make, cancellationToken: second.Token).AsTask();
        var token = await entered.Task;
        await first.CancelAsync();
        (await firstCall.Awaiting(call => call).Should().ThrowExactlyAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(first.Token);
        token.IsCancellationRequested.Should().BeFalse();
        secondCall.IsCompleted.Should().BeFalse();
        var ended = new TaskCompletionSource();
        token.Register(ended.SetResult);
        await second.CancelAsync();
        (await secondCall.Awaiting(call => call).Should().ThrowExactlyAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(second.Token);
        secondCall.IsCanceled.Should().BeTrue("it has not failed");
        await ended.Task;
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_runs_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);
        foreach (var key in new[] { "k", "", null })
        {
            await Cache.Awaiting(cache => cache.GetOrCreateAsync(key!, _ => ValueTask.FromResult(++_runs), cancellationToken: cancelled).AsTask())
                .Should().ThrowExactlyAsync<OperationCanceledException>();
        }

        _runs.Should().Be(0);
    }

    [Fact]
    public async Task A_failure_reaches_its_caller_as_it_is_and_is_not_cached()
    {
        await Cache.Awaiting(cache => cache.GetOrCreateAsync<int>("k", _ => throw new TimeoutException("mine")).AsTask()).Should().ThrowAsync<TimeoutException>();
        await Cache.Awaiting(cache => cache.GetOrCreateAsync<int>("k", async _ => { await Task.Yield(); throw new OperationCanceledException("mine"); }).AsTask())
            .Should().ThrowAsync<OperationCanceledException>().WithMessage("mine");
        (await GetAsync("k")).Should().Be(1);
    }

    [Fact]
    public async Task Null_is_a_value()
    {
        (await Cache.GetOrCreateAsync("k", _ => { _runs++; return ValueTask.FromResult<string?>(null); })).Should().BeNull();
        (await Cache.GetOrCreateAsync<string?>("k", _ => ValueTask.FromResult<string?>("other"))).Should().BeNull();
        await Cache.SetAsync<string?>("s", null);
        (await Cache.GetOrCreateAsync<string?>("s", _ => ValueTask.FromResult<string?>("other"))).Should().BeNull();
        _runs.Should().Be(1);
    }

    [Fact]
    public async Task A_set_replaces_what_was_there_and_a_removal_takes_it_away()
    {
        await GetAsync("k");
        await Cache.SetAsync("k", 100, tags: ["new"]);
        (await GetAsync("k")).Should().Be(100);
        await Cache.RemoveAsync("k");
        (await GetAsync("k")).Should().Be(2);
        await Cache.RemoveAsync("never there");
    }

    [Fact]
    public async Task Many_keys_are_removed_at_once_whichever_of_them_are_there()
    {
        await GetAsync("a");
        await GetAsync("b");
        await GetAsync("c");
        await Cache.RemoveAsync((IEnumerable<string>)null!);
        await Cache.RemoveAsync([]);
        await Cache.RemoveAsync(["a", "a", "unknown", "", " ", "b"]);
        (await GetAsync("a")).Should().Be(4);
        (await GetAsync("b")).Should().Be(5);
        (await GetAsync("c")).Should().Be(3);
    }

    [Fact]
    public async Task No_key_to_remove_is_a_mistake_found_before_anything_is_removed()
    {
        await GetAsync("a");
        (await Cache.Awaiting(cache => cache.RemoveAsync((string)null!).AsTask()).Should().ThrowAsync<ArgumentNullException>()).WithParameterName("key");
        (await Cache.Awaiting(cache => cache.RemoveAsync(["a", null!]).AsTask()).Should().ThrowAsync<ArgumentNullException>()).WithParameterName("keys");
        (await GetAsync("a")).Should().Be(1);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_already_changes_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);
        await GetAsync("a", tags: ["t"]);
        foreach (var call in new Func<ValueTask>[]
        {
            () => Cache.SetAsync("a", 9, cancellationToken: cancelled), () => Cache.RemoveAsync("a", cancelled), () => Cache.RemoveAsync(["a"], cancelled),
            () => Cache.RemoveByTagAsync("t", cancelled), () => Cache.RemoveByTagAsync(["t"], cancelled), () => Cache.RemoveByTagAsync("*", cancelled),
        })
        {
            await call.Awaiting(it => it().AsTask()).Should().ThrowAsync<OperationCanceledException>();
        }

        (await GetAsync("a")).Should().Be(1);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_caller_who_cannot_be_cancelled_keeps_the_factory_alive()
    {
        var entered = new TaskCompletionSource<CancellationToken>();
        var gate = new TaskCompletionSource<int>();
        using var source = new CancellationTokenSource();
        var leaving = Cache.GetOrCreateAsync("k", token =>
        {
            entered.SetResult(token);
            return new ValueTask<int>(gate.Task);
        }, cancellationToken: source.Token).AsTask();
        var token = await entered.Task;
        var staying = Cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2)).AsTask();
        await source.CancelAsync();
        await leaving.Awaiting(call => call).Should().ThrowAsync<OperationCanceledException>();
        token.IsCancellationRequested.Should().BeFalse();
        gate.SetResult(1);
        (await staying).Should().Be(1);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_failure_reaches_all_who_wait_for_the_factory()
    {
        var gate = new TaskCompletionSource();
        var callers = Enumerable.Range(0, 5).Select(_ => Cache.GetOrCreateAsync<int>("k", async _ =>
        {
            await gate.Task;
            _runs++;
            throw new TimeoutException("mine");
        }).AsTask()).ToList();
        gate.SetResult();
        foreach (var caller in callers)
        {
            await caller.Awaiting(call => call).Should().ThrowAsync<TimeoutException>().WithMessage("mine");
        }

        _runs.Should().Be(1);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_cancellation_that_a_factory_ends_in_reaches_all_who_wait_for_it_as_it_is()
    {
        var gate = new TaskCompletionSource();
        var callers = Enumerable.Range(0, 2).Select(_ => Cache.GetOrCreateAsync<int>("k", async _ =>
        {
            await gate.Task;
            throw new TaskCanceledException("mine");
        }).AsTask()).ToList();
        gate.SetResult();
        foreach (var caller in callers)
        {
            await caller.Awaiting(call => call).Should().ThrowExactlyAsync<TaskCanceledException>().WithMessage("mine");
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task Who_waits_for_anothers_factory_is_counted_as_such()
    {
        var gate = new TaskCompletionSource();
        var callers = Enumerable.Range(0, 5).Select(_ => GetAsync("k", gate: gate.Task).AsTask()).ToList();
        gate.SetResult();
        await Task.WhenAll(callers);
        await GetAsync("k");
        var statistics = _host.Cache.GetStatistics();
        (statistics.Hits, statistics.Misses, statistics.Joins, statistics.FactoryRuns).Should().Be((1, 1, 4, 1));
    }

    [Fact]
    public async Task A_null_factory_is_refused_unless_it_is_not_to_run()
    {
        await Cache.Awaiting(cache => cache.GetOrCreateAsync<object?, int>("k", null, null!).AsTask()).Should().ThrowAsync<ArgumentNullException>();
        var onlyRead = new HybridCacheEntryOptions { Flags = HybridCacheEntryFlags.DisableUnderlyingData };
        (await Cache.GetOrCreateAsync<object?, int>("k", null, null!, onlyRead)).Should().Be(0);
    }

    [Theory]
    [InlineData(null, "is empty")]
    [InlineData("", "is empty")]
    [InlineData("   ", "is empty")]
    [InlineData("a\0c", "has control characters")]
    [InlineData("a\u001fc", "has control characters")]
    [InlineData("^", "is not well-formed text")]
    [InlineData("a^c", "is not well-formed text")]
    [InlineData("too long", "has 8 characters, and 7 are allowed")]
    public async Task A_key_that_cannot_be_cached_under_is_answered_and_told_of(string? text, string reason)
    {
        var key = WithLoneSurrogates(text);
        await using var host = new AdapterHost(cache => cache.AsHybridCache(options => options.MaximumKeyLength = 7));
        var cache = host.Get<HybridCache>();
        for (var run = 1; run <= 2; run++)
        {
            (await cache.GetOrCreateAsync(key!, _ => ValueTask.FromResult(++_runs))).Should().Be(run);
        }

        await cache.SetAsync(key!, 100);
        (await cache.GetOrCreateAsync(key!, _ => ValueTask.FromResult(++_runs))).Should().Be(3);
        await (key is null ? default : cache.RemoveAsync(key));
        (await cache.GetOrCreateAsync(key!, _ => ValueTask.FromResult(++_runs), new() { Flags = HybridCacheEntryFlags.DisableUnderlyingData })).Should().Be(0);
        host.Log.Messages.Should().ContainSingle(message => message.Id == 60).Which.Message.Should().Contain("'default'").And.Contain(reason);
        host.Cache.GetStatistics().Entries.Should().Be(0);
        (await cache.GetOrCreateAsync("a c", _ => ValueTask.FromResult(0))).Should().Be(0, "a space is nothing special");
        (await host.Cache.ExistsAsync("a c")).Should().BeTrue();
    }

    [Theory(Timeout = 30_000)]
    [InlineData("")]
    [InlineData("a\0c")]
    [InlineData("^")]
    [InlineData("1025")]
    public async Task A_key_that_cannot_be_cached_under_still_has_one_factory_for_all_who_ask_meanwhile(string text)
    {
        var key = text == "1025" ? new string('k', 1025) : WithLoneSurrogates(text)!; // of a text there is one
        var gate = new TaskCompletionSource();
        var callers = Enumerable.Range(0, 10).Select(_ => GetAsync(key, gate: gate.Task).AsTask()).ToList();
        var other = GetAsync(key + "\ud801", gate: gate.Task).AsTask();
        await Cache.RemoveAsync(key);
        var late = GetAsync(key, gate: gate.Task).AsTask();
        gate.SetResult();
        (await Task.WhenAll(callers)).Distinct().Should().ContainSingle().Which.Should().BeOneOf(1, 2, 3);
        new[] { await callers[0], await other, await late }.Should().OnlyHaveUniqueItems("another key, and a caller after a removal, share nothing with them");
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData(null)]
    [InlineData("*")]
    public async Task An_empty_tag_and_that_of_everything_are_refused_for_an_entry(string? tag)
    {
        (await Cache.Awaiting(cache => cache.SetAsync("k", 1, tags: ["fine", tag!]).AsTask()).Should().ThrowAsync<ArgumentException>()).WithParameterName("tags");
        (await Cache.Awaiting(cache => cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++_runs), tags: [tag!]).AsTask()).Should().ThrowAsync<ArgumentException>())
            .WithParameterName("tags");
        _runs.Should().Be(0);
        await Cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(1), tags: []);
        (await _host.Cache.ExistsAsync("k")).Should().BeTrue("no tags are fine");
    }

    [Theory]
    [InlineData("^")]
    [InlineData("a\u0001b")]
    [InlineData("1025")]
    public async Task A_tag_that_cannot_be_cached_under_is_answered_and_told_of(string text)
    {
        var tag = text == "1025" ? new string('t', 1025) : WithLoneSurrogates(text)!; // of a text there is one
        await Cache.SetAsync("k", 100);
        (await Cache.GetOrCreateAsync("l", _ => ValueTask.FromResult(++_runs), tags: ["fine", tag])).Should().Be(1);
        (await Cache.GetOrCreateAsync("l", _ => ValueTask.FromResult(++_runs), tags: ["fine", tag])).Should().Be(2);
        await Cache.SetAsync("k", 200, tags: [tag]);
        (await GetAsync("k")).Should().Be(3, "the old value was to be replaced, and the new one is not cached");
        await Cache.RemoveByTagAsync(tag);
        await Cache.RemoveByTagAsync(["other", tag]);
        _host.Log.Messages.Should().ContainSingle(message => message.Id == 61);
    }

    [Fact]
    public async Task A_removal_by_tag_covers_what_carries_it_and_only_until_it_is_made_again()
    {
        await GetAsync("a", tags: ["x", "y", "x"]);
        await GetAsync("b", tags: ["z"]);
        await GetAsync("c");
        await Cache.RemoveByTagAsync("unknown");
        (await GetAsync("a", tags: ["x", "y"])).Should().Be(1);
        await Cache.RemoveByTagAsync("y");
        (await GetAsync("a", tags: ["x", "y"])).Should().Be(4);
        (await GetAsync("a", tags: ["x", "y"])).Should().Be(4);
        (await GetAsync("b")).Should().Be(2);
        (await GetAsync("c")).Should().Be(3);
    }

    [Fact]
    public async Task Several_tags_are_removed_together_and_nothing_is_not_a_tag()
    {
        await GetAsync("a", tags: ["x"]);
        await GetAsync("b", tags: ["y"]);
        await GetAsync("c", tags: ["z"]);
        await Cache.RemoveByTagAsync((IEnumerable<string>)null!);
        await Cache.RemoveByTagAsync([]);
        await Cache.RemoveByTagAsync((string)null!);
        await Cache.RemoveByTagAsync("");
        await Cache.RemoveByTagAsync(["x", "", null!, "y", "y"]);
        (await GetAsync("a")).Should().Be(4);
        (await GetAsync("b")).Should().Be(5);
        (await GetAsync("c")).Should().Be(3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_tag_of_everything_removes_also_what_has_no_tags(bool amongOthers)
    {
        await GetAsync("a", tags: ["x"]);
        await GetAsync("b");
        await (amongOthers ? Cache.RemoveByTagAsync(["q", "*"]) : Cache.RemoveByTagAsync("*"));
        (await GetAsync("a")).Should().Be(3);
        (await GetAsync("b")).Should().Be(4);
        (await GetAsync("b")).Should().Be(4);
    }

    [Fact]
    public async Task More_than_a_hundred_tags_work()
    {
        var tags = Enumerable.Range(0, 150).Select(i => $"tag {i}").ToList();
        await GetAsync("k", tags: tags);
        await Cache.RemoveByTagAsync("tag 149");
        (await GetAsync("k", tags: tags)).Should().Be(2);
    }

    [Fact(Timeout = 30_000)]
    public async Task What_was_made_before_a_removal_is_not_served_after_it()
    {
        foreach (var remove in new Func<ValueTask>[] { () => Cache.RemoveByTagAsync("t"), () => Cache.RemoveAsync("k"), () => Cache.RemoveByTagAsync("*") })
        {
            var gate = new TaskCompletionSource();
            var before = GetAsync("k", gate: gate.Task, tags: ["t"]).AsTask();
            await remove();
            var after = GetAsync("k", gate: gate.Task, tags: ["t"]).AsTask();
            gate.SetResult();
            (await after).Should().BeGreaterThan(await before);
            (await GetAsync("k")).Should().Be(await after);
            await Cache.RemoveAsync("k");
        }
    }

    [Fact]
    public async Task An_expiration_is_kept_to_the_instant()
    {
        var options = new HybridCacheEntryOptions { Expiration = TimeSpan.FromSeconds(10) };
        (await GetAsync("k", options: options)).Should().Be(1);
        _host.Time.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        (await GetAsync("k", options: options)).Should().Be(1);
        _host.Time.Advance(TimeSpan.FromTicks(1));
        (await GetAsync("k", options: options)).Should().Be(2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task An_expiration_of_zero_or_less_caches_nothing_and_one_without_end_for_ever(int seconds)
    {
        var options = new HybridCacheEntryOptions { Expiration = TimeSpan.FromSeconds(seconds) };
        await Cache.SetAsync("set", 1);
        await Cache.SetAsync("set", 2, options);
        (await _host.Cache.ExistsAsync("set")).Should().BeFalse("what it was to replace is out of date");
        (await GetAsync("k", options: options)).Should().Be(1);
        (await GetAsync("k", options: options)).Should().Be(2);
        (await GetAsync("l", options: new() { LocalCacheExpiration = options.Expiration, Flags = HybridCacheEntryFlags.DisableDistributedCache })).Should().Be(3);
        await Cache.SetAsync("m", 1, new() { Expiration = TimeSpan.MaxValue });
        _host.Time.Advance(TimeSpan.FromHours(10));
        (await GetAsync("m")).Should().Be(1);
    }

    [Fact]
    public async Task What_a_call_leaves_unset_is_inherited_from_the_adapter_and_then_from_the_cache()
    {
        await using var host = new AdapterHost(cache => cache
            .AsHybridCache(options => options.DefaultEntryOptions = new() { LocalCacheExpiration = TimeSpan.FromMinutes(1) })
            .WithDefaults(new() { Expiration = TimeSpan.FromMinutes(10), Tags = ["all"] }));
        var cache = host.Get<HybridCache>();
        var runs = 0;
        ValueTask<int> GetAsync(HybridCacheEntryOptions? options = null, string key = "k") => cache.GetOrCreateAsync(key, _ => ValueTask.FromResult(++runs), options);
        await GetAsync();
        await host.Cache.RemoveByTagAsync("all");
        (await GetAsync()).Should().Be(2, "the default tags of the cache are those of its adapters");
        (await GetAsync(new() { Expiration = TimeSpan.FromMinutes(20) }, "twenty")).Should().Be(3);
        host.Time.Advance(TimeSpan.FromMinutes(11));
        (await GetAsync()).Should().Be(4);
        (await GetAsync(key: "twenty")).Should().Be(3, "an expiration said by a call is that of memory, too");
    }

    [Fact]
    public async Task A_key_read_as_another_type_is_a_miss_and_the_new_value_takes_its_place()
    {
        await Cache.SetAsync("k", "text");
        (await Cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(Guid.Empty), new() { Flags = HybridCacheEntryFlags.DisableUnderlyingData })).Should().Be(Guid.Empty);
        var made = Guid.NewGuid();
        (await Cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(made))).Should().Be(made);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_key_being_made_as_another_type_does_not_fail_who_asks_for_it()
    {
        var gate = new TaskCompletionSource<string>();
        var text = Cache.GetOrCreateAsync("k", _ => new ValueTask<string>(gate.Task)).AsTask();
        (await Cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(7))).Should().Be(7);
        gate.SetResult("text");
        (await text).Should().Be("text");
    }

    [Fact]
    public async Task Immutable_values_are_shared()
    {
        var text = new string('x', 3);
        (await Cache.GetOrCreateAsync("text", _ => ValueTask.FromResult(text))).Should().BeSameAs(text);
        (await Cache.GetOrCreateAsync("text", _ => ValueTask.FromResult("other"))).Should().BeSameAs(text);
        var marked = new Marked();
        (await Cache.GetOrCreateAsync("marked", _ => ValueTask.FromResult(marked))).Should().BeSameAs(marked);
        (await Cache.GetOrCreateAsync("marked", _ => ValueTask.FromResult(new Marked()))).Should().BeSameAs(marked);
    }

    [Fact]
    public async Task Mutable_values_are_isolated_whatever_the_cache_says()
    {
        var stored = new Basket { Items = { "apple" } };
        await Cache.SetAsync("k", stored);
        stored.Items.Add("changed after it was stored");
        var first = await BasketAsync("k");
        first.Items.Should().Equal("apple");
        first.Items.Add("changed by a reader");
        (await BasketAsync("k")).Items.Should().Equal("apple");
        var made = await BasketAsync("l");
        made.Items.Add("changed by the one who made it");
        (await BasketAsync("l")).Items.Should().Equal("new");
        await Cache.SetAsync<object>("object", stored);
        (await Cache.GetOrCreateAsync<object>("object", _ => ValueTask.FromResult<object>(""))).Should().NotBeSameAs(stored);
        var open = new Open();
        await Cache.GetOrCreateAsync("open", _ => ValueTask.FromResult(open));
        (await Cache.GetOrCreateAsync("open", _ => ValueTask.FromResult(new Open()))).Should().NotBeSameAs(open, "a class derived from a marked one may be mutable");
        var unmarked = new Unmarked("a");
        await Cache.GetOrCreateAsync("unmarked", _ => ValueTask.FromResult(unmarked));
        (await Cache.GetOrCreateAsync("unmarked", _ => ValueTask.FromResult(new Unmarked("b")))).Should().Be(unmarked).And.NotBeSameAs(unmarked, "a class has to say that it is immutable");
        var bytes = await Cache.GetOrCreateAsync("bytes", _ => ValueTask.FromResult(new byte[] { 1 }));
        bytes[0] = 2;
        (await Cache.GetOrCreateAsync("bytes", _ => ValueTask.FromResult(new byte[] { 3 }))).Should().Equal(1);
    }

    [Fact(Timeout = 30_000)]
    public async Task Callers_who_share_a_factory_do_not_share_a_mutable_value()
    {
        var gate = new TaskCompletionSource();
        var callers = Enumerable.Range(0, 5).Select(_ => Cache.GetOrCreateAsync("k", async _ =>
        {
            await gate.Task;
            _runs++;
            return new Basket();
        }).AsTask()).ToList();
        gate.SetResult();
        (await Task.WhenAll(callers)).Should().OnlyHaveUniqueItems();
        _runs.Should().Be(1);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_value_that_nothing_can_copy_is_answered_and_not_cached_and_told_of()
    {
        var gate = new TaskCompletionSource();
        var callers = Enumerable.Range(0, 3).Select(_ => Cache.GetOrCreateAsync("k", async _ =>
        {
            await gate.Task;
            Interlocked.Increment(ref _runs);
            return new MemoryStream([1]) as Stream;
        }).AsTask()).ToList();
        gate.SetResult();
        (await Task.WhenAll(callers)).Should().OnlyHaveUniqueItems("they must not share it").And.NotContainNulls();
        _runs.Should().Be(3);
        (await _host.Cache.ExistsAsync("k")).Should().BeFalse();
        _host.Log.Messages.Should().ContainSingle(message => message.Id == 62);

        await Cache.SetAsync("set", "before");
        await Cache.Awaiting(cache => cache.SetAsync<Stream>("set", new MemoryStream()).AsTask()).Should().ThrowAsync<InvalidOperationException>();
        (await Cache.GetOrCreateAsync("set", _ => ValueTask.FromResult("after"))).Should().Be("before");
    }

    [Fact]
    public async Task Tuples_fields_and_dictionaries_come_back_whole()
    {
        await Cache.SetAsync("tuple", (new List<int> { 1 }, "two"));
        var (list, text) = await Cache.GetOrCreateAsync("tuple", _ => ValueTask.FromResult((new List<int>(), "")));
        list.Should().Equal(1);
        text.Should().Be("two");
        await Cache.SetAsync("fields", new Fields { Number = 3, Next = new() { Number = 4 } });
        var fields = await Cache.GetOrCreateAsync("fields", _ => ValueTask.FromResult(new Fields()));
        fields.Number.Should().Be(3);
        fields.Next!.Number.Should().Be(4); // set above
        await Cache.SetAsync("dictionary", new Dictionary<string, int> { ["a"] = 1 });
        (await Cache.GetOrCreateAsync("dictionary", _ => ValueTask.FromResult(new Dictionary<string, int>()))).Should().Contain("a", 1);
    }

    [Theory]
    [InlineData(-1, null)]
    [InlineData(0, null)]
    [InlineData(1, 0L)]
    public async Task Impossible_limits_are_told_at_once(int maximumKeyLength, long? maximumPayloadBytes)
    {
        await using var host = new AdapterHost(cache => cache.AsHybridCache(options =>
        {
            options.MaximumKeyLength = maximumKeyLength;
            options.MaximumPayloadBytes = maximumPayloadBytes;
        }));
        host.Invoking(it => it.Get<HybridCache>()).Should().Throw<Microsoft.Extensions.Options.OptionsValidationException>()
            .WithMessage(maximumPayloadBytes is null ? "*MaximumKeyLength*" : "*MaximumPayloadBytes*");
    }

    // Attributes are stored as UTF-8, which has none.
    private static string? WithLoneSurrogates(string? text) => text?.Replace('^', '\ud800');

    private ValueTask<int> GetAsync(string key, HybridCacheEntryOptions? options = null, Task? gate = null, IEnumerable<string>? tags = null) =>
        Cache.GetOrCreateAsync(key, async _ =>
        {
            var run = Interlocked.Increment(ref _runs);
            await (gate ?? Task.CompletedTask);
            return run;
        }, options, tags);

    private ValueTask<Basket> BasketAsync(string key) => Cache.GetOrCreateAsync(key, _ => ValueTask.FromResult(new Basket { Items = { "new" } }));

    public sealed class Basket
    {
        public List<string> Items { get; } = [];
    }

    public sealed class Fields
    {
#pragma warning disable CA1051 // A field is what this is about.
        public int Number;
        public Fields? Next;
#pragma warning restore CA1051
    }

    [ImmutableObject(true)]
    public sealed class Marked;

    public sealed record Unmarked(string Name);

    [ImmutableObject(true)]
    public class Open;
}
