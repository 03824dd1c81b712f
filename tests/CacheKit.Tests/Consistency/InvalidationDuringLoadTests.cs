using CacheKit.Engine;
using CacheKit.Testing;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Tests.Consistency;

/// <summary>A value is invalidated while it is being made: on every path that makes values, in every way of invalidating.</summary>
public sealed class InvalidationDuringLoadTests : IDisposable
{
    private const string Key = "k";
    private const string Known = "known";
    private const string Late = "late";
    private const long Stale = 1; // what was there before
    private const long Old = 2; // what is being made when the invalidation comes
    private const long New = 3; // what is made by those who come after
    private const long Newer = 4;
    private const long Written = 5; // what the invalidation itself has stored
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _time = new();
    private readonly Cache _cache;
    private readonly HeldFactory<long> _held = new(Late);

    public InvalidationDuringLoadTests() => _cache = TestCache.Create(_time);

    public void Dispose() => TestCache.End(_cache);

    public enum Path
    {
        /// <summary>A get-or-create of an absent key.</summary>
        Miss,

        /// <summary>The same by a thread that blocks.</summary>
        SynchronousMiss,

        /// <summary>A get-or-create of an expired value that may stand in.</summary>
        Stale,

        /// <summary>A refresh ahead of expiration, in the background.</summary>
        Refresh,

        /// <summary>A factory that its caller did not wait for any longer.</summary>
        SoftTimeout,

        /// <summary>A factory that could be cut off by time.</summary>
        HardTimeout,

        /// <summary>Another attempt, after one has failed and the stale value stood in.</summary>
        RetryAfterFailure,

        /// <summary>A get-or-create of many.</summary>
        Batch,

        /// <summary>A refresh ahead, by a get-or-create of many.</summary>
        BatchRefresh,
    }

    public enum Invalidation
    {
        Remove,
        RemoveMany,
        TimeToLiveOfZero,
        SetOfNothing,
        RemoveByKnownTag,
        RemoveByLateTag,
        RemoveByAllTags,
        RemoveByAnyTag,
        Clear,
        Expire,
        ExpireByKnownTag,
        ExpireByLateTag,
        Set,
        SetMany,
        AddAfterRemove,
        CountAfterRemove,
    }

