using System.Diagnostics;
using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Testing.Contracts;
using CacheKit.Tests.Disk;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Tiers;

/// <summary>Two caches of memory and disk on one directory, in one process and in two: neither serves from memory what the other has changed.</summary>
public sealed class SharedDirectoryTests : IAsyncDisposable
{
    private static readonly string[] _changes = ["set", "remove", "expire", "tag", "tags", "clear"];

    private readonly DiskFolder _folder = new();
    private readonly List<Cache> _caches = [];

    public static TheoryData<string> Changes => [.. _changes];

    public async ValueTask DisposeAsync()
    {
        foreach (var cache in _caches)
        {
            Consistency.TestCache.Settle(cache);
            await cache.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task What_one_cache_changes_the_memory_of_another_does_not_serve_any_more(string change)
    {
        var (one, other) = (Create(), Create());
        await HoldAsync(one, other);
        await ChangeAsync(other, change);
        await ExpectChangedAsync(one, change);
        await ExpectChangedAsync(other, change);
        (await one.GetAsync<int>("bystander")).GetValueOrDefault().Should().Be(change == "clear" ? 0 : 7);
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task What_one_process_changes_the_memory_of_another_does_not_serve_any_more(string change)
    {
        var one = Create();
        await HoldAsync(one);
        await RunAsync(change);
        await ExpectChangedAsync(one, change);
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_factory_that_began_before_another_cache_changed_its_key_leaves_nothing_behind(string change)
    {
        var (one, other) = (Create(), Create());
        await other.SetAsync("bystander", 7);
        var held = new HeldFactory<int>();
        var late = one.GetOrCreateAsync("key", held.RunAsync, Tagged).AsTask();
        await held.Started;
        await ChangeAsync(other, change);
        var joined = one.GetOrCreateAsync("key", _ => new ValueTask<int>(3), Tagged).AsTask();
        held.Return(1);
        (await late).Should().Be(1, "who waited already gets it");
        (await joined).Should().Be(change == "set" ? 2 : 3, "who comes after the change does not");
        foreach (var cache in new[] { one, other })
            (await cache.GetAsync<int>("key")).GetValueOrDefault().Should().NotBe(1);
    }

    [Fact]
    public async Task A_change_of_a_key_that_cannot_be_told_is_not_missed_either()
    {
        // Longer than a message of the feed.
        var key = new string('k', 1_000);
        var (one, other) = (Create(), Create());
        await one.SetAsync(key, 1);
        await one.SetAsync("bystander", 7);
        await other.RemoveAsync(key);
        (await one.GetAsync<int>(key)).IsHit.Should().BeFalse();
        (await one.GetAsync<int>("bystander")).Value.Should().Be(7, "the disk has confirmed it");

        var held = new HeldFactory<int>();
        var late = one.GetOrCreateAsync(key, held.RunAsync).AsTask();
        await held.Started;
        await other.RemoveAsync(key);
        (await one.GetOrCreateAsync(key, _ => new ValueTask<int>(3))).Should().Be(3);
        held.Return(1);
        (await late).Should().Be(1);
        (await one.GetAsync<int>(key)).Value.Should().Be(3);
    }

    [Fact]
    public async Task A_read_in_one_cache_never_gets_less_than_another_has_written()
    {
        var (one, other) = (Create(), Create());
        long written = 0;
        var writer = Task.Run(async () =>
        {
            for (var i = 1; i <= 2_000; i++)
            {
                await other.SetAsync("key", i);
                Volatile.Write(ref written, i);
                if (i % 7 == 0)
                    await other.RemoveAsync("key");
            }
        });
        while (!writer.IsCompleted)
        {
            var bound = Volatile.Read(ref written);
            var lookup = await one.GetAsync<int>("key");
            if (lookup.IsHit)
                lookup.Value.Should().BeGreaterThanOrEqualTo((int)bound);
        }

        await writer;
    }

    private static CacheEntryOptions Tagged => new() { Tags = ["a", "b"] };

    private static async Task HoldAsync(params ICache[] caches)
    {
        await caches[0].SetAsync("bystander", 7);
        await caches[0].SetAsync("key", 1, Tagged);
        foreach (var cache in caches)
        {
            (await cache.GetAsync<int>("key")).Value.Should().Be(1);
            (await cache.GetAsync<int>("key", new() { Tiers = CacheTiers.Memory })).IsHit.Should().BeTrue("it is in memory now");
        }
    }

    private static async Task ChangeAsync(Cache cache, string change)
    {
        switch (change)
        {
            case "set":
                await cache.SetAsync("key", 2, Tagged);
                break;
            case "remove":
                await cache.RemoveAsync("key");
                break;
            case "expire":
                await cache.ExpireAsync("key");
                break;
            case "tag":
                await cache.RemoveByTagAsync("a");
                break;
            case "tags":
                await cache.RemoveByTagsAsync(["a", "b"], TagMatch.All);
                break;
            default:
                await cache.ClearAsync();
                break;
        }
    }

    private static async Task ExpectChangedAsync(Cache cache, string change)
    {
        var lookup = await cache.GetAsync<int>("key");
        lookup.GetValueOrDefault().Should().Be(change == "set" ? 2 : 0);
        (await cache.ExistsAsync("key")).Should().Be(change == "set");
        (await cache.GetAsync<int>("key", new() { Tiers = CacheTiers.Memory })).GetValueOrDefault().Should().NotBe(1);
    }

    private Cache Create()
    {
        // The wall clock, by which the other process goes, too.
        var store = new DiskStore(new()
        {
            Path = _folder.Root,
            CacheName = "default",
            Geometry = DiskFolder.Small,
            TimeProvider = TimeProvider.System,
            Logger = NullLogger.Instance,
        });
        var cache = new Cache(
            "default", new(), new() { MemoryPressureShare = 1 }, TimeProvider.System, NullLogger.Instance, [], meters: null, stores: [new(store, new())]);
        _caches.Add(cache);
        return cache;
    }

    private async Task RunAsync(string change)
    {
        var program = Repository.PathTo("tests", "CacheKit.CrashCheck", "bin", Repository.Configuration, "net10.0", "CacheKit.CrashCheck.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, "--directory", _folder.Root, "--change", change]) { RedirectStandardError = true })
            ?? throw new InvalidOperationException("dotnet did not start.");
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        process.ExitCode.Should().Be(0, errors);
    }
}
