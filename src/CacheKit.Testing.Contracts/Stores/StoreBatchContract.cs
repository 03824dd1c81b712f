using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Many keys at once are what they are one after the other: each with its own condition and its own outcome, in the order asked.</summary>
public abstract class StoreBatchContract : StoreContract
{
    [Fact]
    public async Task Reads_come_in_the_order_asked_with_the_missing_in_their_places()
    {
        var store = await CreateAsync<IBatchStore>();
        await SetAsync(store, "a", Entry("A"));
        await SetAsync(store, "c", Entry("C"));
        await SetAsync(store, "stale", Entry("S", Hours(1), Hours(5)));
        await SetAsync(store, "dead", Entry("D", "t"));
        await InvalidateTagsAsync(store, "t");
        Clock.Advance(Hours(2));
        var read = await ReadManyAsync(store, ["c", "absent", "a", "dead", "stale"]);
        read.Select(it => it.Text).Should().Equal("C", "", "A", "", "S");
        read.Select(it => it.Status != StoreLookupStatus.Missing).Should().Equal(true, false, true, false, true);
        read[4].ExpiresAt.Should().BeBefore(Clock.GetUtcNow());
    }

    [Fact]
    public async Task Each_read_gives_a_stamp_to_load_under()
    {
        var store = await CreateAsync<IBatchStore>();
        await SetAsync(store, "a", Entry("A"));
        var read = await ReadManyAsync(store, ["x", "y", "z"]);
        await InvalidateAsync(store, "y");
        await InvalidateTagsAsync(store, "t");
        var written = await WriteManyAsync(
            store,
            new("x", Entry("X"), StoreCondition.IfCurrent(read[0].LoadStamp)),
            new("y", Entry("Y"), StoreCondition.IfCurrent(read[1].LoadStamp)),
            new("z", Entry("Z", "t"), StoreCondition.IfCurrent(read[2].LoadStamp)));
        written[0].Should().Be(new StoreWriteResult(StoreWriteOutcome.Stored, read[0].LoadStamp));
        written[1].Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "x", "X");
        await ExpectMissingAsync(store, "y");
        await ExpectMissingAsync(store, "z");
    }

    [Fact]
    public async Task Each_write_has_its_own_condition_lifetime_and_tags()
    {
        var store = await CreateAsync<IBatchStore>();
        var stamp = await SetAsync(store, "unchanged", Entry("old"));
        await SetAsync(store, "changed", Entry("old"));
        await SetAsync(store, "present", Entry("old"));
        var results = await WriteManyAsync(
            store,
            new("set", Entry("new", Hours(1), default, "t"), StoreCondition.Always),
            new("present", Entry("new"), StoreCondition.IfAbsent),
            new("absent", Entry("new", "u"), StoreCondition.IfAbsent),
            new("unchanged", Entry("new"), StoreCondition.IfUnchanged(stamp)),
            new("changed", Entry("new"), StoreCondition.IfUnchanged(stamp)),
            new("empty", Entry(""), StoreCondition.Always));
        results.Select(result => result.IsStored).Should().Equal(true, false, true, true, false, true);
        (await ReadManyAsync(store, ["set", "present", "absent", "unchanged", "changed", "empty"]))
            .Select(it => it.Text).Should().Equal("new", "old", "new", "new", "old", "");
        (await ReadAsync(store, "set")).Stamp.Should().Be(results[0].Stamp);
        await InvalidateTagsAsync(store, "u");
        await ExpectMissingAsync(store, "absent");
        await ExpectAsync(store, "set", "new");
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "set");
        await ExpectAsync(store, "unchanged", "new");
    }

    [Fact]
    public async Task Each_removal_tells_whether_something_was_there()
    {
        var store = await CreateAsync<IBatchStore>();
        await SetAsync(store, "a", Entry("A"));
        await SetAsync(store, "c", Entry("C"));
        await SetAsync(store, "other", Entry("other"));
        var loadStamp = await LoadStampAsync(store, "b");
        var removed = await Soon(store.InvalidateManyAsync(["a", "b", "c"], InvalidationKind.Remove, default));
        removed.Select(it => it.WasFresh).Should().Equal(true, false, true);
        removed.Should().OnlyContain(it => it.Stamp > loadStamp);
        (await PopulateAsync(store, "b", Entry("late"), loadStamp)).IsStored.Should().BeFalse();
        await ExpectMissingAsync(store, "a");
        await ExpectMissingAsync(store, "b");
        await ExpectMissingAsync(store, "c");
        await ExpectAsync(store, "other", "other");
    }

    [Fact]
    public async Task Many_entries_can_be_made_to_expire()
    {
        var store = await CreateAsync<IBatchStore>();
        await SetAsync(store, "a", Entry("A", Hours(1), Hours(5)));
        await SetAsync(store, "b", Entry("B", Hours(1), Hours(5)));
        var expired = await Soon(store.InvalidateManyAsync(["a", "absent", "b"], InvalidationKind.Expire, default));
        expired.Select(it => it.WasFresh).Should().Equal(true, false, true);
        await ExpectExpiredAsync(store, "a", "A");
        await ExpectExpiredAsync(store, "b", "B");
    }

    [Fact]
    public async Task None_is_fine()
    {
        var store = await CreateAsync<IBatchStore>();
        (await Soon(store.ReadManyAsync([], default, default))).Should().BeEmpty();
        (await Soon(store.WriteManyAsync([], default))).Should().BeEmpty();
        (await Soon(store.InvalidateManyAsync([], InvalidationKind.Remove, default))).Should().BeEmpty();
    }

    [Fact]
    public async Task Thousands_at_once_are_fine()
    {
        const int Count = 2_500;
        var store = await CreateAsync<IBatchStore>();
        string[] keys = [.. Enumerable.Range(0, Count).Select(i => $"key {i}")];
        var results = await WriteManyAsync(store, [.. keys.Select((key, i) => new StoreWrite(key, Entry($"{i}", $"t{i % 10}"), StoreCondition.Always))]);
        results.Should().HaveCount(Count).And.OnlyContain(result => result.IsStored);
        var read = await ReadManyAsync(store, keys, new() { TagHints = ["t1"] });
        read.Select(it => it.Text).Should().Equal(Enumerable.Range(0, Count).Select(i => $"{i}"));
        await InvalidateTagsAsync(store, "t3");
        (await ReadManyAsync(store, keys)).Select(it => it.Status == StoreLookupStatus.Missing).Should().Equal(Enumerable.Range(0, Count).Select(i => i % 10 == 3));
        (await Soon(store.InvalidateManyAsync(keys, InvalidationKind.Remove, default))).Count(it => it.WasFresh).Should().Be(Count / 10 * 9);
        (await ReadManyAsync(store, keys)).Should().OnlyContain(it => it.Status == StoreLookupStatus.Missing);
    }

    [Fact]
    public async Task The_bytes_need_not_be_read()
    {
        var store = await CreateAsync<IBatchStore>();
        var stamp = await SetAsync(store, "a", Entry("A"));
        var read = await ReadManyAsync(store, ["absent", "a"], new() { WithoutPayload = true });
        read.Select(it => it.Status).Should().Equal(StoreLookupStatus.Missing, StoreLookupStatus.Found);
        read[1].Stamp.Should().Be(stamp);
    }

    private static async Task<ReadResult[]> ReadManyAsync(IBatchStore store, string[] keys, StoreReadOptions options = default)
    {
        var lookups = await Soon(store.ReadManyAsync(keys, options, default));
        lookups.Should().HaveCount(keys.Length);
        var results = lookups.Select(lookup => new ReadResult(lookup)).ToArray();
        foreach (var lookup in lookups)
        {
            lookup.Dispose();
        }

        return results;
    }

    private static async Task<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IBatchStore store, params IReadOnlyList<StoreWrite> writes)
    {
        var results = await Soon(store.WriteManyAsync(writes, default));
        results.Should().HaveCount(writes.Count);
        return results;
    }
}
