using CacheKit.Testing;

namespace CacheKit.Tests.Consistency;

/// <summary>A factory that finds its source unchanged returns the value that is there: a removal of that one covers it still.</summary>
public sealed class TakenOverValueTests
{
    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public async Task A_value_taken_over_is_not_stored_if_the_entry_it_came_from_was_removed_meanwhile_by_a_tag_it_no_longer_has()
    {
        using var cache = TestCache.Create(_clock);
        await cache.SetAsync("k", "old", new CacheEntryOptions { Expiration = TimeSpan.FromSeconds(1), StaleFor = TimeSpan.FromHours(1), Tags = ["t"] });
        _clock.Advance(TimeSpan.FromSeconds(2));
        var hasRead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var mayReturn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        var call = cache.GetOrCreateAsync("k", async (entry, _) =>
        {
            var stale = entry.GetStale<string>().Value;
            hasRead.SetResult();
            await mayReturn.Task;
            return stale; // "not modified", and without the tag
        }).AsTask();
        await hasRead.Task;
        await cache.RemoveByTagAsync("t");
        mayReturn.SetResult();

        (await call).Should().Be("old", "who waited already may have it");
        (await cache.GetAsync<string>("k")).IsHit.Should().BeFalse();
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult("new"))).Should().Be("new");
        cache.Verify();
    }
}
