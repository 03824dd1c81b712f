using System.Diagnostics;
using CacheKit.Diagnostics;
using CacheKit.Engine;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Diagnostics;

public sealed class CacheActivityTests
{
    [Fact]
    public void A_factory_runs_in_an_activity_that_tells_the_cache_and_not_the_key()
    {
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "CacheKit",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        using var parent = new Activity("request").Start();
        using var activity = CacheActivity.StartFactory("products", isBackground: true);

        activity.Should().NotBeNull();
        activity!.OperationName.Should().Be("cachekit.factory");
        activity.ParentId.Should().Be(parent.Id);
        activity.TagObjects.Should().BeEquivalentTo(new KeyValuePair<string, object?>[] { new("cachekit.cache", "products"), new("cachekit.background", true) });
        Activity.Current.Should().BeSameAs(activity);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_listener_that_throws_is_the_failure_of_the_factory_and_not_of_all_who_come_after()
    {
        // Only here: listeners hear what every cache of the process does.
        var isBroken = new AsyncLocal<bool>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "CacheKit",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => isBroken.Value ? throw new InvalidOperationException("broken") : ActivitySamplingResult.None,
        };
        ActivitySource.AddActivityListener(listener);
        await using var cache = new Cache("test", new(), new(), TimeProvider.System, NullLogger.Instance, [], meters: null);
        isBroken.Value = true;
        await cache.Awaiting(it => it.GetOrCreateAsync("k", static _ => ValueTask.FromResult(1)).AsTask()).Should().ThrowAsync<InvalidOperationException>().WithMessage("broken");
        isBroken.Value = false;
        (await cache.GetOrCreateAsync("k", static _ => ValueTask.FromResult(2))).Should().Be(2);
    }
}
