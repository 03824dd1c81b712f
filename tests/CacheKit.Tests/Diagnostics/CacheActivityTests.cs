using System.Diagnostics;
using CacheKit.Diagnostics;

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
}
