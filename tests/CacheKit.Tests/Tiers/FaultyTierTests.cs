using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Whatever a store does wrong, at whatever call: callers see right values, in time, and no exception.</summary>
public sealed class FaultyTierTests : TieredCaches
{
    public static TheoryData<string, bool> Faults => new(
        from fault in new[] { "throws", "fails", "hangs", "hangs on", "answers late", "fails afterwards", "declines", "truncates", "flips", "foreign" }
        from hasMemory in new[] { true, false }
        select (fault, hasMemory));

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Callers_get_right_values(string kind, bool hasMemory)
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory, configure: null, faulty);
        await cache.SetAsync("a", 1, new CacheEntryOptions { Tags = ["t"] });
        var fault = Create(kind);
        faulty.Inject(StoreOperations.All, fault);
        (await InTimeAsync(cache.GetOrCreateAsync("a", _ => Make(1)))).Should().Be(1);
        (await InTimeAsync(cache.GetOrCreateAsync("b", _ => Make(2)))).Should().Be(2);
        await InTimeAsync(Valued(cache.SetAsync("c", 3)));
        await InTimeAsync(cache.RemoveAsync("a"));
        (await InTimeAsync(cache.GetAsync<int>("a"))).IsHit.Should().BeFalse();
        await InTimeAsync(Valued(cache.RemoveByTagAsync("t")));
        await InTimeAsync(cache.IncrementAsync("n"));
        await InTimeAsync(cache.TryAddAsync("added", 4));
        await InTimeAsync(cache.SetManyAsync([KeyValuePair.Create("m1", 1), KeyValuePair.Create("m2", 2)]));
        (await InTimeAsync(cache.GetOrCreateManyAsync<int>(["m1", "m3"], static (keys, _) => new ValueTask<IReadOnlyDictionary<string, int>>(keys.ToDictionary(static key => key, static key => key[1] - '0')))))
            .Should().BeEquivalentTo(new Dictionary<string, int> { ["m1"] = 1, ["m3"] = 3 });
        await InTimeAsync(cache.RemoveManyAsync(["m1", "m2", "m3"]));
        (await InTimeAsync(cache.GetManyAsync<int>(["m1", "m3"]))).Values.Should().OnlyContain(static lookup => !lookup.IsHit);
        (await InTimeAsync(cache.GetManyAsync<int>(["a", "nothing"])))["a"].IsHit.Should().BeFalse();
        await InTimeAsync(cache.ExistsAsync("c"));
        await InTimeAsync(cache.GetTimeToLiveAsync("c"));
        await InTimeAsync(cache.ExplainAsync("c"));

        // Healed, what was removed is still removed, though the store may not have been told yet.
        faulty.Heal();
        fault.Release();
        (await InTimeAsync(cache.GetAsync<int>("a"))).IsHit.Should().BeFalse();
        await Waiting.UntilAsync(() => cache.GetStatistics().Tiers[0].PendingRecoveries == 0, () => Clock.Advance(TimeSpan.FromSeconds(1)));
        (await InTimeAsync(Create(Far()).GetAsync<int>("a"))).IsHit.Should().BeFalse("another node must not see it either");
    }

    [Fact]
    public async Task What_cannot_be_stored_is_an_error_and_changes_nothing()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", "before");
        var runs = 0;
        var set = () => cache.SetAsync("k", new Unwritable()).AsTask();
        var create = () => cache.GetOrCreateAsync("new", _ =>
        {
            runs++;
            return ValueTask.FromResult(new Unwritable());
        }).AsTask();
        await set.Should().ThrowAsync<CacheSerializationException>();
        await create.Should().ThrowAsync<CacheSerializationException>();
        runs.Should().Be(1);
        (await cache.GetAsync<string>("k")).Value.Should().Be("before");
        (await cache.ExistsAsync("new")).Should().BeFalse();
    }

    private static StoreFault Create(string kind) => kind switch
    {
        "throws" => StoreFault.Throw(new FormatException("store")),
        "fails" => StoreFault.Fail(),
        "hangs" => StoreFault.Hang(),
        "hangs on" => StoreFault.Hang(heedsToken: false),
        "answers late" => StoreFault.AnswerLate(),
        "fails afterwards" => StoreFault.FailAfterwards(),
        "declines" => StoreFault.Decline(),
        "truncates" => StoreFault.Truncate(20),
        "flips" => StoreFault.FlipBit(300),
        _ => StoreFault.Foreign(),
    };

    /// <summary>Moves the clock on, so that limits pass, until the call has ended.</summary>
    private async Task<T> InTimeAsync<T>(ValueTask<T> call)
    {
        var task = call.AsTask();
        await Waiting.UntilAsync(() => task.IsCompleted, () => Clock.Advance(TimeSpan.FromMilliseconds(50)));
        return await task;
    }

    private static async ValueTask<bool> Valued(ValueTask call)
    {
        await call;
        return true;
    }

    private sealed class Unwritable
    {
        public Stream Stream { get; } = Stream.Null;
    }
}
