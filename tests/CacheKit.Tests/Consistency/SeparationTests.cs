using CacheKit.Engine;
using CacheKit.Testing;

namespace CacheKit.Tests.Consistency;

/// <summary>Two caches in one process share nothing.</summary>
public sealed class SeparationTests : IDisposable
{
    private const string Key = "k";
    private const string Tag = "t";

    private readonly ManualTimeProvider _time = new();
    private readonly Cache _one;
    private readonly Cache _other;

    public SeparationTests()
    {
        _one = TestCache.Create(_time, new MemoryOptions { MaximumEntries = 4, MemoryPressureShare = 1 }, name: "one");
        _other = TestCache.Create(_time, new MemoryOptions { MaximumEntries = 4, MemoryPressureShare = 1 }, name: "other");
    }

    public void Dispose()
    {
        TestCache.End(_one);
        TestCache.End(_other);
    }

    [Fact]
    public async Task What_is_done_to_one_cache_does_not_show_in_another()
    {
        var options = new CacheEntryOptions { Tags = [Tag], StaleFor = TimeSpan.FromHours(1) };
        await _one.SetAsync(Key, 1L, options);
        (await _other.GetAsync<long>(Key)).IsHit.Should().BeFalse();
        (await _other.TryAddAsync(Key, 2L, options)).Should().BeTrue();
        (await _one.GetAsync<long>(Key)).Value.Should().Be(1);

        foreach (var act in new Func<Task>[]
        {
            () => _one.SetAsync(Key, 3L, options).AsTask(),
            () => _one.IncrementAsync(Key).AsTask(),
            () => _one.ExpireAsync(Key).AsTask(),
            () => _one.ExpireByTagAsync(Tag).AsTask(),
            () => _one.RemoveAsync(Key).AsTask(),
            () => _one.RemoveByTagAsync(Tag).AsTask(),
            () => _one.RemoveByTagsAsync([Tag]).AsTask(),
            () => _one.SetTimeToLiveAsync(Key, TimeSpan.Zero).AsTask(),
            () => _one.ClearAsync().AsTask(),
        })
        {
            await act();
            (await _other.GetAsync<long>(Key)).Should().Be(new CacheLookup<long>(2));
        }

        (_other.GetStatistics().Removals, _other.GetStatistics().Sets).Should().Be((0, 1));
    }

    [Fact]
    public async Task A_factory_of_one_cache_is_not_joined_by_callers_of_another()
    {
        var held = new HeldFactory<long>();
        var first = _one.GetOrCreateAsync(Key, held.RunAsync).AsTask();
        (await _other.GetOrCreateAsync(Key, _ => ValueTask.FromResult(2L))).Should().Be(2);
        await _other.RemoveAsync(Key);
        await _other.ClearAsync();
        held.Return(1);
        (await first).Should().Be(1);
        (await _one.GetAsync<long>(Key)).Value.Should().Be(1, "only the other was cleared");
    }

    [Fact]
    public async Task A_factory_of_one_cache_may_get_the_same_key_from_another() =>
        (await _one.GetOrCreateAsync(Key, async token => await _other.GetOrCreateAsync(Key, _ => ValueTask.FromResult(1L), cancellationToken: token) + 1))
            .Should().Be(2);

    [Fact]
    public async Task Two_caches_whose_factories_want_each_others_key_do_not_hang() =>
        await _one.GetOrCreateAsync(Key, async token =>
                await _other.GetOrCreateAsync(Key, async inner => await _one.GetOrCreateAsync(Key, _ => ValueTask.FromResult(1L), cancellationToken: inner), cancellationToken: token))
            .AsTask().WaitAsync(TimeSpan.FromSeconds(10)).Invoking(it => it).Should().ThrowAsync<InvalidOperationException>();

    [Fact]
    public async Task The_end_of_one_cache_is_not_that_of_another()
    {
        await _other.SetAsync(Key, 2L);
        using (var third = TestCache.Create(_time, name: "other")) // even of the same name
        {
            await third.SetAsync(Key, 3L);
        }

        (await _other.GetAsync<long>(Key)).Value.Should().Be(2);
    }

    [Fact]
    public async Task A_full_cache_takes_no_room_from_another()
    {
        await _other.SetAsync(Key, 2L);
        for (var i = 0; i < 100; i++)
        {
            await _one.SetAsync($"k{i}", 1L);
        }

        (await _other.GetAsync<long>(Key)).Value.Should().Be(2);
        _other.GetStatistics().Evictions.Should().Be(0);
    }
}
