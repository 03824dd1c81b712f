using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Tests.Diagnostics;
using CacheKit.Tests.Tiers;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>Somebody deletes the directory while it is used: to have the entries gone, or the room back.</summary>
public sealed class DiskGoneTests : IDisposable
{
    private const int Gone = 207;

    private readonly DiskFolder _folder = new();
    private readonly RecordingLogger _logger = new();

    public DiskGoneTests()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Files that are open stay there.");
        _folder.Logger = _logger;
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_asks_how_it_fares_has_it_noticed(bool isShared)
    {
        await using var store = _folder.Open(settings => settings with { IsShared = isShared });
        await store.Set("key", Bytes(1, 100));
        Directory.Delete(_folder.Root, recursive: true);
        _ = store.MissingBytes;
        (await store.Get("key")).Should().NotBeNull("one look in some seconds is enough");
        store.Trouble.Should().BeNull();
        _folder.Clock.Advance(TimeSpan.FromSeconds(10));
        _ = store.MissingBytes;
        await BeOver(store);
        store.MissingBytes.Should().Be(0);
        store.Trouble.Should().Contain("was deleted or replaced");
        _logger.Messages.Should().ContainSingle(entry => entry.Id == Gone);
    }

    [Fact]
    public async Task The_room_of_its_segments_is_given_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What a process has open is told there.");
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        HasSegmentOpen().Should().BeTrue();
        Directory.Delete(_folder.Root, recursive: true);
        _folder.Clock.Advance(TimeSpan.FromSeconds(10));
        _ = store.MissingBytes;
        await Waiting.UntilAsync(() => !HasSegmentOpen(), what: "nothing is under way");

        bool HasSegmentOpen() => new DirectoryInfo("/proc/self/fd").GetFiles().Any(file => file.LinkTarget is { } target && target.StartsWith(_folder.Files + "/seg", StringComparison.Ordinal));
    }

    [Fact]
    public async Task So_has_who_writes_on()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        Directory.Delete(_folder.Root, recursive: true);
        var write = async () =>
        {
            for (var i = 0; i < 1000; i++)
                await store.Set($"key{i}", Bytes(i, 1000));
        };
        await write.Should().ThrowAsync<CacheStoreException>();
        await BeOver(store);
    }

    [Fact]
    public async Task What_has_taken_its_place_is_another_one()
    {
        var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        Directory.Delete(_folder.Root, recursive: true);
        await using var next = _folder.Open();
        await next.Set("key", Bytes(2, 100));
        _folder.Clock.Advance(TimeSpan.FromSeconds(10));
        _ = store.MissingBytes;
        _ = next.MissingBytes;
        await BeOver(store);
        await store.DisposeAsync();
        (await next.Get("key")).Should().Equal(Bytes(2, 100));
        _logger.Messages.Should().ContainSingle(entry => entry.Id == Gone);
    }

    [Fact]
    public async Task Memory_before_it_takes_everything_for_changed()
    {
        await using var store = _folder.Open();
        var head = HeadOf(store);
        Directory.Delete(_folder.Root, recursive: true);
        _folder.Clock.Advance(TimeSpan.FromSeconds(10));
        _ = store.MissingBytes;
        HeadOf(store).Should().NotBe(head);
        store.TryDrain(new Nobody()).Should().BeFalse();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task At_the_latest_it_is_told_at_the_end(bool isShared)
    {
        var store = _folder.Open(settings => settings with { IsShared = isShared });
        Directory.Delete(_folder.Root, recursive: true);
        await store.DisposeAsync();
        _logger.Messages.Should().ContainSingle().Which.Id.Should().Be(Gone);
        await store.Awaiting(it => it.Get("key")).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Callers_of_the_cache_see_misses_and_no_exception()
    {
        await using var cache = new Cache(
            "gone", new CacheKitOptions(), new MemoryOptions { MaintenanceInterval = TimeSpan.FromHours(1) }, _folder.Clock, _logger, [], meters: null,
            stores: [new(_folder.Open(), new CacheStoreOptions())], hasMemory: false);
        await cache.SetAsync("key", 1);
        Directory.Delete(_folder.Root, recursive: true);
        _folder.Clock.Advance(TimeSpan.FromSeconds(10));
        _ = cache.GetStatistics();
        cache.GetStatistics().Tiers[0].Trouble.Should().Contain("was deleted or replaced", "no call need fail for that");
        (await cache.GetAsync<int>("key")).IsHit.Should().BeFalse();
        (await cache.GetOrCreateAsync("key", static _ => ValueTask.FromResult(2))).Should().Be(2);
        await cache.SetAsync("key", 3);
        await cache.RemoveAsync("key");
        var tier = cache.GetStatistics().Tiers[0];
        tier.FailuresInARow.Should().BePositive();
        tier.LastFailure.Should().Contain("was deleted or replaced");
    }

    private static async Task BeOver(DiskStore store)
    {
        await store.Awaiting(it => it.Get("key")).Should().ThrowAsync<CacheStoreException>().WithMessage("*was deleted or replaced while it was in use*");
        await store.Awaiting(it => it.Set("key", Bytes(1, 10))).Should().ThrowAsync<CacheStoreException>();
        await store.Awaiting(it => it.ClearAsync(default).AsTask()).Should().ThrowAsync<CacheStoreException>();
        await store.Awaiting(it => it.Keys()).Should().ThrowAsync<CacheStoreException>();
    }

    private static unsafe long HeadOf(DiskStore store) => *store.Head;

    private sealed class Nobody : ISharedMemoryFeedReader
    {
        public void OnKeyChanged(string key)
        {
        }

        public void OnTagInvalidated(string tag, InvalidationKind kind)
        {
        }

        public void OnAllChanged(bool isCleared)
        {
        }
    }
}
