using CacheKit.Engine;
using CacheKit.Testing;

namespace CacheKit.Tests.Consistency;

/// <summary>
/// Every call is interrupted, wherever it looks at the clock, by an invalidation and a caller who comes after that: who must
/// not get what was invalidated, then or later.
/// </summary>
public sealed class InvalidationDuringCallTests
{
    private const string Key = "k";
    private const string Tag = "t";
    private const long Invalidated = 1;
    private const long Written = 2; // by the call that is interrupted
    private const long New = 3; // by the caller who comes after the invalidation
    private const long Newest = 4;
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    public enum Call
    {
        Get,
        GetMany,
        GetOrCreate,
        GetOrCreateThatFails,
        GetOrCreateManyThatFails,
        Touch,
        Exists,
        SetTimeToLive,
        Set,
        TryAdd,
    }

    public enum Invalidation
    {
        Remove,
        RemoveByTag,
        Clear,
        Expire,
        ExpireByTag,
    }

    /// <summary>What is there: how it lives, and whether its time is over.</summary>
    public enum Stored
    {
        Plain,
        Sliding,
        ExpiredButKept,
        DueForRefresh,
    }

    public static TheoryData<Call, Invalidation, Stored> Cases =>
        new MatrixTheoryData<Call, Invalidation, Stored>(Enum.GetValues<Call>(), Enum.GetValues<Invalidation>(), Enum.GetValues<Stored>());

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Nobody_gets_what_was_invalidated_in_the_midst_of_another_call(Call call, Invalidation invalidation, Stored stored)
    {
        foreach (var comesAtOnce in new[] { false, true })
        {
            var look = 1;
            while (await InterruptAsync(call, invalidation, stored, look, comesAtOnce))
            {
                look++;
            }

            look.Should().BeGreaterThan(1, "every call looks at the clock");
        }
    }

    /// <returns>Whether the call looked at the clock so often.</returns>
    private static async Task<bool> InterruptAsync(Call call, Invalidation invalidation, Stored stored, int look, bool comesAtOnce)
    {
        var time = new ManualTimeProvider();
        var clock = new InterposingTimeProvider(time);
        var cache = TestCache.Create(clock);
        await cache.SetAsync(Key, Invalidated, new CacheEntryOptions
        {
            Tags = [Tag],
            Expiration = 10 * _second,
            SlidingExpiration = stored == Stored.Sliding ? 5 * _second : null,
            StaleFor = 1000 * _second,
            RefreshAheadThreshold = stored == Stored.DueForRefresh ? 0.2 : null,
        });
        time.Advance((stored == Stored.ExpiredButKept ? 10 : 3) * _second);

        Task<long>? second = null;
        clock.InterposeAt(look, () =>
        {
            time.Advance(TimeSpan.FromTicks(1));
            Invalidate(cache, invalidation);
            second = comesAtOnce ? CreateAsync(cache, New) : null;
        });
        var first = StartAsync(cache, call);
        await first;
        if (!clock.HasInterposed)
        {
            TestCache.End(cache);
            return false;
        }

        var fails = call is Call.GetOrCreateThatFails or Call.GetOrCreateManyThatFails;
        try
        {
            if (second is not null)
            {
                (await second).Should().BeOneOf([New, Written, fails && invalidation == Invalidation.ExpireByTag ? Invalidated : New], $"at look {look} it was invalidated");
            }
        }
        catch (TimeZoneNotFoundException) when (fails && invalidation is Invalidation.RemoveByTag or Invalidation.ExpireByTag)
        {
            // Nobody can know the tags of what is being made: who joins it takes its failure, too, or what may stand in.
        }

        cache.Settle();

        var lookup = await cache.GetAsync<long>(Key);
        (lookup.IsHit ? lookup.Value : New).Should().BeOneOf([New, Written], $"at look {look} it was invalidated");
        var isFailureLater = fails && invalidation is Invalidation.Expire or Invalidation.ExpireByTag; // perhaps; the next attempt is then put off
        if (!isFailureLater)
        {
            (await CreateAsync(cache, Newest)).Should().NotBe(Invalidated, $"at look {look} it was invalidated");
        }

        TestCache.End(cache);
        return true;
    }

    private static async Task StartAsync(Cache cache, Call call)
    {
        switch (call)
        {
            case Call.Get:
                await cache.GetAsync<long>(Key);
                break;
            case Call.GetMany:
                await cache.GetManyAsync<long>([Key]);
                break;
            case Call.GetOrCreate:
                await CreateAsync(cache, Written);
                break;
            case Call.GetOrCreateThatFails:
                await FailAsync(cache.GetOrCreateAsync<long>(Key, _ => throw new TimeZoneNotFoundException()).AsTask());
                break;
            case Call.GetOrCreateManyThatFails:
                await FailAsync(cache.GetOrCreateManyAsync<long>([Key], (_, _) => throw new TimeZoneNotFoundException()).AsTask());
                break;
            case Call.Touch:
                await cache.TouchAsync(Key);
                break;
            case Call.Exists:
                await cache.ExistsAsync(Key);
                break;
            case Call.SetTimeToLive:
                await cache.SetTimeToLiveAsync(Key, 100 * _second);
                break;
            case Call.Set:
                await cache.SetAsync(Key, Written);
                break;
            case Call.TryAdd:
                await cache.TryAddAsync(Key, Written);
                break;
        }
    }

    private static async Task FailAsync(Task pending)
    {
        try
        {
            await pending;
        }
        catch (TimeZoneNotFoundException)
        {
            // Nothing may stand in.
        }
    }

    private static void Invalidate(Cache cache, Invalidation invalidation)
    {
        var invalidated = invalidation switch
        {
            Invalidation.Remove => cache.RemoveAsync(Key).AsTask(),
            Invalidation.RemoveByTag => cache.RemoveByTagAsync(Tag).AsTask(),
            Invalidation.Clear => cache.ClearAsync().AsTask(),
            Invalidation.Expire => cache.ExpireAsync(Key).AsTask(),
            _ => cache.ExpireByTagAsync(Tag).AsTask(),
        };
        invalidated.IsCompletedSuccessfully.Should().BeTrue();
    }

    private static Task<long> CreateAsync(Cache cache, long value) =>
        cache.GetOrCreateAsync(Key, (context, _) =>
        {
            context.AddTags(Tag);
            return ValueTask.FromResult(value);
        }).AsTask();
}
