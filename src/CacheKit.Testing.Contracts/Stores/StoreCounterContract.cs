using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Counting at the store: atomic, within its bounds, and in all else an entry like any other.</summary>
public abstract class StoreCounterContract : StoreContract
{
    [Fact]
    public async Task An_absent_counter_begins_at_its_initial_value()
    {
        var store = await CreateAsync<ICounterStore>();
        (await StepAsync(store, "k", 1)).Should().Be(1);
        (await StepAsync(store, "k", 5)).Should().Be(6);
        (await StepAsync(store, "k", -10)).Should().Be(-4);
        (await StepAsync(store, "hundred", 5, initial: 100)).Should().Be(105);
        (await StepAsync(store, "hundred", 5, initial: 100)).Should().Be(110);
        (await StepAsync(store, "nothing", 0)).Should().Be(0);
        (await ReadAsync(store, "nothing")).Number.Should().Be(0);
    }

    [Theory]
    [InlineData(0, 25, 0, 10, 10)]
    [InlineData(7, -25, 0, 10, 0)]
    [InlineData(50, 0, 0, 10, 10)]
    [InlineData(long.MaxValue, 1, long.MinValue, long.MaxValue, long.MaxValue)]
    [InlineData(long.MaxValue, long.MaxValue, long.MinValue, long.MaxValue, long.MaxValue)]
    [InlineData(long.MinValue, -1, long.MinValue, long.MaxValue, long.MinValue)]
    [InlineData(long.MinValue, long.MinValue, long.MinValue, long.MaxValue, long.MinValue)]
    [InlineData(long.MinValue, long.MaxValue, long.MinValue, long.MaxValue, -1)]
    [InlineData(long.MaxValue - 4, 4, long.MinValue, long.MaxValue, long.MaxValue)]
    [InlineData(9007199254740992, 1, long.MinValue, long.MaxValue, 9007199254740993)] // past what a double can count
    [InlineData(9007199254740993, 0, 0, 9007199254740993, 9007199254740993)]
    public async Task A_sum_is_kept_within_its_bounds(long first, long delta, long minimum, long maximum, long expected)
    {
        var store = await CreateAsync<ICounterStore>();
        (await StepAsync(store, "k", first)).Should().Be(first);
        (await StepAsync(store, "k", delta, minimum: minimum, maximum: maximum)).Should().Be(expected);
        (await ReadAsync(store, "k")).Number.Should().Be(expected);
        (await StepAsync(store, "new", delta, first, minimum, maximum)).Should().Be(expected);
    }

    [Fact]
    public async Task A_counter_is_read_as_a_number_with_the_stamp_of_its_last_step()
    {
        var store = await CreateAsync<ICounterStore>();
        var first = await CountAsync(store, "k", 1);
        var read = await ReadAsync(await OpenAnotherAsync(store), "k");
        (read.Status, read.Number, read.Stamp, read.Payload.Length).Should().Be((StoreLookupStatus.Found, 1, first.Stamp, 0));
        (read.ExpiresAt, read.RetainUntil).Should().Be((Clock.GetUtcNow() + Hours(10), Clock.GetUtcNow() + Hours(10)));
        var second = await CountAsync(store, "k", 1);
        second.Stamp.Should().NotBe(first.Stamp);
        read = await ReadAsync(store, "k", new() { KnownStamp = first.Stamp });
        (read.Status, read.Number, read.Stamp).Should().Be((StoreLookupStatus.Found, 2, second.Stamp));
        read = await ReadAsync(store, "k", new() { KnownStamp = second.Stamp });
        read.Stamp.Should().Be(second.Stamp);
        (read.Status == StoreLookupStatus.NotModified || read.Number == 2).Should().BeTrue();
    }

    [Fact]
    public async Task What_is_no_counter_is_left_as_it_is()
    {
        var store = await CreateAsync<ICounterStore>();
        foreach (var text in new[] { "7", "", "text", "\0\0\0\0\0\0\0\u0001" })
        {
            var stamp = await SetAsync(store, "k", Entry(text));
            (await Soon(store.IncrementAsync("k", Step(1), default))).Should().BeNull();
            await ExpectAsync(store, "k", text);
            (await ReadAsync(store, "k")).Stamp.Should().Be(stamp);
        }
    }

    [Fact]
    public async Task A_counter_is_replaced_by_a_value_and_the_other_way_round()
    {
        var store = await CreateAsync<ICounterStore>();
        await StepAsync(store, "k", 1);
        await SetAsync(store, "k", Entry("value"));
        var read = await ReadAsync(store, "k");
        (read.Number, read.Text).Should().Be((null, "value"));
        await InvalidateAsync(store, "k");
        (await StepAsync(store, "k", 5)).Should().Be(5);
        var counter = await CountAsync(store, "k", 1);
        (await WriteAsync(store, "k", Entry("2"), StoreCondition.IfUnchanged(counter.Stamp - 1000))).IsStored.Should().BeFalse();
        (await WriteAsync(store, "k", Entry("2"), StoreCondition.IfUnchanged(counter.Stamp))).IsStored.Should().BeTrue();
        await ExpectAsync(store, "k", "2");
    }

