using CacheKit.Disk;
using CacheKit.Stores;
using CacheKit.Tests.Diagnostics;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>A disk that is full costs entries, and nothing else. Needs the right to mount a small file system; skipped without.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly DiskFolder _folder = new();
    private MountedFolder? _mounted;

    public void Dispose()
    {
        _mounted?.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_disk_that_takes_nothing_any_more_does_not_cost_what_is_there()
    {
        var isFull = false;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = FullAt(DiskStep.Writing, () => isFull),
        });
        for (var i = 0; i < 200; i++)
            await store.Set($"key{i}", Bytes(i, 500));
        isFull = true;
        (await store.Set("more", Bytes(1, 500))).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await store.Set("key7", Bytes(1, 500))).Outcome.Should().Be(StoreWriteOutcome.Declined);
        for (var i = 0; i < 5000; i++)
            (await store.Set("more", Bytes(1, 1 + (i % 1000)))).Outcome.Should().Be(StoreWriteOutcome.Declined, "many times as many as the log has room for");

        (await store.Get("key7")).Should().BeNull("it was to be replaced");
        for (var i = 0; i < 200; i++)
        {
            if (i != 7)
                (await store.Get($"key{i}")).Should().Equal(Bytes(i, 500), "what is there stays readable");
        }

        isFull = false;
        foreach (var size in new[] { 100, 1000, 20_000, 500 })
        {
            await store.Set("more", Bytes(size, size));
            (await store.Get("more")).Should().Equal(Bytes(size, size), "there is room again");
        }

        store.Verify();
        store.Check(default).DamagedEntries.Should().Be(0);
    }

    [Fact]
    public async Task A_cache_that_cannot_be_opened_with_larger_sizes_is_there_with_its_own()
    {
        Mount(kilobytes: 4000);
        await using (var store = _folder.Open())
            await store.Set("key", Bytes(1, 500));

        var larger = () => _folder.Open(settings => settings with { Geometry = DiskFolder.Small with { BucketCount = 1 << 18 } });
        larger.Should().Throw<CacheStoreException>().WithMessage("*no room*DiskOptions.MaximumBytes to less*");
        await using var again = _folder.Open();
        (await again.Get("key")).Should().Equal(Bytes(1, 500));
    }

    [Fact]
    public async Task A_set_that_fails_because_no_file_can_be_opened_leaves_nothing_older()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "It takes a file that cannot be opened.");
        await using var other = _folder.Open();
        await other.Set("key", Bytes(1, 100));
        await using var store = _folder.Open();
        var segment = _folder.SegmentFiles().Single();
        File.Move(segment, segment + ".away");
        File.CreateSymbolicLink(segment, "/proc/self/exe"); // cannot be opened for writing: as if there were no more handles
        await store.Awaiting(it => it.Set("key", Bytes(2, 100))).Should().ThrowAsync<CacheStoreException>();
        File.Delete(segment);
        File.Move(segment + ".away", segment);

        (await other.Get("key")).Should().BeNull("it was to be replaced");
    }

    [Fact]
    public async Task A_cache_that_fills_the_disk_goes_on_with_what_there_is()
    {
        Mount(kilobytes: 600);
        await using var store = _folder.Open();
        var stored = 0;
        for (var i = 0; i < 3000; i++)
        {
            var result = await store.Set($"key{i}", Bytes(i, 500));
            stored += result.IsStored ? 1 : 0;
            if (result.IsStored)
                (await store.Get($"key{i}")).Should().NotBeNull();
        }

        stored.Should().BeGreaterThan(2500, "files that exist are used again");
        store.GetStatistics().Segments.Should().BeInRange(2, 15, "the disk must have become full for this to mean anything");
        store.Verify();
        store.Check(default).DamagedEntries.Should().Be(0);
    }

    [Theory]
    [InlineData("tmpfs", 0)]
    [InlineData("tmpfs", 30)]
    [InlineData("ext4", 60)]
    public async Task With_less_room_than_it_was_given_it_is_a_smaller_cache_in_which_the_oldest_go(string kind, int further)
    {
        const int EntriesPerSegment = 12;
        const int Segments = 8;
        if (kind == "tmpfs")
            Mount(kilobytes: 4000);
        else
            MountImage(kind);
        await using var store = _folder.Open();
        var set = 0;
        for (; store.GetStatistics().Segments < Segments; set++)
            await store.Set($"key{set}", Bytes(set, 5000));
        Fill();

        for (var end = (5 * Segments * EntriesPerSegment) + further; set < end; set++)
            (await store.Set($"key{set}", Bytes(set, 5000))).Outcome.Should().Be(StoreWriteOutcome.Stored);
        for (var i = set - ((Segments - 3) * EntriesPerSegment); i < set; i++)
            (await store.Get($"key{i}")).Should().Equal(Bytes(i, 5000), "all segments but one being written and two made free are full of what came last");
        (await store.Get($"key{set - ((Segments + 1) * EntriesPerSegment)}")).Should().BeNull();
        store.GetStatistics().Segments.Should().Be(Segments, "the disk must have been full for this to mean anything");
        store.MissingBytes.Should().Be((DiskFolder.Small.SegmentCount - Segments) * DiskFolder.Small.SegmentBytes);
        store.Verify();
        store.Check(default).DamagedEntries.Should().Be(0);
    }

    [Fact]
    public async Task That_the_disk_is_full_is_told_once_and_so_is_that_it_has_room_again()
    {
        Mount(kilobytes: 600);
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        await using var store = _folder.Open();
        await store.Set("older", Bytes(1, 500));
        store.MissingBytes.Should().Be(0);
        Fill();
        for (var i = 0; i < 300; i++)
            await store.Set($"key{i}", Bytes(i, 5000));

        logger.Messages.Should().ContainSingle().Which.Message.Should().Be(
            $"Cache 'default': the disk, or this user's share of it, has no room for all of the disk cache in '{_folder.Files}', which grows by 65,536 bytes at a time: 0 were free on the disk. It goes on with 65,536 of 1,048,576 bytes.");
        store.MissingBytes.Should().Be(15 * 65536);
        var starting = new RecordingLogger();
        await using (var other = _folder.Open(settings => settings with { Logger = starting }))
            other.MissingBytes.Should().Be(15 * 65536, "they share it");
        starting.Messages.Should().ContainSingle("who starts on a full disk tells it in a log of its own").Which.Message.Should().Be(logger.Messages[0].Message);

        File.Delete(Path.Combine(_folder.Root, "filler"));
        for (var i = 0; i < 30; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        store.MissingBytes.Should().Be(0);
        logger.Messages.Should().HaveCount(2);
        (logger.Messages[1].Id, logger.Messages[1].Message).Should().Be((206, $"Cache 'default': the disk has room again for the disk cache in '{_folder.Files}'."));
    }

    [Fact]
    public async Task A_disk_that_is_full_now_and_then_is_told_to_be_full_at_once_and_to_have_room_once_a_minute()
    {
        var isFull = false;
        var logger = new RecordingLogger();
        await using var store = _folder.Open(settings => settings with
        {
            Logger = logger,
            Hook = FullAt(DiskStep.Writing, () => isFull),
        });
        for (var i = 0; i < 300; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        var expected = new List<int>();
        await GoThrough(full: 205, room: 206);
        await GoThrough(full: 205, room: null);
        await GoThrough(full: null, room: null);
        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        await store.Get("key1");
        expected.Add(206);
        Told().Should().Equal(expected, "it has had room for a while");
        await GoThrough(full: 205, room: null);

        async Task GoThrough(int? full, int? room)
        {
            isFull = true;
            await store.Set("small", Bytes(1, 100));
            expected.AddRange(full is { } first ? [first] : []);
            Told().Should().Equal(expected);
            isFull = false;
            await store.Set("large", Bytes(1, 5000));
            store.MissingBytes.Should().Be(0, "what is told in numbers waits for nothing");
            expected.AddRange(room is { } second ? [second] : []);
            Told().Should().Equal(expected);
        }

        IEnumerable<int> Told() => logger.Messages.Select(message => message.Id);
    }

    /// <summary>What is tried and fails may have taken all there is, and not have given it back yet.</summary>
    [Fact]
    public async Task The_room_that_is_told_is_that_before_it_was_tried()
    {
        Mount(kilobytes: 600);
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (step == DiskStep.Creating)
                {
                    Fill();
                    throw new IOException("full", 28);
                }
            },
        });
        var free = FileSystem.FreeBytesOf(_folder.Root)!.Value;
        free.Should().BePositive();
        await store.Set("key", Bytes(1, 500));
        logger.Messages.Should().ContainSingle().Which.Message.Should().Contain(string.Create(System.Globalization.CultureInfo.InvariantCulture, $": {free:N0} were free"));
    }

    [Fact]
    public async Task That_a_disk_has_room_again_shows_though_nothing_is_written()
    {
        Mount(kilobytes: 600);
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 500));
        Fill();
        for (var i = 0; i < 30; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        store.MissingBytes.Should().Be(15 * 65536);

        File.Delete(Path.Combine(_folder.Root, "filler"));
        store.MissingBytes.Should().Be(15 * 65536, "it was looked at just now");
        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        store.MissingBytes.Should().Be(0);
        logger.Messages.Select(message => message.Id).Should().Equal(205, 206);
    }

    [Fact]
    public async Task Whoever_opens_a_cache_whose_disk_was_full_looks_whether_it_still_is()
    {
        Mount(kilobytes: 600);
        await using (var before = _folder.Open())
        {
            await before.Set("key", Bytes(1, 500));
            Fill();
            for (var i = 0; i < 30; i++)
                await before.Set($"key{i}", Bytes(i, 5000));
            before.MissingBytes.Should().BePositive();
        }

        await using (var still = _folder.Open())
            still.MissingBytes.Should().Be(15 * 65536);
        File.Delete(Path.Combine(_folder.Root, "filler"));
        await using var store = _folder.Open();
        store.MissingBytes.Should().Be(0);
    }

    [Fact]
    public async Task Who_asks_how_much_is_missing_does_not_wait_for_the_disk()
    {
        Queue<Action> background = new();
        var isFull = true;
        var looks = 0;
        await using var store = _folder.Open(settings => settings with
        {
            Schedule = background.Enqueue,
            Hook = step =>
            {
                looks += step == DiskStep.Creating ? 1 : 0;
                if (isFull && step == DiskStep.Creating)
                    throw new IOException("full", 28);
            },
        });
        (await store.Set("key", Bytes(1, 500))).Outcome.Should().Be(StoreWriteOutcome.Declined);
        background.Clear();
        isFull = false;
        looks = 0;

        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        for (var i = 0; i < 10; i++)
            store.MissingBytes.Should().Be(DiskFolder.Small.DataBytes);
        looks.Should().Be(0);
        background.Should().ContainSingle("one look does for all");
        background.Dequeue()();
        (looks, store.MissingBytes).Should().Be((1, 0));
        background.Should().BeEmpty();
    }

    [Fact]
    public async Task A_share_of_the_disk_that_is_used_up_is_told_though_the_disk_has_room()
    {
        const int QuotaExceeded = 122;
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The number of the error is another elsewhere.");
        var (isUsedUp, tries) = (false, 0);
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                tries += step == DiskStep.Creating ? 1 : 0;
                if (isUsedUp && step == DiskStep.Creating)
                    throw new IOException("quota", QuotaExceeded);
            },
        });
        await store.Set("key", Bytes(1, 500));
        isUsedUp = true;
        for (var i = 0; i < 30; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        store.MissingBytes.Should().Be(15 * 65536);
        tries = 0;
        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        store.MissingBytes.Should().Be(15 * 65536, "what is free on the disk is not for this user");
        tries.Should().Be(1, "that can only be tried out");
        logger.Messages.Select(message => message.Id).Should().Equal(205);

        isUsedUp = false;
        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        store.MissingBytes.Should().Be(0);
        logger.Messages.Select(message => message.Id).Should().Equal(205, 206);
    }

    [Fact]
    public async Task The_second_time_is_told_by_every_process_as_the_first()
    {
        var isFull = false;
        var (first, second) = (new RecordingLogger(), new RecordingLogger());
        await using var one = _folder.Open(settings => settings with { Logger = first, Hook = FailWhileFull });
        await using var other = _folder.Open(settings => settings with { Logger = second, Hook = FailWhileFull });
        await one.Set("key", Bytes(1, 500));
        for (var time = 1; time <= 2; time++)
        {
            isFull = true;
            for (var i = 0; i < 100; i++)
            {
                // Of such sizes that now the one and now the other comes to the end of the segment.
                await one.Set($"one{i}", Bytes(i, 1000 + (i * 97 % 4000)));
                await other.Set($"other{i}", Bytes(i, 5000));
            }

            foreach (var logger in new[] { first, second })
                logger.Messages.Count(message => message.Id == 205).Should().Be(time);
            isFull = false;
            for (var i = 0; one.MissingBytes > 0 && i < 1000; i++)
                await other.Set($"more{i}", Bytes(i, 5000)); // which notices with the next file that there is room, and the one does not
            one.MissingBytes.Should().Be(0);
            _folder.Clock.Advance(TimeSpan.FromMinutes(2));
        }

        void FailWhileFull(DiskStep step)
        {
            if (isFull && step == DiskStep.Creating)
                throw new IOException("full", 28);
        }
    }

    [Fact]
    public async Task The_second_time_is_told_though_every_file_was_there_the_first_time()
    {
        var isFull = false;
        var logger = new RecordingLogger();
        await using var store = _folder.Open(settings => settings with
        {
            Logger = logger,
            Hook = FullAt(DiskStep.Writing, () => isFull),
        });
        for (var i = 0; i < 300; i++)
            await store.Set($"key{i}", Bytes(i, 5000)); // where blocks are not reserved, a disk can be full though all files exist

        for (var time = 1; time <= 2; time++)
        {
            isFull = true;
            (await store.Set("small", Bytes(1, 100))).Outcome.Should().Be(StoreWriteOutcome.Declined);
            store.MissingBytes.Should().BePositive();
            isFull = false;
            (await store.Set("large", Bytes(1, 5000))).Outcome.Should().Be(StoreWriteOutcome.Stored, "not in the place that was left");
            store.MissingBytes.Should().Be(0);
            logger.Messages.Count(message => message.Id == 205).Should().Be(time);
            logger.Messages.Count(message => message.Id == 206).Should().Be(time);
            _folder.Clock.Advance(TimeSpan.FromMinutes(2));
        }
    }

    [Fact]
    public async Task A_logger_that_fails_is_not_taken_for_a_disk_that_is_full()
    {
        var isFull = true;
        await using var store = _folder.Open(settings => settings with
        {
            Logger = new CallingLogger(() => throw new IOException("The disk of the log is full.", 28)),
            Hook = FullAt(DiskStep.Creating, () => isFull),
        });
        (await store.Set("key", Bytes(1, 100))).Outcome.Should().Be(StoreWriteOutcome.Declined);
        isFull = false;
        (await store.Set("key", Bytes(1, 100))).Outcome.Should().Be(StoreWriteOutcome.Stored);
        (await store.Get("key")).Should().Equal(Bytes(1, 100));
        store.MissingBytes.Should().Be(0);
        store.GetStatistics().Segments.Should().BeGreaterThan(0);
    }

    [Fact]
    public async Task A_logger_may_use_the_cache_and_wait_for_it()
    {
        var isFull = true;
        var calls = 0;
        var isHeldUp = false;
        DiskStore? store = null;
        await using (store = _folder.Open(settings => settings with
        {
            Logger = new CallingLogger(() =>
            {
                calls++;
                isHeldUp |= !Task.Run(() => store!.Set("log", Bytes(1, 20_000))).Wait(TimeSpan.FromSeconds(20)); // opened long ago
            }),
            Hook = FullAt(DiskStep.Creating, () => isFull),
        }))
        {
            await store.Set("key", Bytes(1, 100));
            isFull = false;
            await store.Set("key", Bytes(1, 100));
            (await store.Get("log")).Should().Equal(Bytes(1, 20_000));
        }

        (calls, isHeldUp).Should().Be((2, false));
    }

    [Fact]
    public async Task A_disk_that_is_full_and_whose_files_cannot_be_counted_declines_all_the_same()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Files that are open stay there.");
        var isFull = false;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (isFull && step == DiskStep.Writing)
                {
                    Directory.Delete(_folder.Files, recursive: true);
                    throw new IOException("full", 28);
                }
            },
        });
        await store.Set("key", Bytes(1, 100));
        isFull = true;
        (await store.Set("key", Bytes(2, 100))).Outcome.Should().Be(StoreWriteOutcome.Declined);
        store.MissingBytes.Should().Be(DiskFolder.Small.DataBytes);
    }

    [Fact]
    public async Task Without_room_for_another_file_the_one_there_is_goes_round_for_ever()
    {
        Mount(kilobytes: 600);
        await using var store = _folder.Open();
        await store.Set("older", Bytes(1, 500));
        Fill();
        for (var i = 0; i < 300; i++)
        {
            (await store.Set($"key{i}", Bytes(i, 5000))).Outcome.Should().Be(StoreWriteOutcome.Stored);
            (await store.Get($"key{i}")).Should().Equal(Bytes(i, 5000));
        }

        store.GetStatistics().Segments.Should().Be(1, "the disk must have been full for this to mean anything");
        (await store.Get("older")).Should().BeNull();
        store.Verify();
    }

    [Theory]
    [InlineData("ext2")]
    [InlineData("ext3")]
    [InlineData("ext4")]
    public async Task Memory_that_is_shared_through_a_file_is_there_whatever_the_kind_of_file_system_when_that_is_full(string kind)
    {
        MountImage(kind);
        await using var store = _folder.Open();
        for (var i = 0; i < 20; i++)
            await store.Set($"key{i}", Bytes(i, 500));

        // Else what follows would end the process.
        BytesOf(_folder.IndexPath).Should().BeGreaterThanOrEqualTo(DiskFolder.Small.IndexBytes);
        Fill();
        for (var i = 0; i < 4000; i++)
        {
            await store.InvalidateAsync($"key{i}", InvalidationKind.Remove, default);
            await store.Set($"more{i}", []);
        }

        // The others cannot reserve room for segments either: there sets may be declined.
        if (kind == "ext4")
            (await store.Get("more3999")).Should().NotBeNull();
        store.MissingBytes.Should().BeGreaterThan(0);
        store.Verify();
    }

    [Fact]
    public void A_disk_without_room_for_the_index_is_told_when_it_is_opened()
    {
        Mount(kilobytes: 64);
        _folder.Invoking(folder => folder.Open()).Should().Throw<CacheStoreException>().WithMessage("*no room*")
            .Which.Message.Should().EndWith("choose another directory.", "it cannot be less");
        _folder.Invoking(folder => folder.Open(settings => settings with { Geometry = DiskGeometry.For(17 << 20, 1024, null) })).Should().Throw<CacheStoreException>()
            .WithMessage("*no room*DiskOptions.MaximumBytes to less*");
        _folder.Invoking(folder => folder.Open(settings => settings with { Geometry = DiskGeometry.For(16 << 20, 1024, null) })).Should().Throw<CacheStoreException>()
            .WithMessage("*no room*choose another directory*");
        Directory.GetFiles(_folder.Root, "*.new", SearchOption.AllDirectories).Should().BeEmpty();
    }

    private static long BytesOf(string path) =>
        512 * long.Parse(OtherProgram.Run("stat", "-c", "%b", path)!, System.Globalization.CultureInfo.InvariantCulture); // wherever images can be mounted

    private void MountImage(string kind) => _mounted = MountedFolder.Image(_folder.Root, kind, 8 << 20);

    private void Mount(int kilobytes) => _mounted = MountedFolder.InMemory(_folder.Root, $"size={kilobytes}k");

    /// <summary>Has a step fail for want of room, as long as that is said.</summary>
    private static Action<DiskStep> FullAt(DiskStep failing, Func<bool> isFull) => step =>
    {
        if (isFull() && step == failing)
            throw new IOException("full", 28);
    };

    private void Fill()
    {
        using var file = File.OpenHandle(Path.Combine(_folder.Root, "filler"), FileMode.Create, FileAccess.Write);
        foreach (var block in new[] { 256 << 10, 4096 })
        {
            try
            {
                while (true)
                {
                    RandomAccess.Write(file, new byte[block], RandomAccess.GetLength(file));
                    RandomAccess.FlushToDisk(file);
                }
            }
            catch (IOException)
            {
                // So much does not fit any more.
            }
        }
    }
}
