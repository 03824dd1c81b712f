using System.Diagnostics;
using System.Globalization;
using CacheKit.Engine;

namespace CacheKit.Tests.Consistency;

/// <summary>
/// The bound holds at every instant, whoever writes. CACHEKIT_SOAK_SECONDS says for how long each is tried, else it is one
/// second.
/// </summary>
[Trait("Category", "Stress")]
public sealed class BoundTests(ITestOutputHelper output)
{
    private const int Writers = 4;
    private const int Keys = 400;

    private static TimeSpan Duration { get; } = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 1);

    [Fact]
    public Task No_more_entries_are_held_than_the_bound_at_any_instant() =>
        NeverExceedsAsync(new MemoryOptions { MaximumEntries = 100, MemoryPressureShare = 1 }, bound: 100);

    [Fact]
    public Task One_entry_is_held_where_the_bound_is_one() =>
        NeverExceedsAsync(new MemoryOptions { MaximumEntries = 1, MemoryPressureShare = 1 }, bound: 1);

    [Fact]
    public Task No_more_bytes_are_held_than_the_bound_at_any_instant() =>
        NeverExceedsAsync(new MemoryOptions { MaximumBytes = 10_000, MemoryPressureShare = 1 }, bound: 10_000);

    [Fact]
    public async Task What_is_sampled_is_a_cache_at_its_bound()
    {
        // Of half the bound it would say that it was broken.
        var (samples, highest) = await WriteAndSampleAsync(new MemoryOptions { MaximumEntries = 100, MemoryPressureShare = 1 }, TimeSpan.FromMilliseconds(200));
        samples.Should().BePositive();
        highest.Should().BeGreaterThan(50);
    }

    private async Task NeverExceedsAsync(MemoryOptions memory, long bound)
    {
        var (samples, highest) = await WriteAndSampleAsync(memory, Duration);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{samples:N0} samples, at most {highest:N0} of {bound:N0}"));
        samples.Should().BePositive();
        highest.Should().BeInRange(1, bound);
    }

    /// <returns>How often was looked, and the most that was seen.</returns>
    private static async Task<(long Samples, long Highest)> WriteAndSampleAsync(MemoryOptions memory, TimeSpan duration)
    {
        var cache = TestCache.Create(memory: memory);
        var isStopping = false;
        var writers = Enumerable.Range(0, Writers).Select(seed => Task.Factory.StartNew(
            () =>
            {
                var random = new Random(seed);
                while (!Volatile.Read(ref isStopping))
                {
                    Write(cache, random);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();

        var (samples, highest) = (0L, 0L);
        var clock = Stopwatch.StartNew();
        do
        {
            var statistics = cache.GetStatistics();
            highest = Math.Max(highest, Math.Max(statistics.Weight, memory.MaximumBytes is null ? statistics.Entries : 0));
            samples++;
        }
        while (clock.Elapsed < duration && !Array.Exists(writers, static writer => writer.IsFaulted));

        Volatile.Write(ref isStopping, true);
        await Task.WhenAll(writers);
        TestCache.End(cache);
        return (samples, highest);
    }

    private static void Write(Cache cache, Random random)
    {
        var key = string.Create(CultureInfo.InvariantCulture, $"k{random.Next(Keys)}");
        var options = new CacheEntryOptions { Size = random.Next(50) == 0 ? random.Next(12_000) : random.Next(300), Tags = random.Next(4) == 0 ? ["t"] : null };
        switch (random.Next(16))
        {
            case < 7:
                cache.Set(key, (long)random.Next(), options);
                break;
            case < 11:
                cache.GetOrCreate(key, () => 1L, options);
                break;
            case < 13:
                cache.Remove(key);
                break;
            case < 14:
                cache.IncrementAsync(key).IsCompletedSuccessfully.Should().BeTrue();
                break;
            case < 15:
                cache.TryAddAsync(key, 1L, options).IsCompletedSuccessfully.Should().BeTrue();
                break;
            default:
                if (random.Next(100) == 0)
                {
                    cache.RemoveByTagAsync("t").IsCompletedSuccessfully.Should().BeTrue();
                }
                else if (random.Next(1000) == 0)
                {
                    cache.ClearAsync().IsCompletedSuccessfully.Should().BeTrue();
                }

                break;
        }
    }
}
