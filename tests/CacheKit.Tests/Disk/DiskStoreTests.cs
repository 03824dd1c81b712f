using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>What a disk store does beyond the contract of all stores.</summary>
public sealed class DiskStoreTests : IDisposable
{
    private readonly DiskFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(255)]
    [InlineData(16_000)]
    [InlineData(16_384)]
    [InlineData(16_385)]
    [InlineData(40_000)]
    [InlineData(100_000)]
    public async Task A_value_of_any_size_is_given_back_as_it_was(int size)
    {
        await using var store = _folder.Open();
        var value = Bytes(size, size);
        (await store.Set("key", value, "tag")).IsStored.Should().BeTrue();
        (await store.Get("key")).Should().Equal(value);
        store.Verify();
    }

    [Fact]
    public async Task Reading_does_not_write_down_when_it_was_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere files are read as the framework does.");
        var before = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        var segment = _folder.SegmentFiles()[0];
        Age();
        await File.ReadAllBytesAsync(segment, TestContext.Current.CancellationToken);
        Assert.SkipWhen(File.GetLastAccessTimeUtc(segment) == before, "The file system does not write that down for anybody.");
        Age();
        (await store.Get("key")).Should().Equal(Bytes(1, 100));
        File.GetLastAccessTimeUtc(segment).Should().Be(before);

        // Before the last write: so the next reader is to be noted.
        void Age() => File.SetLastAccessTimeUtc(segment, before);
    }

    [Fact]
    public async Task Keys_are_listed_each_once_though_the_index_is_gone_through_in_parts()
    {
        await using var store = _folder.Open(settings => settings with { Geometry = DiskFolder.Small with { BucketCount = 3 << 16 } });
        var keys = Enumerable.Range(0, 500).Select(static i => $"key{i}").ToArray();
        foreach (var key in keys)
            await store.Set(key, []);
        (await store.Keys()).Should().BeEquivalentTo(keys);
        store.Check(default).LiveEntries.Should().Be(keys.Length);
    }

    [Fact]
    public async Task A_key_that_goes_and_comes_again_in_another_slot_while_keys_are_listed_is_listed_once()
    {
        await using var store = _folder.Open();
        var keys = Enumerable.Range(0, 1500).Select(static i => $"key{i}").ToArray();
        foreach (var key in keys)
            await store.Set(key, []);
        List<string> listed = [];
        await foreach (var key in store.EnumerateKeysAsync("", default))
        {
            listed.Add(key);
            if (listed.Count != 1000)
                continue;
            foreach (var gone in keys)
                await store.InvalidateAsync(gone, InvalidationKind.Remove, default);
            foreach (var come in keys.Reverse())
                await store.Set(come, []);
        }

        listed.Should().OnlyHaveUniqueItems();
        listed.Count.Should().BeGreaterThanOrEqualTo(1000);
    }

    [Fact]
    public async Task Whatever_is_called_on_a_closed_store_or_given_up_fails_as_a_task()
    {
        var store = _folder.Open();
        await store.DisposeAsync();
        using var ended = new CancellationTokenSource();
        await ended.CancelAsync();
        foreach (var (token, isCancelled) in new[] { (CancellationToken.None, false), (ended.Token, true) })
        {
            Task[] tasks =
            [
                store.ReadAsync("key", default, token).AsTask(),
                store.WriteAsync("key", Entry([]), StoreCondition.Always, token).AsTask(),
                store.WriteAsync("key", Entry(new byte[100_000]), StoreCondition.Always, token).AsTask(),
                store.InvalidateAsync("key", InvalidationKind.Remove, token).AsTask(),
                store.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, token).AsTask(),
                store.ClearAsync(token).AsTask(),
                store.SetExpirationAsync("key", 1, default, default, token).AsTask(),
                store.BeginWriteAsync("key", token).AsTask(),
                store.OpenReadAsync("key", token).AsTask(),
                store.GetApproximateCountAsync(token).AsTask(),
            ];
            foreach (var task in tasks)
            {
                if (isCancelled)
                    await task.Awaiting(static it => it).Should().ThrowAsync<OperationCanceledException>();
                else
                    await task.Awaiting(static it => it).Should().ThrowAsync<ObjectDisposedException>();
            }
        }
    }

    [Fact]
    public async Task A_value_over_an_eighth_of_the_capacity_is_declined_and_takes_the_older_one_with_it()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 10));
        await store.Set("other", Bytes(2, 10));

        (await store.Set("key", new byte[(DiskFolder.Small.DataBytes / 8) + 1])).Outcome.Should().Be(StoreWriteOutcome.Declined);

        (await store.Get("key")).Should().BeNull();
        (await store.Get("other")).Should().NotBeNull();
        store.GetStatistics().DeclinedWrites.Should().Be(1);
    }

    [Fact]
    public async Task A_declined_load_leaves_what_is_there()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 10));
        var stamp = await store.LoadStamp("none") + 0;
        await store.Set("other", Bytes(1, 10));
        (await store.Load("key", new byte[1 << 20], stamp + 1)).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await store.Get("key")).Should().Equal(Bytes(1, 10));
    }

    [Theory]
    [InlineData("a")]
    [InlineData("../../etc/passwd")]
    [InlineData("con")]
    [InlineData("a\0b")]
    [InlineData("schlüssel 🔑")]
    public async Task A_key_is_never_part_of_a_file_name(string key)
    {
        await using var store = _folder.Open();
        await store.Set(key, Bytes(1, 100));
        (await store.Get(key)).Should().Equal(Bytes(1, 100));
        Directory.GetFiles(_folder.Root, "*", SearchOption.AllDirectories).Select(Path.GetFileName)
            .Should().BeEquivalentTo("open.lock", "0.lock", "index.ck", "seg00001.ck");
    }

    [Fact]
    public async Task The_longest_key_and_many_tags_are_kept()
    {
        await using var store = new DiskStore(_folder.Settings with { Geometry = DiskFolder.Small with { SegmentBytes = 1 << 20 } });
        var key = new string('k', 65_535);
        var tags = Enumerable.Range(0, 1000).Select(i => $"tag{i}").ToArray();
        (await store.Set(key, Bytes(1, 1000), tags)).IsStored.Should().BeTrue();
        (await store.Get(key)).Should().Equal(Bytes(1, 1000));
        (await store.Keys()).Should().Equal(key);

        await store.InvalidateTagsAsync(["tag999"], TagMatch.Any, InvalidationKind.Remove, default);
        (await store.Get(key)).Should().BeNull();
    }

    [Fact]
    public async Task What_was_stored_is_there_after_a_clean_restart_and_after_one_of_the_machine()
    {
        await using (var store = _folder.Open())
        {
            await store.Set("kept", Bytes(1, 1000), "tag");
            await store.Set("removed", Bytes(2, 1000), "other");
            await store.InvalidateTagsAsync(["other"], TagMatch.Any, InvalidationKind.Remove, default);
        }

        await using var reopened = _folder.Open(settings => settings with { Boot = "another" });
        (await reopened.Get("kept")).Should().Equal(Bytes(1, 1000));
        (await reopened.Get("removed")).Should().BeNull();
        await reopened.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default);
        (await reopened.Get("kept")).Should().BeNull();
    }

    [Fact]
    public async Task After_a_process_that_died_everything_is_there_unless_the_machine_started_anew()
    {
        await using (var store = _folder.Open(settings => settings with { FlushOnClose = false }))
        {
            await store.Set("key", Bytes(1, 1000));
        }

        await using (var store = _folder.Open(settings => settings with { FlushOnClose = false }))
        {
            (await store.Get("key")).Should().Equal(Bytes(1, 1000));
        }

        await using (var store = _folder.Open(settings => settings with { Boot = "another" }))
        {
            (await store.Get("key")).Should().BeNull();
        }
    }

    [Fact]
    public async Task A_system_that_does_not_tell_its_boots_apart_keeps_what_was_closed_cleanly()
    {
        await using (var store = _folder.Open(settings => settings with { Boot = null }))
            await store.Set("key", Bytes(1, 1000));
        await using (var store = _folder.Open(settings => settings with { Boot = null, FlushOnClose = false }))
            (await store.Get("key")).Should().Equal(Bytes(1, 1000));
        await using (var store = _folder.Open(settings => settings with { Boot = null }))
            (await store.Get("key")).Should().BeNull();
    }

    [Fact]
    public async Task Two_handles_see_each_others_changes_at_once()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        await one.Set("key", Bytes(1, 100), "tag");
        (await two.Get("key")).Should().Equal(Bytes(1, 100));
        await two.Set("key", Bytes(2, 100), "tag");
        (await one.Get("key")).Should().Equal(Bytes(2, 100));

        var stamp = await one.LoadStamp("key");
        await two.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default);
        (await one.Get("key")).Should().BeNull();
        (await one.Load("key", Bytes(3, 100), stamp, "tag")).IsStored.Should().BeFalse();
        (await two.Get("key")).Should().BeNull();
    }

    [Fact]
    public async Task Caches_of_other_names_in_one_directory_see_nothing_of_each_other()
    {
        await using var one = _folder.Open(settings => settings with { CacheName = "Products" });
        await using var two = _folder.Open(settings => settings with { CacheName = "products" });
        await one.Set("key", Bytes(1, 100), "tag");
        (await two.Get("key")).Should().BeNull();
        await two.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default);
        await two.ClearAsync(default);
        (await one.Get("key")).Should().NotBeNull();
    }

    [Fact]
    public async Task The_files_never_take_more_than_the_bound()
    {
        await using var store = _folder.Open();
        for (var i = 0; i < 5000; i++)
        {
            await store.Set($"key{i}", Bytes(i, i % 700));
            if (i % 1000 == 0)
            {
                var statistics = store.GetStatistics();
                statistics.BytesOnDisk.Should().BeLessThanOrEqualTo(statistics.MaximumBytes);
                new DirectoryInfo(_folder.Root).GetFiles("*", SearchOption.AllDirectories).Sum(file => file.Length)
                    .Should().BeLessThanOrEqualTo(statistics.MaximumBytes);
            }
        }

        store.GetStatistics().BytesWritten.Should().BeGreaterThan(2 * DiskFolder.Small.DataBytes, "the log must have come round for this to mean anything");
        store.Verify();
    }

    [Fact]
    public async Task What_is_read_again_and_again_outlives_what_is_not()
    {
        await using var store = _folder.Open();
        await store.Set("hot", Bytes(1, 100));
        await store.Set("cold", Bytes(2, 100));
        for (var i = 0; i < 5000; i++)
        {
            await store.Set($"key{i}", Bytes(i, 500));
            (await store.Get("hot")).Should().NotBeNull();
        }

        (await store.Get("cold")).Should().BeNull();
        var statistics = store.GetStatistics();
        statistics.ReinsertedEntries.Should().BeGreaterThan(0);
        statistics.DroppedSegments.Should().Be(0, "upkeep was in time");
        store.Verify();
    }

    [Fact]
    public async Task Upkeep_that_is_called_off_drops_nothing_it_has_not_looked_at()
    {
        var disposal = Task.CompletedTask;
        DiskStore store = null!; // set before the hook is called
        store = _folder.Open(settings => settings with
        {
            Hook = step => disposal = step == DiskStep.Copied && disposal.IsCompletedSuccessfully ? store.DisposeAsync().AsTask() : disposal,
        });
        await store.Set("first", Bytes(0, 500));
        await store.Get("first");
        await store.Set("second", Bytes(1, 500));
        for (var i = 0; disposal.IsCompletedSuccessfully; i++)
            await store.Set($"key{i}", Bytes(i, 500));
        await disposal;

        await using var next = _folder.Open();
        (await next.Get("first")).Should().NotBeNull("it was carried on");
        (await next.Get("second")).Should().NotBeNull("the rest of its segment was not looked at");
    }

    [Fact]
    public async Task A_renewal_goes_along_when_an_entry_is_carried_on()
    {
        await using var store = _folder.Open();
        var soon = _folder.Clock.GetUtcNow().AddMinutes(1);
        var later = soon.AddHours(1);
        var entry = Entry(Bytes(1, 100)) with { ExpiresAt = soon, RetainUntil = soon };
        var stamp = (await store.WriteAsync("hot", entry, StoreCondition.Always, default)).Stamp;
        (await store.SetExpirationAsync("hot", stamp, later, later, default)).Should().BeTrue();
        for (var i = 0; i < 5000; i++)
        {
            await store.Set($"key{i}", Bytes(i, 500));
            (await store.Get("hot")).Should().NotBeNull();
        }

        using var lookup = await store.ReadAsync("hot", default, default);
        lookup.ExpiresAt.Should().Be(later);
        lookup.Stamp.Should().Be(stamp);
    }

    [Fact]
    public async Task Removing_what_carries_all_of_some_tags_is_exact()
    {
        await using var store = _folder.Open();
        await store.Set("both", Bytes(1, 10), "a", "b", "c");
        await store.Set("one", Bytes(2, 10), "a");
        await store.Set("other", Bytes(3, 10), "b", "c");
        await store.InvalidateTagsAsync(["a", "b"], TagMatch.All, InvalidationKind.Remove, default);
        (await store.Get("both")).Should().BeNull();
        (await store.Get("one")).Should().NotBeNull();
        (await store.Get("other")).Should().NotBeNull();
        await store.Set("both", Bytes(4, 10), "a", "b");
        (await store.Get("both")).Should().NotBeNull();
    }

    [Fact]
    public async Task A_removal_by_all_of_some_tags_still_holds_when_many_more_have_followed()
    {
        await using var store = _folder.Open();
        await store.Set("both", Bytes(1, 10), "a", "b");
        await store.Set("soft", Bytes(1, 10), "e", "f");
        await store.Set("elsewhere", Bytes(1, 10), "x", "y");
        await store.InvalidateTagsAsync(["a", "b"], TagMatch.All, InvalidationKind.Remove, default);
        await store.InvalidateTagsAsync(["e", "f"], TagMatch.All, InvalidationKind.Expire, default);
        for (var i = 0; i < 3 * DiskFolder.Small.Conjunctions; i++)
            await store.InvalidateTagsAsync([$"p{i}", $"q{i}"], TagMatch.All, InvalidationKind.Remove, default);

        (await store.Get("both")).Should().BeNull();
        (await store.Get("elsewhere")).Should().NotBeNull();
        using var soft = await store.ReadAsync("soft", default, default);
        soft.ExpiresAt.Should().BeOnOrBefore(_folder.Clock.GetUtcNow());
    }

    [Fact]
    public async Task A_removal_by_more_tags_than_are_kept_covers_at_least_what_carries_them_all()
    {
        await using var store = _folder.Open();
        var tags = Enumerable.Range(0, Conjunctions.MostTags + 1).Select(i => $"t{i}").ToArray();
        await store.Set("all", Bytes(1, 10), tags);
        await store.InvalidateTagsAsync(tags, TagMatch.All, InvalidationKind.Remove, default);
        (await store.Get("all")).Should().BeNull();
    }

    [Fact]
    public async Task After_a_clear_the_count_is_zero_and_new_entries_are_kept()
    {
        await using var store = _folder.Open();
        for (var i = 0; i < 100; i++)
            await store.Set($"key{i}", Bytes(i, 10));
        (await store.GetApproximateCountAsync(default)).Should().Be(100);
        var stamp = await store.LoadStamp("key1");
        await store.ClearAsync(default);
        (await store.GetApproximateCountAsync(default)).Should().Be(0);
        (await store.Load("key1", Bytes(1, 10), stamp)).IsStored.Should().BeFalse();
        await store.Set("new", Bytes(1, 10));
        (await store.Keys()).Should().Equal("new");
    }

    [Fact]
    public async Task Keys_are_listed_once_each_by_their_beginning_even_while_they_are_carried_on()
    {
        await using var store = _folder.Open();
        for (var i = 0; i < 300; i++)
        {
            await store.Set($"a{i}", Bytes(i, 10), i % 2 == 0 ? "even" : "odd");
            await store.Set($"b{i}", Bytes(i, 10));
        }

        (await store.Keys("a")).Should().BeEquivalentTo(Enumerable.Range(0, 300).Select(i => $"a{i}"));
        await store.InvalidateTagsAsync(["even"], TagMatch.Any, InvalidationKind.Remove, default);
        (await store.Keys("a")).Should().BeEquivalentTo(Enumerable.Range(0, 150).Select(i => $"a{(2 * i) + 1}"));
    }

    [Fact]
    public async Task Removals_of_what_is_not_there_are_remembered_for_loads()
    {
        await using var store = _folder.Open();
        var stamp = await store.LoadStamp("key");
        (await store.InvalidateAsync("key", InvalidationKind.Remove, default)).WasFresh.Should().BeFalse();
        (await store.Load("key", Bytes(1, 10), stamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await store.Load("key", Bytes(1, 10), await store.LoadStamp("key"))).IsStored.Should().BeTrue();
    }

    [Fact]
    public async Task An_older_load_is_refused_after_a_newer_one_even_if_that_was_evicted()
    {
        await using var store = _folder.Open();
        var older = await store.LoadStamp("key");
        await store.Set("other", Bytes(1, 10));
        var newer = await store.LoadStamp("key");
        (await store.Load("key", Bytes(2, 10), newer)).IsStored.Should().BeTrue();
        for (var i = 0; i < 4000; i++)
            await store.Set($"fill{i}", Bytes(i, 500));
        (await store.Get("key")).Should().BeNull("it is to be evicted for this to mean anything");
        (await store.Load("key", Bytes(1, 10), older)).IsStored.Should().BeFalse();
    }

    [Fact]
    public async Task A_disposed_store_says_so_and_can_be_disposed_again()
    {
        var store = _folder.Open();
        await store.Set("key", Bytes(1, 10));
        await store.DisposeAsync();
        await store.DisposeAsync();
        await store.Awaiting(s => s.Get("key")).Should().ThrowAsync<ObjectDisposedException>();
        await store.Awaiting(s => s.Set("key", [])).Should().ThrowAsync<ObjectDisposedException>();
        ReadHead(store).Should().BeGreaterThan(0, "the head stays readable");

        static unsafe long ReadHead(DiskStore store) => Volatile.Read(ref *store.Head);
    }

    [Fact]
    public async Task A_canceled_call_does_nothing()
    {
        await using var store = _folder.Open();
        var canceled = new CancellationToken(canceled: true);
        await store.Awaiting(s => s.WriteAsync("key", Entry([]), StoreCondition.Always, canceled).AsTask()).Should().ThrowAsync<OperationCanceledException>();
        await store.Awaiting(s => s.InvalidateAsync("key", InvalidationKind.Remove, canceled).AsTask()).Should().ThrowAsync<OperationCanceledException>();
        (await store.Get("key")).Should().BeNull();
    }

    [Fact]
    public async Task A_check_tells_live_from_dead()
    {
        await using var store = _folder.Open();
        await store.Set("live", Bytes(1, 10));
        await store.Set("large", Bytes(2, 100_000));
        await store.Set("dead", Bytes(3, 10), "tag");
        await store.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default);
        var result = store.Check(default);
        (result.LiveEntries, result.DeadEntries, result.DamagedEntries).Should().Be((2, 1, 0));
    }
}
