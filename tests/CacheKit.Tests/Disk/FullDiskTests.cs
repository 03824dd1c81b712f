using System.Diagnostics;
using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>A disk that is full costs entries, and nothing else. Needs the right to mount a small file system; skipped without.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly DiskFolder _folder = new();
    private bool _isMounted;

    public void Dispose()
    {
        if (_isMounted)
            Run("umount", "-l", _folder.Root);
        _folder.Dispose();
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
    public async Task Without_room_for_anything_sets_are_declined_and_the_older_value_is_gone()
    {
        Mount(kilobytes: 600);
        await using var store = _folder.Open();
        await store.Set("older", Bytes(1, 500));
        await store.Set("kept", Bytes(2, 500));
        Fill();
        var declined = 0;
        for (var i = 0; i < 300; i++)
            declined += (await store.Set($"key{i}", Bytes(i, 20_000))).Outcome == StoreWriteOutcome.Declined ? 1 : 0;

        // The one file there is goes round for ever.
        store.GetStatistics().Segments.Should().Be(1);
        declined.Should().BeLessThan(300);
        store.Verify();
    }

    [Fact]
    public void A_disk_without_room_for_the_index_is_told_when_it_is_opened()
    {
        Mount(kilobytes: 64);
        _folder.Invoking(folder => folder.Open()).Should().Throw<CacheStoreException>().WithMessage("*no room*MaximumBytes*");
        Directory.GetFiles(_folder.Root, "*.new", SearchOption.AllDirectories).Should().BeEmpty();
    }

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, UseShellExecute = false })!; // not a shell's
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private void Mount(int kilobytes)
    {
        Directory.CreateDirectory(_folder.Root);
        _isMounted = OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", _folder.Root);
        Assert.SkipUnless(_isMounted, "A small file system cannot be mounted here: that takes Linux and root.");
    }

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