    public static TheoryData<Path, Invalidation> Cases =>
        new MatrixTheoryData<Path, Invalidation>(Enum.GetValues<Path>(), Enum.GetValues<Invalidation>());

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Whoever_comes_after_the_invalidation_gets_a_newer_value_and_the_older_is_not_stored(Path path, Invalidation invalidation)
    {
        var first = await BeginAsync(path);
        await InvalidateAsync(invalidation);
        var stored = StoredBy(invalidation);

        // One caller comes while the older value is still being made, one after it has been.
        var second = CreateAsync(New);
        second.IsCompleted.Should().Be(!IsKnownOnlyLate(invalidation), "a flight is joined only if nobody can know yet whether it is covered");
        _held.Return(Old);
        await FirstGetsItsValue(first, path);
        (await second).Should().Be(stored ?? New);
        (await CreateAsync(Newer)).Should().Be(stored ?? New);
        (await _cache.GetAsync<long>(Key)).Value.Should().Be(stored ?? New);
        _cache.GetStatistics().DiscardedResults.Should().BePositive();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_value_invalidated_while_it_was_made_is_not_stored(Path path, Invalidation invalidation)
    {
        var first = await BeginAsync(path);
        await InvalidateAsync(invalidation);
        _held.Return(Old);
        await FirstGetsItsValue(first, path);
        var lookup = await _cache.GetAsync<long>(Key);
        (lookup.IsHit ? lookup.Value : (long?)null).Should().Be(StoredBy(invalidation));
        (await CreateAsync(New)).Should().Be(StoredBy(invalidation) ?? New);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_removed_value_does_not_stand_in_when_the_factory_fails(Path path, Invalidation invalidation)
    {
        var first = await BeginAsync(path);
        await InvalidateAsync(invalidation);
        var second = CreateAsync(New);
        _held.Throw(new TimeZoneNotFoundException());

        // What stands in is the expired value, as long as nobody has put another in its place.
        var standsIn = invalidation == Invalidation.ExpireByLateTag && path is not (Path.Miss or Path.SynchronousMiss or Path.Batch);
        if (path is Path.Refresh or Path.BatchRefresh or Path.SoftTimeout || standsIn)
        {
            (await first).Should().Be(Stale);
        }
        else
        {
            await first.Invoking(caller => caller).Should().ThrowAsync<TimeZoneNotFoundException>();
        }

        // Who joined while nobody could know has to take the failure, or what may stand in.
        if (IsKnownOnlyLate(invalidation) && !standsIn)
        {
            await second.Invoking(caller => caller).Should().ThrowAsync<TimeZoneNotFoundException>();
            (await CreateAsync(New)).Should().Be(New);
        }
        else
        {
            (await second).Should().Be(standsIn ? Stale : StoredBy(invalidation) ?? New);
        }
    }

    [Theory]
    [InlineData(Path.Stale, Invalidation.Expire)]
    [InlineData(Path.Stale, Invalidation.ExpireByKnownTag)]
    [InlineData(Path.Stale, Invalidation.ExpireByLateTag)]
    [InlineData(Path.Refresh, Invalidation.Expire)]
    [InlineData(Path.RetryAfterFailure, Invalidation.Expire)]
    [InlineData(Path.RetryAfterFailure, Invalidation.ExpireByKnownTag)]
    [InlineData(Path.RetryAfterFailure, Invalidation.ExpireByLateTag)]
    public async Task A_failure_of_before_the_expiration_does_not_delay_the_next_attempt(Path path, Invalidation invalidation)
    {
        var first = await BeginAsync(path);
        await InvalidateAsync(invalidation);
        _held.Throw(new TimeZoneNotFoundException());
        (await first).Should().Be(Stale);
        _cache.Settle();
        (await CreateAsync(New)).Should().Be(New);
    }

    [Theory]
    [InlineData(Path.Miss)]
    [InlineData(Path.SynchronousMiss)]
    [InlineData(Path.Stale)]
    [InlineData(Path.Refresh)]
    [InlineData(Path.SoftTimeout)]
    [InlineData(Path.HardTimeout)]
    [InlineData(Path.RetryAfterFailure)]
    [InlineData(Path.Batch)]
    [InlineData(Path.BatchRefresh)]
    public async Task A_value_that_nothing_has_overtaken_is_stored(Path path)
    {
        var first = await BeginAsync(path);
        await _cache.RemoveAsync("another key");
        await _cache.RemoveByTagAsync("another tag");
        await _cache.RemoveByTagsAsync([Known, "another tag"], TagMatch.All);
        _held.Return(Old);
        await FirstGetsItsValue(first, path);
        (await _cache.GetAsync<long>(Key)).Value.Should().Be(Old);
        _cache.GetStatistics().DiscardedResults.Should().Be(0);
    }

    [Theory]
    [InlineData(Path.Miss)]
    [InlineData(Path.Stale)]
    [InlineData(Path.Refresh)]
    [InlineData(Path.SoftTimeout)]
    [InlineData(Path.Batch)]
    public async Task A_value_whose_token_fired_while_it_was_made_is_not_stored(Path path)
    {
        using var source = new CancellationTokenSource();
        var first = await BeginAsync(path, new CancellationChangeToken(source.Token));
        await source.CancelAsync();
        _held.Return(Old);
        await FirstGetsItsValue(first, path);
        (await _cache.GetAsync<long>(Key)).IsHit.Should().BeFalse();
        (await CreateAsync(New)).Should().Be(New);
    }

    /// <summary>Starts the factory, and leaves it held. A value that is there before is called stale, whether it is yet or not.</summary>
    private async Task<Task<long>> BeginAsync(Path path, IChangeToken? token = null)
    {
        var options = new CacheEntryOptions
        {
            Tags = [Known],
            Expiration = 10 * _second,
            StaleFor = 1000 * _second,
            RefreshAheadThreshold = path is Path.Refresh or Path.BatchRefresh ? 0.5 : null,
            SoftTimeout = path == Path.SoftTimeout ? _second : null,
            HardTimeout = path == Path.HardTimeout ? 100 * _second : null,
            RetryAfterFailure = _second,
            ExpirationTokens = token is null ? null : [token],
        };
        if (path is not (Path.Miss or Path.SynchronousMiss or Path.Batch))
        {
            await _cache.SetAsync(Key, Stale, new CacheEntryOptions
            {
                Tags = [Known, Late], Expiration = options.Expiration, StaleFor = options.StaleFor, RefreshAheadThreshold = options.RefreshAheadThreshold,
            });
            _time.Advance((path is Path.Refresh or Path.BatchRefresh ? 5 : 10) * _second);
        }

        if (path == Path.RetryAfterFailure)
        {
            (await _cache.GetOrCreateAsync<long>(Key, _ => throw new TimeZoneNotFoundException(), options)).Should().Be(Stale);
            _time.Advance(_second);
        }

        var first = path switch
        {
            Path.SynchronousMiss => Task.Run(() => _cache.GetOrCreate(Key, context => _held.RunAsync(context, default).AsTask().GetAwaiter().GetResult(), options)),
            Path.Batch or Path.BatchRefresh => BeginBatchAsync(options),
            _ => _cache.GetOrCreateAsync(Key, _held.RunAsync, options).AsTask(),
        };
        await _held.Begun;
        if (path == Path.SoftTimeout)
        {
            _time.Advance(_second);
        }

        if (path is Path.Refresh or Path.BatchRefresh or Path.SoftTimeout)
        {
            (await first).Should().Be(Stale);
        }

        return first;

        async Task<long> BeginBatchAsync(CacheEntryOptions options) =>
            (await _cache.GetOrCreateManyAsync(
                path == Path.BatchRefresh ? [Key] : [Key, "another key of the batch"], _held, static (held, context, token) => held.RunManyAsync(context, token), options))[Key];
    }

    private async Task FirstGetsItsValue(Task<long> first, Path path)
    {
        (await first).Should().Be(path is Path.Refresh or Path.BatchRefresh or Path.SoftTimeout ? Stale : Old);
        _cache.Settle();
        _held.Runs.Should().Be(1);
    }

    private async Task<long> CreateAsync(long value) =>
        await _cache.GetOrCreateAsync(
            Key,
            (context, _) =>
            {
                context.AddTags(Late);
                return ValueTask.FromResult(value);
            },
            new CacheEntryOptions { Tags = [Known], Expiration = 10 * _second, StaleFor = 1000 * _second });

    private async Task InvalidateAsync(Invalidation invalidation)
    {
        switch (invalidation)
        {
            case Invalidation.Remove:
                await _cache.RemoveAsync(Key);
                break;
            case Invalidation.RemoveMany:
                await _cache.RemoveManyAsync([Key]);
                break;
            case Invalidation.TimeToLiveOfZero:
                await _cache.SetTimeToLiveAsync(Key, TimeSpan.Zero);
                break;
            case Invalidation.SetOfNothing:
                await _cache.SetAsync(Key, 0L, TimeSpan.Zero);
                break;
            case Invalidation.RemoveByKnownTag:
                await _cache.RemoveByTagAsync(Known);
                break;
            case Invalidation.RemoveByLateTag:
                await _cache.RemoveByTagAsync(Late);
                break;
            case Invalidation.RemoveByAllTags:
                await _cache.RemoveByTagsAsync([Late, Known], TagMatch.All);
                break;
            case Invalidation.RemoveByAnyTag:
                await _cache.RemoveByTagsAsync(["another", Late]);
                break;
            case Invalidation.Clear:
                await _cache.ClearAsync();
                break;
            case Invalidation.Expire:
                await _cache.ExpireAsync(Key);
                break;
            case Invalidation.ExpireByKnownTag:
                await _cache.ExpireByTagAsync(Known);
                break;
            case Invalidation.ExpireByLateTag:
                await _cache.ExpireByTagAsync(Late);
                break;
            case Invalidation.Set:
                await _cache.SetAsync(Key, Written);
                break;
            case Invalidation.SetMany:
                await _cache.SetManyAsync<long>([new(Key, Written)]);
                break;
            case Invalidation.AddAfterRemove:
                await _cache.RemoveAsync(Key);
                (await _cache.TryAddAsync(Key, Written)).Should().BeTrue();
                break;
            case Invalidation.CountAfterRemove:
                await _cache.RemoveAsync(Key);
                await _cache.IncrementAsync(Key, Written);
                break;
        }
    }

    /// <summary>The value that the invalidation itself has stored.</summary>
    private static long? StoredBy(Invalidation invalidation) =>
        invalidation is Invalidation.Set or Invalidation.SetMany or Invalidation.AddAfterRemove or Invalidation.CountAfterRemove ? Written : null;

    private static bool IsKnownOnlyLate(Invalidation invalidation) =>
        invalidation is Invalidation.RemoveByLateTag or Invalidation.RemoveByAllTags or Invalidation.RemoveByAnyTag or Invalidation.ExpireByLateTag;
}
