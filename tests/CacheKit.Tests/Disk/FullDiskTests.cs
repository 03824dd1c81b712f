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
            Hook = step =>
            {
                if (isFull && step == DiskStep.Writing)
                    throw new IOException("full", 28);
            },
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
            $"Cache 'default': the disk has no room for all of the disk cache in '{_folder.Files}': 0 bytes are free. It goes on with 65536 of 1048576 bytes.");
        store.MissingBytes.Should().Be(15 * 65536);
        await using (var other = _folder.Open())
            other.MissingBytes.Should().Be(15 * 65536, "they share it");

        File.Delete(Path.Combine(_folder.Root, "filler"));
        for (var i = 0; i < 30; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        store.MissingBytes.Should().Be(0);
        logger.Messages.Should().HaveCount(2);
        (logger.Messages[1].Id, logger.Messages[1].Message).Should().Be((206, $"Cache 'default': the disk has room again for the disk cache in '{_folder.Files}'."));

        Fill();
        for (var i = 0; i < 300; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        logger.Messages.Should().HaveCount(2, "once a minute at most");
        _folder.Clock.Advance(TimeSpan.FromMinutes(2));
        for (var i = 0; i < 300; i++)
            await store.Set($"key{i}", Bytes(i, 5000));
        logger.Messages.Select(message => message.Id).Should().Equal(205, 206, 205);
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
        _folder.Invoking(folder => folder.Open()).Should().Throw<CacheStoreException>().WithMessage("*no room*MaximumBytes*");
        Directory.GetFiles(_folder.Root, "*.new", SearchOption.AllDirectories).Should().BeEmpty();
    }

    private static long BytesOf(string path) =>
        512 * long.Parse(OtherProgram.Run("stat", "-c", "%b", path)!, System.Globalization.CultureInfo.InvariantCulture); // wherever images can be mounted

    private void MountImage(string kind) => _mounted = MountedFolder.Image(_folder.Root, kind, 8 << 20);

    private void Mount(int kilobytes) => _mounted = MountedFolder.InMemory(_folder.Root, $"size={kilobytes}k");

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
