using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That what holds for one caller holds for many at once. Short here; the soak tests do the same for long.</summary>
public abstract class ConcurrencyContract : CacheContract
{
    private const int Threads = 4;

    [Fact]
    public async Task Readers_never_see_half_a_value()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", Make(0));
        await RunAsync((thread, i) =>
        {
            if (thread == 0)
            {
                cache.Set("k", Make(i));
            }
            else
            {
                var value = cache.Get<long[]>("k").Value;
                value.Should().OnlyContain(part => part == value[0]);
            }
        }, times: 2_000);
    }

    [Fact]
    public async Task A_large_struct_is_never_torn()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", (0L, 0L, 0L, 0L));
        await RunAsync((thread, i) =>
        {
            if (thread == 0)
            {
                cache.Set("k", ((long)i, (long)i, (long)i, (long)i));
            }
            else
            {
                var (a, b, c, d) = cache.Get<(long, long, long, long)>("k").Value;
                (a == b && b == c && c == d).Should().BeTrue();
            }
        });
    }

    [Fact]
    public async Task A_reader_never_goes_back_in_time()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 0L);
        var seen = new long[Threads];
        await RunAsync((thread, i) =>
        {
            if (thread == 0)
            {
                cache.Set("k", (long)i);
            }
            else
            {
                var value = cache.Get<long>("k").Value;
                value.Should().BeGreaterThanOrEqualTo(seen[thread]);
                seen[thread] = value;
            }
        });
    }

    [Fact]
    public async Task Keys_that_nobody_touches_stay_while_others_come_and_go()
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync(Enumerable.Range(0, 100).Select(i => KeyValuePair.Create($"stays{i}", i)));
        await RunAsync((thread, i) =>
        {
            var key = $"k{thread}-{i % 300}";
            switch (i % 4)
            {
                case 0:
                    cache.Set(key, i);
                    break;
                case 1:
                    cache.GetOrCreate(key, () => i, new() { Tags = ["t"] });
                    break;
                case 2:
                    cache.Remove(key);
                    break;
                default:
                    cache.Get<int>($"stays{i % 100}").GetValueOrDefault(-1).Should().Be(i % 100);
                    break;
            }
        });
    }

    // The source is a version that only grows. Whoever bumps it and then invalidates must, from then on, read at least that.
    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("clear")]
    [InlineData("late tag")]
    [InlineData("expire")]
    [InlineData("set")]
    public async Task After_an_invalidation_nobody_reads_what_was_there_before(string way)
    {
        var cache = await CreateAsync();
        var version = 0L;
        var options = new CacheEntryOptions { Tags = way is "tag" ? ["t"] : null, StaleFor = Seconds(100) };
        await RunAsync((_, i) =>
        {
            if (i % 3 == 0)
            {
                var bumped = Interlocked.Increment(ref version);
                switch (way)
                {
                    case "key":
                        cache.Remove("k");
                        break;
                    case "clear":
                        cache.ClearAsync().AsTask().GetAwaiter().GetResult();
                        break;
                    case "expire":
                        cache.ExpireAsync("k").AsTask().GetAwaiter().GetResult();
                        break;
                    case "set":
                        // A set must not put an older value over a newer one: so one at a time, as a real writer would.
                        lock (options)
                        {
                            cache.Set("k", bumped = Interlocked.Increment(ref version));
                        }

                        break;
                    default:
                        cache.RemoveByTagAsync("t").AsTask().GetAwaiter().GetResult();
                        break;
                }

                Read().Should().BeGreaterThanOrEqualTo(bumped);
            }
            else
            {
                Read();
            }
        });

        long Read() => cache.GetOrCreateAsync(
            "k",
            async (context, _) =>
            {
                var loaded = Volatile.Read(ref version);
                await Task.Yield();
                if (way == "late tag")
                {
                    context.AddTags("t");
                }

                return loaded;
            },
            options).AsTask().GetAwaiter().GetResult();
    }

    [Fact]
    public async Task Everything_at_once_leaves_a_cache_that_is_whole()
    {
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaximumEntries = 50;
            options.Memory.MaintenanceInterval = TimeSpan.FromMilliseconds(10);
        });
        await RunAsync((thread, i) =>
        {
            var random = new Random(thread * 100_003 + i);
            var key = $"k{random.Next(100)}";
            var options = new CacheEntryOptions
            {
                Expiration = random.Next(3) == 0 ? TimeSpan.FromMilliseconds(random.Next(50)) : null,
                StaleFor = random.Next(3) == 0 ? Seconds(1) : null,
                SlidingExpiration = random.Next(5) == 0 ? Seconds(1) : null,
                RefreshAheadThreshold = 0.5,
                Tags = [$"t{random.Next(5)}"],
            };
            switch (random.Next(16))
            {
                case 0: cache.Set(key, 1L, options); break;
                case 1: cache.Remove(key); break;
                case 2: Wait(cache.RemoveByTagAsync($"t{random.Next(5)}")); break;
                case 3: Wait(cache.RemoveByTagsAsync(["t1", "t2"], TagMatch.All)); break;
                case 4: Wait(cache.IncrementAsync(key)); break;
                case 5: Wait(cache.TryAddAsync(key, 1L, options)); break;
                case 6: Wait(cache.ExpireAsync(key)); break;
                case 7: Wait(cache.SetTimeToLiveAsync(key, TimeSpan.FromMilliseconds(random.Next(3)))); break;
                case 8: Wait(cache.GetOrCreateManyAsync<long>([key, "k1", "k2"], (keys, _) =>
                    ValueTask.FromResult<IReadOnlyDictionary<string, long>>(keys.ToDictionary(it => it, _ => 1L)), options)); break;
                case 9: Clock.Advance(TimeSpan.FromMilliseconds(random.Next(5))); break;
                case 10 when i % 20 == 0: Wait(cache.ClearAsync()); break;
                case 11: Wait(cache.ExpireByTagAsync($"t{random.Next(5)}")); break;
                case 12: Wait(cache.TouchAsync(key)); break;
                default:
                    cache.Get<long>(key);
                    cache.GetOrCreate(key, () => 1L, options);
                    break;
            }
        });
        cache.GetStatistics().Entries.Should().BeLessThanOrEqualTo(50);

        // Refreshes in the background may still run: whoever clears waits for none of them.
        for (var i = 0; i < 100; i++)
        {
            await cache.RemoveAsync($"k{i}");
        }

        cache.GetStatistics().Entries.Should().Be(0);
    }

    private static long[] Make(long value)
    {
        var parts = new long[64];
        Array.Fill(parts, value);
        return parts;
    }

    private static void Wait(ValueTask task) => task.AsTask().GetAwaiter().GetResult();

    private static void Wait<T>(ValueTask<T> task) => task.AsTask().GetAwaiter().GetResult();

    private async Task RunAsync(Action<int, int> act, int times = 5_000)
    {
        times = Rounds(times);
        var begun = TimeProvider.System.GetTimestamp();
        using var start = new Barrier(Threads);
        var work = Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                // A machine that has much else to do goes fewer rounds.
                for (var i = 0; i < times && (i < 100 || TimeProvider.System.GetElapsedTime(begun) < Seconds(5)); i++)
                {
                    act(thread, i);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        await Soon(Task.WhenAll(work));
    }
}
