using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>What happens in the middle of something else: each step of a write, a removal or upkeep is stopped at, and another handle acts there.</summary>
public sealed class DiskRaceTests : IDisposable
{
    private readonly DiskFolder _folder = new();

    public static TheoryData<string, string> StepsOfALoad
    {
        get
        {
            TheoryData<string, string> data = [];
            foreach (var step in new[] { nameof(DiskStep.Allocated), nameof(DiskStep.Writing), nameof(DiskStep.Written), nameof(DiskStep.Pending) })
            {
                foreach (var change in new[] { "set", "remove", "expire", "tag", "all tags", "clear" })
                    data.Add(step, change);
            }

            return data;
        }
    }

    public static TheoryData<string, string, int> StepsOfAStep
    {
        get
        {
            TheoryData<string, string, int> data = [];
            foreach (var step in new[] { nameof(DiskStep.Allocated), nameof(DiskStep.Writing), nameof(DiskStep.Written), nameof(DiskStep.Admitted) })
            {
                foreach (var change in new[] { "set", "remove", "expire", "tag", "all tags", "clear" })
                {
                    data.Add(step, change, 100);
                    data.Add(step, change, 40_000); // in pieces
                }
            }

            return data;
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(StepsOfAStep))]
    public async Task A_step_from_an_entry_that_is_overtaken_at_any_step_is_never_seen(string step, string change, int size)
    {
        await using var other = _folder.Open();
        var stamp = (await other.Set("key", Bytes(3, 100), "tag", "other")).Stamp;
        var isDone = false;
        var changed = 0;
        await using var writer = _folder.Open(settings => settings with
        {
            Hook = Once(Enum.Parse<DiskStep>(step), ref isDone, () =>
            {
                changed++;
                Change(other, change).Wait();
            }),
        });

        await writer.WriteAsync("key", Entry(Bytes(1, size), "tag", "other"), StoreCondition.IfUnchanged(stamp), default);

        changed.Should().Be(1);
        foreach (var store in new[] { writer, other })
        {
            using var lookup = await store.ReadAsync("key", default, default);
            if (change == "set")
                lookup.Payload.ToArray().Should().Equal(Bytes(2, 100));
            else
                (lookup.IsFound && lookup.ExpiresAt > _folder.Clock.GetUtcNow()).Should().BeFalse();
        }

        writer.Verify();
    }

    [Theory]
    [InlineData(nameof(DiskStep.Allocated), 100)]
    [InlineData(nameof(DiskStep.Writing), 100)]
    [InlineData(nameof(DiskStep.Written), 100)]
    [InlineData(nameof(DiskStep.Pending), 100)]
    [InlineData(nameof(DiskStep.Allocated), 40_000)]
    [InlineData(nameof(DiskStep.Pending), 40_000)]
    public async Task What_is_to_be_added_gives_way_to_what_is_set_meanwhile(string step, int size)
    {
        await using var other = _folder.Open();
        var isDone = false;
        var changed = 0;
        await using var adder = _folder.Open(settings => settings with
        {
            Hook = Once(Enum.Parse<DiskStep>(step), ref isDone, () =>
            {
                changed++;
                other.Set("key", Bytes(2, 100)).Wait();
            }),
        });

        await adder.WriteAsync("key", Entry(Bytes(1, size)), StoreCondition.IfAbsent, default);

        changed.Should().Be(1);
        (await other.Get("key")).Should().Equal(Bytes(2, 100));
        (await adder.Get("key")).Should().Equal(Bytes(2, 100));
        adder.Verify();
    }

