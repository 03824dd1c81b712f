using CacheKit.Testing;
using CacheKit.Tests.Consistency;

namespace CacheKit.Tests.Engine;

/// <summary>Hits that the first glance does not settle: with a clock that has to be asked, of an entry that is renewed by being read. They cost more, but no memory.</summary>
public sealed class CloserLookTests
{
    [Theory(Timeout = 30_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_allocates_nothing(bool isSliding)
    {
        await using var cache = TestCache.Create(time: isSliding ? null : new ManualTimeProvider());
        await cache.SetAsync("k", "value", isSliding ? new() { SlidingExpiration = TimeSpan.FromSeconds(10) } : null);
        long allocated;
        do // until its code is optimized
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1000; i++)
            {
                _ = Get(cache).Length;
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            await Task.Yield();
        }
        while (allocated > 0 && !TestContext.Current.CancellationToken.IsCancellationRequested);

        allocated.Should().Be(0);
        static string Get(ICache cache) => cache.GetOrCreateAsync("k", static _ => ValueTask.FromResult("made"), TimeSpan.FromMinutes(1)).GetAwaiter().GetResult();
    }
}