    [Fact]
    public async Task An_unexpired_counter_is_not_absent()
    {
        var store = await CreateAsync<ICounterStore>();
        await StepAsync(store, "k", 3);
        (await WriteAsync(store, "k", Entry("value"), StoreCondition.IfAbsent)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await ReadAsync(store, "k")).Number.Should().Be(3);
    }

    [Fact]
    public async Task A_step_neither_moves_the_end_nor_changes_the_tags()
    {
        var store = await CreateAsync<ICounterStore>();
        var until = Clock.GetUtcNow() + Hours(10);
        await StepAsync(store, "k", 1, tags: "t");
        Clock.Advance(Hours(4));
        await StepAsync(store, "k", 1, tags: "u");
        (await ReadAsync(store, "k")).ExpiresAt.Should().Be(until);
        await InvalidateTagsAsync(store, "u");
        (await ReadAsync(store, "k")).Number.Should().Be(2);
        Clock.Advance(Hours(6));
        await ExpectMissingAsync(store, "k");
        (await StepAsync(store, "k", 1)).Should().Be(1);
        (await ReadAsync(store, "k")).ExpiresAt.Should().Be(Clock.GetUtcNow() + Hours(10));
    }

    [Fact]
    public async Task A_counter_can_last_for_ever()
    {
        var store = await CreateAsync<ICounterStore>();
        var step = new StoreCounterStep { Delta = 1, Minimum = long.MinValue, Maximum = long.MaxValue, ExpiresAt = DateTimeOffset.MaxValue, Tags = [] };
        await Soon(store.IncrementAsync("k", step, default));
        Clock.Advance(TimeSpan.FromDays(5000));
        (await Soon(store.IncrementAsync("k", step, default)))?.Value.Should().Be(2);
        (await ReadAsync(store, "k")).ExpiresAt.Should().Be(DateTimeOffset.MaxValue);
    }

    [Fact]
    public async Task A_dead_counter_is_not_counted_on_from()
    {
        var store = await CreateAsync<ICounterStore>();
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(10);
        await InvalidateAsync(store, "k");
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(10);
        await InvalidateTagsAsync(store, "t");
        await ExpectMissingAsync(store, "k");
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(10);
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(20);
        await Soon(store.ClearAsync(default));
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(10);
        await InvalidateAsync(store, "k", InvalidationKind.Expire);
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(10);
        await InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Expire, "t");
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(10);
        (await StepAsync(store, "k", 10, tags: "t")).Should().Be(20);
    }

    [Fact]
    public async Task The_end_of_a_counter_can_be_moved()
    {
        var store = await CreateAsync<ICounterStore>();
        var counter = await CountAsync(store, "k", 1);
        var until = Clock.GetUtcNow() + Hours(50);
        (await Soon(store.SetExpirationAsync("k", counter.Stamp, until, until, default))).Should().BeTrue();
        Clock.Advance(Hours(49));
        (await StepAsync(store, "k", 1)).Should().Be(2);
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task A_value_begun_before_a_step_is_refused()
    {
        var store = await CreateAsync<ICounterStore>();
        var loadStamp = await LoadStampAsync(store, "k");
        await StepAsync(store, "k", 1);
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).IsStored.Should().BeFalse();
        (await ReadAsync(store, "k")).Number.Should().Be(1);
    }

    [Fact]
    public async Task Steps_at_once_lose_nothing_and_give_each_another_number()
    {
        const int Threads = 8;
        const int Times = 100;
        var store = await CreateAsync<ICounterStore>();
        var other = await OpenAnotherAsync(store);
        var seen = new long[Threads][];
        await RunTogetherAsync(Threads, async thread =>
        {
            seen[thread] = new long[Times];
            for (var i = 0; i < Times; i++)
            {
                seen[thread][i] = await StepAsync(thread % 2 == 0 ? store : other, "k", 1);
            }
        });
        seen.SelectMany(numbers => numbers).Should().OnlyHaveUniqueItems();
        (await ReadAsync(store, "k")).Number.Should().Be(Threads * Times);
    }

    private StoreCounterStep Step(long delta, long initial = 0, long minimum = long.MinValue, long maximum = long.MaxValue, params IReadOnlyList<string> tags) => new()
    {
        Delta = delta,
        InitialValue = initial,
        Minimum = minimum,
        Maximum = maximum,
        ExpiresAt = Clock.GetUtcNow() + Hours(10),
        Tags = tags,
    };

    private async Task<long> StepAsync(
        ICounterStore store, string key, long delta, long initial = 0, long minimum = long.MinValue, long maximum = long.MaxValue, params IReadOnlyList<string> tags)
    {
        var count = await Soon(store.IncrementAsync(key, Step(delta, initial, minimum, maximum, tags), default));
        return count.Should().NotBeNull().And.BeOfType<StoreCount>().Which.Value;
    }

    private async Task<StoreCount> CountAsync(ICounterStore store, string key, long delta)
    {
        var count = await Soon(store.IncrementAsync(key, Step(delta), default));
        return count.Should().NotBeNull().And.BeOfType<StoreCount>().Which;
    }
}