    [Theory]
    [InlineData(InvalidationKind.Remove)]
    [InlineData(InvalidationKind.Expire)]
    public async Task A_step_from_an_entry_whose_removal_is_under_way_does_not_outlive_the_removal(InvalidationKind kind)
    {
        await using var other = _folder.Open();
        var stamp = (await other.Set("key", Bytes(1, 100))).Stamp;
        var outcome = StoreWriteOutcome.Declined;
        await using var remover = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (step == DiskStep.Fenced)
                    outcome = other.WriteAsync("key", Entry(Bytes(2, 100)), StoreCondition.IfUnchanged(stamp), default).AsTask().Result.Outcome;
            },
        });
        await remover.InvalidateAsync("key", kind, default);

        using var lookup = await other.ReadAsync("key", default, default);
        (lookup.IsFound && lookup.ExpiresAt > _folder.Clock.GetUtcNow()).Should().BeFalse($"the step was {outcome}, from an entry of before the removal");
    }

    [Fact]
    public async Task Sets_of_one_key_by_many_at_once_write_about_what_they_store()
    {
        await using var store = new DiskStore(_folder.Settings with { Geometry = DiskGeometry.For(64 << 20, 1024, null), Schedule = static work => ThreadPool.QueueUserWorkItem(_ => work()) });
        const int Threads = 8, Each = 2000;
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < Each; i++)
                await store.Set("key", new byte[1000]);
        })));
        var perSet = store.GetStatistics().BytesWritten / (double)(Threads * Each);
        perSet.Should().BeLessThan(1.2 * 1100);
    }

    [Theory]
    [MemberData(nameof(StepsOfALoad))]
    public async Task A_load_that_is_overtaken_at_any_step_is_never_seen(string step, string change)
    {
        await using var other = _folder.Open();
        var stamp = await other.LoadStamp("key");
        var isDone = false;
        await using var loader = _folder.Open(settings => settings with { Hook = Once(Enum.Parse<DiskStep>(step), ref isDone, () => Change(other, change).Wait()) });

        await loader.Load("key", Bytes(1, 100), stamp, "tag", "other");

        foreach (var store in new[] { loader, other })
        {
            var value = await store.Get("key");
            if (change == "set")
                value.Should().Equal(Bytes(2, 100));
            else
                value.Should().BeNull();
        }

        loader.Verify();
    }

    [Theory]
    [InlineData("set")]
    [InlineData("remove")]
    [InlineData("expire")]
    public async Task A_load_that_takes_the_slot_of_another_key_is_overtaken_all_the_same(string change)
    {
        // Two fingerprints for all keys, both of them taken.
        var geometry = DiskFolder.Small with { FingerprintBits = 1, BucketCount = 1 };
        await using var other = _folder.Open(settings => settings with { Geometry = geometry });
        for (var i = 0; i < 20; i++)
            await other.Set($"occupant{i}", Bytes(3, 100));
        var stamp = await other.LoadStamp("key");
        var isDone = false;
        await using var loader = _folder.Open(settings => settings with
        {
            Geometry = geometry,
            Hook = Once(DiskStep.Admitted, ref isDone, () => Change(other, change).Wait()),
        });

        await loader.Load("key", Bytes(1, 100), stamp);

        var value = await other.Get("key");
        if (change == "set")
            value.Should().Equal(Bytes(2, 100));
        else
            value.Should().BeNull();
        loader.Verify();
    }

    [Theory]
    [InlineData(nameof(DiskStep.Allocated))]
    [InlineData(nameof(DiskStep.Writing))]
    [InlineData(nameof(DiskStep.Written))]
    [InlineData(nameof(DiskStep.Pending))]
    public async Task A_set_that_was_given_up_does_not_come_after_a_later_one(string step)
    {
        await using var other = _folder.Open();
        using var giveUp = new CancellationTokenSource();
        var isDone = false;
        await using var slow = _folder.Open(settings => settings with
        {
            Hook = Once(Enum.Parse<DiskStep>(step), ref isDone, () =>
            {
                giveUp.Cancel();
                other.Set("key", Bytes(2, 100)).Wait();
            }),
        });

        await slow.WriteAsync("key", Entry(Bytes(1, 100)), StoreCondition.Always, giveUp.Token);

        (await other.Get("key")).Should().Equal(Bytes(2, 100));
        slow.Verify();
    }

    [Theory]
    [InlineData(nameof(DiskStep.Allocated))]
    [InlineData(nameof(DiskStep.Writing))]
    [InlineData(nameof(DiskStep.Written))]
    [InlineData(nameof(DiskStep.Pending))]
    public async Task A_writer_that_dies_at_any_step_leaves_nothing_in_the_way(string step)
    {
        await using (var died = _folder.Open(settings => settings with { Hook = reached => Die(reached == Enum.Parse<DiskStep>(step)), FlushOnClose = false }))
            await died.Awaiting(store => store.Set("key", Bytes(1, 100))).Should().ThrowAsync<DiedException>();
        await using var store = _folder.Open();
        (await store.Get("key")).Should().BeNull();
        (await store.WriteAsync("key", Entry(Bytes(2, 100)), StoreCondition.IfAbsent, default)).IsStored.Should().BeTrue();
        (await store.Get("key")).Should().Equal(Bytes(2, 100));
        (await store.InvalidateAsync("key", InvalidationKind.Remove, default)).WasFresh.Should().BeTrue();
        (await store.Get("key")).Should().BeNull();
        store.Verify();
    }

    [Fact]
    public async Task An_explicit_write_that_fails_leaves_nothing_older()
    {
        var isBroken = false;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (isBroken && step == DiskStep.Writing)
                    throw new IOException("broken");
            },
        });
        await store.Set("key", Bytes(1, 100));
        isBroken = true;
        (await store.Awaiting(it => it.Set("key", Bytes(2, 100))).Should().ThrowAsync<CacheStoreException>()).Which.InnerException!.Message.Should().Be("broken");
        isBroken = false;
        (await store.Get("key")).Should().BeNull();
    }

    [Theory]
    [InlineData("set")]
    [InlineData("remove")]
    [InlineData("expire")]
    [InlineData("renew")]
    [InlineData("step")]
    public async Task What_happens_to_an_entry_while_it_is_carried_on_is_not_lost(string change)
    {
        await using var other = _folder.Open();
        var soon = _folder.Clock.GetUtcNow().AddHours(1);
        var stamp = (await other.WriteAsync("hot", Entry(Bytes(1, 100)) with { ExpiresAt = soon }, StoreCondition.Always, default)).Stamp;
        var isDone = false;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = Once(DiskStep.Copied, ref isDone, () => (change switch
            {
                "set" => other.Set("hot", Bytes(2, 100)),
                "remove" => other.InvalidateAsync("hot", InvalidationKind.Remove, default).AsTask(),
                "expire" => other.InvalidateAsync("hot", InvalidationKind.Expire, default).AsTask(),
                "renew" => other.SetExpirationAsync("hot", stamp, soon.AddHours(1), soon.AddHours(2), default).AsTask(),
                _ => (Task)other.WriteAsync("hot", Entry(Bytes(3, 100)), StoreCondition.IfUnchanged(stamp), default).AsTask(),
            }).Wait()),
        });
        for (var i = 0; i < 1900; i++)
        {
            await store.Set($"key{i}", Bytes(i, 500));
            if (i == 0)
                (await store.Get("hot")).Should().NotBeNull("it is to be carried on");
        }

        store.GetStatistics().BytesWritten.Should().BeGreaterThan(DiskFolder.Small.DataBytes);
        using var lookup = await store.ReadAsync("hot", default, default);
        switch (change)
        {
            case "set":
                lookup.Payload.ToArray().Should().Equal(Bytes(2, 100));
                break;
            case "remove":
                lookup.IsFound.Should().BeFalse();
                break;
            case "expire":
                lookup.ExpiresAt.Should().BeOnOrBefore(_folder.Clock.GetUtcNow());
                break;
            case "renew":
                (lookup.ExpiresAt, lookup.RetainUntil).Should().Be((soon.AddHours(1), soon.AddHours(2)));
                break;
            default:
                lookup.Payload.ToArray().Should().Equal(Bytes(3, 100));
                break;
        }
    }

    [Theory]
    [InlineData("Writing", 28)]
    [InlineData("Written", 5)]
    public async Task An_entry_that_is_to_end_sooner_does_not_live_on_in_a_copy_that_cannot_be_brought_up_to_date(string at, int error)
    {
        await using var other = _folder.Open();
        var late = _folder.Clock.GetUtcNow().AddHours(10);
        var stamp = (await other.WriteAsync("hot", Entry(Bytes(1, 100)) with { ExpiresAt = late }, StoreCondition.Always, default)).Stamp;
        var (isCopied, hasFailed) = (false, false);
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (step == DiskStep.Copied && !isCopied)
                {
                    isCopied = true;
                    other.SetExpirationAsync("hot", stamp, late.AddHours(-9), late.AddHours(-9), default).AsTask().Wait();
                }
                else if (step == Enum.Parse<DiskStep>(at) && isCopied && !hasFailed)
                {
                    hasFailed = true;
                    throw new IOException("It cannot be written.", error);
                }
            },
        });
        for (var i = 0; i < 1900; i++)
        {
            await store.Set($"key{i}", Bytes(i, 500));
            if (i == 0)
                (await store.Get("hot")).Should().NotBeNull("it is to be carried on");
        }

        (isCopied, hasFailed).Should().Be((true, true));
        _folder.Clock.Advance(TimeSpan.FromHours(2));
        (await store.Get("hot")).Should().BeNull("it was to live for an hour");
        store.Verify();
    }

    [Fact]
    public async Task A_renewal_of_an_entry_that_was_carried_on_is_not_undone_by_one_that_came_before()
    {
        await using var other = _folder.Open();
        var soon = _folder.Clock.GetUtcNow().AddHours(1);
        var stamp = (await other.WriteAsync("hot", Entry(Bytes(1, 100)) with { ExpiresAt = soon }, StoreCondition.Always, default)).Stamp;
        List<bool> renewed = [];
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                // Once before the slot points to the copy; and once when it does, while those instants are about to be taken over.
                if (step == DiskStep.Copied && renewed.Count < 2)
                    renewed.Add(other.SetExpirationAsync("hot", stamp, soon.AddHours(1 + renewed.Count), soon.AddHours(5), default).AsTask().Result);
            },
        });
        for (var i = 0; i < 1900; i++)
        {
            await store.Set($"key{i}", Bytes(i, 500));
            if (i == 0)
                (await store.Get("hot")).Should().NotBeNull("it is to be carried on");
        }

        renewed.Should().Equal(true, true);
        using var lookup = await store.ReadAsync("hot", default, default);
        (lookup.ExpiresAt, lookup.RetainUntil).Should().Be((soon.AddHours(2), soon.AddHours(5)));
        lookup.Payload.ToArray().Should().Equal(Bytes(1, 100));
        store.Verify();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_writer_that_slept_for_a_whole_round_destroys_a_record_but_is_not_believed(bool verifiesSums)
    {
        await using var other = _folder.Open(settings => settings with { VerifySums = verifiesSums });
        var isDone = false;
        await using var sleeper = _folder.Open(settings => settings with
        {
            Hook = Once(DiskStep.Writing, ref isDone, () =>
            {
                // Until the log has come round, and the place of the sleeper is in the middle of another's record.
                for (var i = 0; i < 190; i++)
                    other.Set($"key{i}", Bytes(i, 7000)).Wait();
            }),
        });
        await other.Set("first", Bytes(1, 3000));
        await sleeper.Set("late", Bytes(1, 1000));

        var wrong = 0;
        for (var i = 0; i < 190; i++)
            wrong += await other.Get($"key{i}") is { } value && !value.AsSpan().SequenceEqual(Bytes(i, 7000)) ? 1 : 0;
        wrong.Should().Be(verifiesSums ? 0 : 1, "without the sums somebody would have got torn bytes");
        other.Check(default).DamagedEntries.Should().Be(verifiesSums ? 1 : 0);
    }

    [Fact]
    public async Task A_segment_that_vanishes_under_a_reader_is_a_miss()
    {
        await using var writer = _folder.Open();
        await writer.Set("key", Bytes(1, 1000));
        var isDone = false;
        await using var reader = _folder.Open(settings => settings with { Hook = Once(DiskStep.Found, ref isDone, () => File.Delete(_folder.SegmentFiles().Single())) });
        (await reader.Get("key")).Should().BeNull();
        await writer.Set("key", Bytes(2, 1000));
    }

    [Fact]
    public async Task Of_steps_from_one_entry_at_once_one_succeeds_even_while_it_is_moved()
    {
        await using var store = _folder.Open();
        var stamp = (await store.Set("counter", Bytes(0, 10))).Stamp;
        var results = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() =>
            store.WriteAsync("counter", Entry(Bytes(i, 10)), StoreCondition.IfUnchanged(stamp), default).AsTask())));
        results.Count(result => result.IsStored).Should().Be(1);
    }

    private static Task Change(DiskStore store, string change) => change switch
    {
        "set" => store.Set("key", Bytes(2, 100)),
        "remove" => store.InvalidateAsync("key", InvalidationKind.Remove, default).AsTask(),
        "expire" => store.InvalidateAsync("key", InvalidationKind.Expire, default).AsTask(),
        "tag" => store.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default).AsTask(),
        "all tags" => store.InvalidateTagsAsync(["other", "tag"], TagMatch.All, InvalidationKind.Remove, default).AsTask(),
        _ => store.ClearAsync(default).AsTask(),
    };

    private static Action<DiskStep> Once(DiskStep step, ref bool isDone, Action act)
    {
        var done = isDone;
        return reached =>
        {
            if (reached == step && !done)
            {
                done = true;
                act();
            }
        };
    }

    private static void Die(bool dies)
    {
        if (dies)
            throw new DiedException();
    }

    private sealed class DiedException : Exception;
}
