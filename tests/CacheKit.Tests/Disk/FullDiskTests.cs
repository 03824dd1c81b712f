using CacheKit.Disk;
using CacheKit.Stores;
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
        try
        {
            using var file = File.Create(Path.Combine(_folder.Root, "filler"));
            while (true)
            {
                file.Write(new byte[4096]);
                file.Flush(flushToDisk: true);
            }
        }
        catch (IOException)
        {
            // Now it is full.
        }
    }
}
