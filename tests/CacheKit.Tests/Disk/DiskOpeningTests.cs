using CacheKit.Disk;
using CacheKit.Stores;
using CacheKit.Tests.Diagnostics;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>A directory is opened where that is possible, told clearly where it is not, and nothing of the user's in it is touched.</summary>
public sealed class DiskOpeningTests : IDisposable
{
    private readonly DiskFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task While_sizes_change_the_files_do_not_take_more_than_the_bound_either()
    {
        var large = DiskFolder.Small with { BucketCount = 1 << 16 };
        await using (_folder.Open(settings => settings with { Geometry = large }))
        {
        }

        long most = 0;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step => most = Math.Max(most, step == DiskStep.IndexWritten
                ? new DirectoryInfo(_folder.Root).GetFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) : 0),
        });
        most.Should().BeLessThanOrEqualTo(store.GetStatistics().MaximumBytes);
    }

    [Fact]
    public async Task Missing_directories_are_created()
    {
        var nested = Path.Combine(_folder.Root, "a", "b", "c");
        await using var store = _folder.Open(settings => settings with { Path = nested });
        await store.Set("key", Bytes(1, 10));
        await store.ClearAsync(default);
        Directory.Exists(nested).Should().BeTrue();
    }

    [Theory]
    [InlineData("")]
    [InlineData("below")]
    public void A_file_in_the_way_is_told_and_left_alone(string below)
    {
        Directory.CreateDirectory(_folder.Root);
        var file = Path.Combine(_folder.Root, "file");
        File.WriteAllText(file, "mine");
        _folder.Invoking(folder => folder.Open(settings => settings with { Path = Path.Combine(file, below) }))
            .Should().Throw<CacheStoreException>().WithMessage($"*opened in '{Path.Combine(file, below).TrimEnd('/')}'*'{file}' is a file. Choose another directory, or remove the file.")
            .Which.Failure.Should().Be(StoreFailure.Permanent);
        File.ReadAllText(file).Should().Be("mine");
    }

    [Theory]
    [InlineData("")]
    [InlineData("below")]
    public void A_file_system_that_takes_no_writes_is_told_as_one(string below)
    {
        using var mount = MountedFolder.InMemory(_folder.Root, "ro,size=1m");
        _folder.Invoking(folder => folder.Open(settings => settings with { Path = Path.Combine(_folder.Root, below) }))
            .Should().Throw<CacheStoreException>().WithMessage("*Its file system can only be read. Choose another directory, or have it mounted for writing.");
    }

    [Fact]
    public async Task A_directory_that_became_read_only_is_told_and_what_is_in_it_stays()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        using (MountedFolder.ReadOnly(_folder.Root))
        {
            _folder.Invoking(folder => folder.Open()).Should().Throw<CacheStoreException>().WithMessage("*Its file system can only be read. Choose another directory, or have it mounted for writing.")
                .Which.Failure.Should().Be(StoreFailure.Permanent);
        }

        (await store.Get("key")).Should().Equal(Bytes(1, 100));
    }

    [Fact]
    public async Task That_it_is_not_shared_is_told_with_the_folder_it_uses_instead_and_only_if_it_can_use_one()
    {
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        await using var first = _folder.Open();
        using (var file = File.OpenHandle(_folder.IndexPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            RandomAccess.Write(file, new byte[64], 0);
        await using (var second = _folder.Open())
            logger.Messages.Should().ContainSingle().Which.Message.Should().Be($"Cache 'default': the disk cache in '{second.Folder}' is not shared with other processes and does not outlive this one, because its index is damaged, and other processes are using it.");

        logger.Messages.Clear();
        _folder.Invoking(folder => folder.Open(settings => settings with { Hook = _ => throw new UnauthorizedAccessException("Not here.") })).Should().Throw<CacheStoreException>();
        logger.Messages.Should().BeEmpty();
    }

    [Fact]
    public void A_directory_that_cannot_be_created_where_it_is_wanted_is_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "It takes a file system in which nobody can create anything.");
        _folder.Invoking(folder => folder.Open(settings => settings with { Path = "/proc/cachekit" }))
            .Should().Throw<CacheStoreException>().WithMessage("*'/proc/cachekit'*Of its path there is '/proc' (file system proc). Choose a directory that exists or can be created.");
    }

    [Fact]
    public void An_error_of_the_disk_is_not_told_as_a_directory_that_is_missing()
    {
        Directory.CreateDirectory(_folder.Root);
        var settings = _folder.Settings;
        DiskOpeningError.Of(settings, new IOException("The disk fails.", 5)).Message
            .Should().Be($"The disk cache cannot be opened in '{_folder.Root}': The disk fails. Try again; if it lasts, choose another directory.");
        DiskOpeningError.Of(settings, new IOException("Too many open files.", 24)).Message.Should().EndWith("Allow the process to have more files open.");
        DiskOpeningError.Of(settings, new IOException("Read-only file system : 'x'", 30)).Message.Should().Contain(": Read-only file system : 'x'. Its file system can only be read.");
        DiskOpeningError.Of(settings with { Geometry = DiskGeometry.For(1 << 30, 4096, null) }, new IOException("No space left on device.", 28)).Message.Should().MatchRegex(
            @"No space left on device\. [\d,]+ bytes are free there, and the index for entries of [\d,]+ bytes takes [\d,]+\. Free some space, or set DiskOptions\.MaximumBytes to less\.$");
    }

    [Fact]
    public async Task What_else_is_in_the_directory_stays()
    {
        Directory.CreateDirectory(_folder.Root);
        string[] files = [Path.Combine(_folder.Root, "cache.db"), Path.Combine(_folder.Root, "seg00000.ck"), Path.Combine(_folder.Root, "index.ck")];
        foreach (var file in files)
            File.WriteAllText(file, file);
        await using (var store = _folder.Open())
            await store.Set("key", Bytes(1, 10));
        foreach (var file in files)
            File.ReadAllText(file).Should().Be(file);
    }

    [Fact]
    public async Task An_index_of_another_format_is_replaced_by_an_empty_one()
    {
        Directory.CreateDirectory(_folder.Files);
        File.WriteAllBytes(_folder.IndexPath, Bytes(1, 100_000));
        File.WriteAllBytes(Path.Combine(_folder.Files, "seg00003.ck"), Bytes(2, 100_000));
        await using var store = _folder.Open();
        (await store.Get("key")).Should().BeNull();
        await store.Set("key", Bytes(1, 10));
        (await store.Get("key")).Should().NotBeNull();
        store.IsShared.Should().BeTrue();
    }

    [Fact]
    public async Task Another_format_lives_beside_this_one()
    {
        var other = Path.Combine(Path.GetDirectoryName(_folder.Files)!, "v0"); // never a root
        Directory.CreateDirectory(other);
        File.WriteAllText(Path.Combine(other, "index.ck"), "older");
        await using var store = _folder.Open();
        File.ReadAllText(Path.Combine(other, "index.ck")).Should().Be("older");
    }

    [Fact]
    public async Task Other_sizes_start_empty_unless_somebody_uses_the_cache()
    {
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        var larger = DiskFolder.Small with { SegmentCount = 32 };
        var first = _folder.Open();
        await first.Set("key", Bytes(1, 10));
        await using (var second = _folder.Open(settings => settings with { Geometry = larger }))
        {
            (await second.Get("key")).Should().NotBeNull("it keeps the sizes that are in use");
            logger.Messages.Should().ContainSingle(message => message.Id == 202).Which.Message.Should().Contain($"'{_folder.Files}'")
                .And.Contain($"created with, {first.GetStatistics().MaximumBytes:N0} bytes").And.Contain($"the options here ask for {larger.DataBytes + larger.IndexBytes:N0} bytes");
        }

        await first.DisposeAsync();
        await using var third = _folder.Open(settings => settings with { Geometry = larger });
        (await third.Get("key")).Should().BeNull();
        third.GetStatistics().MaximumBytes.Should().Be(larger.DataBytes + larger.IndexBytes);
    }

    [Fact]
    public async Task What_is_told_while_it_is_opened_is_told_when_others_may_open_it_too()
    {
        var isHeld = true;
        _folder.Logger = new CallingLogger(() =>
        {
            using var taken = FileLock.TryTake(Path.Combine(_folder.Files, DiskDirectory.OpenLockFile));
            isHeld = taken is null;
        });
        await _folder.Open().DisposeAsync();
        await using var store = _folder.Open(settings => settings with { Geometry = DiskFolder.Small with { SegmentCount = 32 } });
        isHeld.Should().BeFalse();
        isHeld = true;
        await using var other = _folder.Open();
        isHeld.Should().BeFalse();
    }

    [Fact]
    public async Task A_store_that_is_not_shared_is_alone_and_leaves_nothing()
    {
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        var one = _folder.Open(settings => settings with { IsShared = false });
        var two = _folder.Open(settings => settings with { IsShared = false });
        await one.Set("key", Bytes(1, 10_000));
        (await one.Get("key")).Should().NotBeNull();
        (await two.Get("key")).Should().BeNull();
        (one.IsShared, one.GetStatistics().IsShared).Should().Be((false, false));
        logger.Messages.Should().BeEmpty("it was asked for");
        if (!OperatingSystem.IsWindows())
        {
            foreach (var own in Directory.GetDirectories(Path.GetDirectoryName(_folder.Files)!, PrivateFolder.Prefix + "*"))
            {
                File.GetUnixFileMode(own).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, "whoever may enter the folder it is in");
            }
        }

        await one.DisposeAsync();
        await two.DisposeAsync();
        Directory.GetFileSystemEntries(Path.GetDirectoryName(_folder.Files)!).Select(Path.GetFileName).Should().Equal(PrivateFolder.OpenLockFile);
    }

    [Fact]
    public async Task Private_stores_open_one_after_the_other()
    {
        // Else one may take another's folder, which it has not locked yet, for one that was left behind.
        var isLocked = false;
        var cache = Path.GetDirectoryName(_folder.Files)!;
        await using var store = _folder.Open(settings => settings with
        {
            IsShared = false,
            Hook = step =>
            {
                using var taken = step == DiskStep.OpenLocked ? FileLock.TryTake(Path.Combine(cache, PrivateFolder.OpenLockFile)) : null;
                isLocked |= step == DiskStep.OpenLocked && taken is null;
            },
        });
        isLocked.Should().BeTrue();
    }

    [Fact]
    public async Task What_a_private_store_that_died_has_left_is_removed_by_the_next()
    {
        var cache = Path.GetDirectoryName(_folder.Files)!;
        var orphan = Path.Combine(cache, PrivateFolder.Prefix + "orphan");
        Directory.CreateDirectory(orphan);
        File.WriteAllText(Path.Combine(orphan, "lock"), "");
        File.WriteAllText(Path.Combine(orphan, "seg00001.ck"), "data");
        await using var living = _folder.Open(settings => settings with { IsShared = false });
        await using var another = _folder.Open(settings => settings with { IsShared = false });
        Directory.Exists(orphan).Should().BeFalse();
        Directory.GetDirectories(cache).Should().HaveCount(2);
    }

    [Fact]
    public async Task Private_stores_that_open_at_once_do_not_take_each_other_for_dead()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 60; i++)
            {
                await using var store = _folder.Open(settings => settings with { IsShared = false });
                await store.WriteAsync("k", new StoreEntry { Payload = new byte[] { 1 }, ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue }, StoreCondition.Always, default);
                using var lookup = await store.ReadAsync("k", default, default);
                lookup.IsFound.Should().BeTrue();
            }
        })));
    }

    [Fact]
    public async Task A_damaged_index_that_others_use_makes_the_newcomer_go_its_own_way()
    {
        var logger = new RecordingLogger();
        _folder.Logger = logger;
        await using var first = _folder.Open();
        await first.Set("key", Bytes(1, 10));
        using (var file = File.OpenHandle(_folder.IndexPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            RandomAccess.Write(file, new byte[64], 0);
        await using var second = _folder.Open();
        second.IsShared.Should().BeFalse();
        logger.Messages.Should().ContainSingle(message => message.Id == 200);
        (await first.Get("key")).Should().NotBeNull("sizes were read when it was opened");
        (await second.Get("key")).Should().BeNull();
    }

    [Fact]
    public async Task A_process_that_holds_the_directory_for_long_is_waited_for()
    {
        await _folder.Open().DisposeAsync();
        var held = FileLock.TryTake(Path.Combine(_folder.Files, DiskDirectory.OpenLockFile))!;
        var opening = Task.Run(() => _folder.Open());
        await Task.Yield();
        opening.IsCompleted.Should().BeFalse();
        held.Dispose();
        await (await opening).DisposeAsync();
    }

    [Fact]
    public async Task The_index_is_fetched_into_memory_while_the_cache_is_in_use_already()
    {
        var large = DiskFolder.Small with { BucketCount = 1 << 17 };
        await _folder.Open(settings => settings with { Geometry = large }).DisposeAsync();

        // Another file: that one is mapped until it is collected, and what is mapped stays in memory.
        File.Copy(_folder.IndexPath, _folder.IndexPath + ".copy");
        File.Move(_folder.IndexPath + ".copy", _folder.IndexPath, overwrite: true);
        Assert.SkipUnless(TryForget() && BytesInMemory() is not null, "It takes programs to empty the cache of a file system and to see that.");

        // What the system is just writing it does not forget at once.
        Assert.SkipUnless(SpinWait.SpinUntil(() => TryForget() && BytesInMemory() == 0, TimeSpan.FromSeconds(10)), "It takes a file system that is not in memory itself.");

        await using var store = _folder.Open(settings => settings with { Geometry = large });

        SpinWait.SpinUntil(() => BytesInMemory() >= large.IndexBytes, TimeSpan.FromSeconds(20)).Should().BeTrue("the system reads it meanwhile, {0} bytes by now", BytesInMemory());

        bool TryForget() => OtherProgram.Run("dd", $"of={_folder.IndexPath}", "oflag=nocache", "conv=notrunc,fdatasync", "count=0") is not null;
        long? BytesInMemory() => OtherProgram.Run("fincore", "--bytes", "--noheadings", "--output", "RES", _folder.IndexPath) is { } bytes
            ? long.Parse(bytes, System.Globalization.CultureInfo.InvariantCulture) : null;
    }

    [Fact]
    public async Task Many_who_open_at_once_share_one_index()
    {
        var stores = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => _folder.Open())));
        for (var i = 0; i < stores.Length; i++)
            await stores[i].Set($"key{i}", Bytes(i, 10));
        foreach (var store in stores)
        {
            for (var i = 0; i < stores.Length; i++)
                (await store.Get($"key{i}")).Should().Equal(Bytes(i, 10));
        }

        foreach (var store in stores)
            await store.DisposeAsync();
        ProcessLocks.IsAnyHeld(_folder.Files).Should().BeFalse();
    }

    [Theory]
    [InlineData(nameof(DiskStep.OpenLocked), false)]
    [InlineData(nameof(DiskStep.IndexWritten), false)]
    [InlineData(nameof(DiskStep.IndexNamed), false)]
    [InlineData(nameof(DiskStep.OpenLocked), true)]
    [InlineData(nameof(DiskStep.CloseFlushed), true)]
    [InlineData(nameof(DiskStep.CloseMarked), true)]
    public async Task A_process_that_dies_while_it_opens_or_closes_leaves_nothing_in_the_way(string step, bool wasThere)
    {
        if (wasThere)
        {
            await using var first = _folder.Open();
            await first.Set("key", Bytes(1, 1000));
        }

        try
        {
            var dying = _folder.Open(settings => settings with
            {
                Hook = reached =>
                {
                    if (reached.ToString() == step)
                        throw new DiedException();
                },
            });
            await dying.DisposeAsync();
            Assert.Fail("It should have died.");
        }
        catch (DiedException)
        {
            // As it should.
        }

        // What is opened next closes cleanly, so that it is there at another boot, too.
        foreach (var boot in new[] { BootIdentity.Current, "another" })
        {
            await using var store = _folder.Open(settings => settings with { Boot = boot });
            (await store.Get("key")).Should().Equal(wasThere ? Bytes(1, 1000) : null);
            await store.Set("new", Bytes(2, 1000));
            (await store.Get("new")).Should().Equal(Bytes(2, 1000));
            store.Verify();
            store.IsShared.Should().BeTrue();
        }

        Directory.GetFiles(_folder.Files, "*.new").Should().BeEmpty();
    }

    [Fact]
    public async Task An_inspector_looks_into_a_cache_in_use_and_into_one_that_is_not()
    {
        _folder.Invoking(folder => DiskCacheInspector.Open(folder.Root)).Should().Throw<CacheStoreException>().WithMessage("There is no disk cache 'default'*");
        var store = _folder.Open();
        await store.Set("key", Bytes(1, 10));
        await using (var inspector = DiskCacheInspector.Open(_folder.Root))
        {
            inspector.GetStatistics().Entries.Should().Be(1);
            (await inspector.CheckAsync()).LiveEntries.Should().Be(1);
        }

        await store.DisposeAsync();
        await using (var inspector = DiskCacheInspector.Open(_folder.Root))
            inspector.GetStatistics().Entries.Should().Be(1);
    }

    [Fact]
    public async Task An_inspector_takes_the_sizes_the_cache_has_and_starts_nothing_anew()
    {
        await using (var store = _folder.Open(settings => settings with { Geometry = DiskFolder.Small with { SegmentCount = 32 } }))
            await store.Set("key", Bytes(1, 10));
        await using (var inspector = DiskCacheInspector.Open(_folder.Root))
            (inspector.GetStatistics().Entries, inspector.GetStatistics().MaximumBytes).Should().Be((1, (DiskFolder.Small with { SegmentCount = 32 }).IndexBytes + (32 * DiskFolder.Small.SegmentBytes)));
    }

    [Fact]
    public async Task An_inspector_refuses_what_does_not_count_any_more_and_leaves_it_as_it_is()
    {
        await using (var store = _folder.Open(settings => settings with { Boot = "before", FlushOnClose = false }))
            await store.Set("key", Bytes(1, 1000));
        var segment = _folder.SegmentFiles().Should().ContainSingle().Which;
        var before = File.ReadAllBytes(segment);
        _folder.Invoking(folder => DiskCacheInspector.Open(folder.Root)).Should().Throw<CacheStoreException>().WithMessage("*was not closed before the machine started anew*");
        File.WriteAllBytes(_folder.IndexPath, Bytes(1, 100_000));
        _folder.Invoking(folder => DiskCacheInspector.Open(folder.Root)).Should().Throw<CacheStoreException>().WithMessage("*its index is damaged*");
        File.ReadAllBytes(_folder.IndexPath).Should().Equal(Bytes(1, 100_000));
        File.ReadAllBytes(segment).Should().Equal(before);
        ProcessLocks.IsAnyHeld(_folder.Files).Should().BeFalse();
    }

    [Fact]
    public async Task An_inspector_creates_nothing_and_tells_a_cache_that_may_not_be_read_from_one_that_is_not_there()
    {
        _folder.Invoking(folder => DiskCacheInspector.Open(folder.Root)).Should().Throw<CacheStoreException>().WithMessage("There is no disk cache 'default' to look into*");
        Directory.Exists(_folder.Root).Should().BeFalse();
        await _folder.Open().DisposeAsync();
        using var mount = MountedFolder.ReadOnly(_folder.Root);
        _folder.Invoking(folder => DiskCacheInspector.Open(folder.Root)).Should().Throw<CacheStoreException>()
            .WithMessage("*cannot be opened*Its file system can only be read. Choose another directory, or have it mounted for writing.");
    }

    private sealed class DiedException : Exception;
}
