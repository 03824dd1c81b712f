using System.Collections.Concurrent;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>What observers are told: once for each thing, with the right reason, and at no risk to the cache.</summary>
/// <remarks>Only for caches with a memory tier, which is what entries leave.</remarks>
public abstract class EventContract : CacheContract
{
    [Fact]
    public async Task An_entry_that_leaves_is_told_of_once_with_the_reason()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options => options.Observers.Add(log));
        var token = new ManualChangeToken();
        await cache.SetAsync("replaced", 1);
        await cache.SetAsync("replaced", 2);
        await cache.SetAsync("removed", 1);
        await cache.RemoveAsync("removed");
        await cache.RemoveAsync("removed");
        await cache.SetAsync("expired", 1, Seconds(1));
        await cache.SetAsync("tagged", 1, new CacheEntryOptions { Tags = ["t"] });
        await cache.RemoveByTagAsync("t");
        await ExpectMissAsync(cache, "tagged");
        await cache.SetAsync("token", 1, new CacheEntryOptions { ExpirationTokens = [token] });
        token.Change();
        Clock.Advance(Seconds(1));
        await ExpectMissAsync(cache, "expired");
        await cache.SetAsync("no time", 1);
        await cache.SetAsync("no time", 2, TimeSpan.Zero);
        await cache.SetAsync("marked stale", 1);
        await cache.ExpireAsync("marked stale");
        log.Lines.Should().BeEquivalentTo(
            "Replaced replaced", "Removed removed", "Expired expired", "Removed tagged", "TokenChanged token", "Removed no time", "Expired marked stale");

        await cache.ClearAsync();
        log.Count("Removed replaced").Should().Be(1);
        log.Lines.Should().HaveCount(8);
    }

    [Fact]
    public async Task An_evicted_entry_is_told_of_once()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaximumEntries = 10;
            options.Observers.Add(log);
        });
        for (var i = 0; i < 50; i++)
        {
            await cache.SetAsync($"k{i}", i);
        }

        log.Lines.Should().HaveCount(40).And.OnlyHaveUniqueItems().And.OnlyContain(line => line.StartsWith("Evicted "));
    }

    [Fact]
    public async Task The_name_of_the_cache_the_key_and_the_value_are_told()
    {
        var seen = new ConcurrentQueue<(string Cache, string Key, object? Value)>();
        var cache = await CreateAsync(options =>
        {
            options.Name = "named";
            options.Observers.Add(new EndedObserver((name, key, value) => seen.Enqueue((name, key, value))));
        });
        var value = "text";
        await cache.SetAsync("k", value);
        await cache.RemoveAsync("k");
        seen.Should().ContainSingle().Which.Should().Be(("named", "k", value));
    }

    [Fact]
    public async Task Factories_are_told_of_by_key_and_outcome()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options => options.Observers.Add(log));
        await CreateOrGet(cache, "good", 1);
        await CreateOrGet(cache, "good", 1);
        var act = () => Soon(cache.GetOrCreateAsync<int>("bad", _ => throw new FormatException("down")));
        await act.Should().ThrowAsync<FormatException>();
        await Soon(cache.GetOrCreateManyAsync(["a", "b"], CacheOperations.MakeOnes));
        log.Lines.Should().BeEquivalentTo("Made good", "Failed bad", "Made a", "Made b");
    }

    [Fact]
    public async Task A_stale_value_that_is_served_is_told_of()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options => options.Observers.Add(log));
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(1));
        await Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down")));
        await Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down")));
        log.Lines.Should().Equal("Failed k", "Stale k", "Stale k");
    }

    [Fact]
    public async Task An_observer_that_throws_breaks_nothing_and_keeps_nothing_from_the_others()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaximumEntries = 10;
            options.Observers.Add(new ThrowingObserver());
            options.Observers.Add(log);
        });
        var token = new ManualChangeToken();
        for (var i = 0; i < 30; i++)
        {
            await cache.SetAsync($"k{i}", i);
        }

        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [token], Tags = ["t"] });
        token.Change();
        (await CreateOrGet(cache, "made", 7, new() { Expiration = Seconds(1), StaleFor = Seconds(10) })).Should().Be(7);
        Clock.Advance(Seconds(2));
        (await Soon(cache.GetOrCreateAsync<int>("made", _ => throw new FormatException("down")))).Should().Be(7);
        await cache.RemoveAsync("made");
        await cache.ClearAsync();
        await cache.SetAsync("k", 1);
        await ExpectAsync(cache, "k", 1);
        log.Lines.Should().Contain(["TokenChanged k", "Made made", "Failed made", "Stale made", "Removed made"]);
    }

    [Fact]
    public async Task An_observer_may_store_the_key_again_whose_entry_has_left()
    {
        ICache? cache = null;
        var times = 0;
        cache = await CreateAsync(options => options.Observers.Add(new EndedObserver((_, key, _) =>
        {
            if (Interlocked.Increment(ref times) == 1)
            {
                cache!.Set(key, "again"); // it is there when an entry leaves it
            }
        })));
        await cache.SetAsync("k", "first");
        (await Soon(Task.Run(() => cache.RemoveAsync("k").AsTask()))).Should().BeTrue();
        await ExpectAsync(cache, "k", "again");
    }

    [Fact]
    public async Task An_observer_may_use_the_cache_from_whatever_it_is_told()
    {
        ICache? cache = null;
        cache = await CreateAsync(options =>
        {
            options.Memory.MaximumEntries = 5;
            options.Memory.MaintenanceInterval = Seconds(1);
            options.Observers.Add(new EndedObserver((_, key, _) =>
            {
                cache!.Get<int>(key); // as above
                cache!.Remove("other");
            }));
        });
        await Soon(Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++)
            {
                await cache.SetAsync($"k{i}", i, Seconds(1));
                await CreateOrGet(cache, $"m{i}", i);
            }

            Clock.Advance(Seconds(10));
            await cache.ClearAsync();
        }));
        cache.GetStatistics().Entries.Should().Be(0);
    }

    [Fact]
    public async Task What_was_never_stored_is_not_said_to_have_left()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options => options.Observers.Add(log));
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await Soon(held.Started);
        await cache.RemoveAsync("k");
        held.Return(1);
        await Soon(load);
        await cache.SetAsync("m", 1, TimeSpan.Zero);
        log.Lines.Should().Equal("Made k");
    }

    [Fact]
    public async Task Under_writers_at_once_every_entry_that_was_stored_leaves_exactly_once()
    {
        var ended = new ConcurrentDictionary<int, int>();
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaximumEntries = 20;
            options.Observers.Add(new EndedObserver((_, _, value) => ended.AddOrUpdate((int)value!, 1, (_, times) => times + 1))); // all values are int
        });
        using var start = new Barrier(4);
        var work = Enumerable.Range(0, 4).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                for (var i = 0; i < Rounds(2_000); i++)
                {
                    cache.Set($"k{i % 40}", thread * 2_000 + i);
                    if (i % 5 == 0)
                    {
                        cache.Remove($"k{(i + 7) % 40}");
                    }
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        await Soon(Task.WhenAll(work));
        await cache.ClearAsync();
        ended.Count.Should().BeLessThanOrEqualTo(8_000);
        if (!HasStores)
        {
            ended.Should().HaveCount(8_000); // of two that are set at once in a store, memory may keep neither
        }

        ended.Values.Should().NotContain(times => times != 1);
    }

    private sealed class EndedObserver(Action<string, string, object?> ended) : CacheObserver
    {
        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => ended(cacheName, key, value);
    }

    private sealed class ThrowingObserver : CacheObserver
    {
        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => throw new FormatException("observer");

        public override void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed) => throw new FormatException("observer");

        public override void OnFactoryFailed(string cacheName, string key, Exception exception, TimeSpan elapsed) => throw new FormatException("observer");

        public override void OnStaleServed(string cacheName, string key) => throw new FormatException("observer");
    }
}
