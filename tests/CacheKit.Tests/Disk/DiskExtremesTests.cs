using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>Sizes so small that everything collides and comes round, clocks that jump, and stores that are disposed in the middle of things.</summary>
public sealed class DiskExtremesTests(ITestOutputHelper report) : IDisposable
{
    private readonly DiskFolder _folder = new();

    public static TheoryData<string> Sizes => ["one bucket", "two bits of fingerprint", "units that repeat", "few cells", "all at once"];

    private const string YoungGeneration = "DOTNET_GCgen0size";

    private static int Rounds { get; } = Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS") is null ? 15 : 1000;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task However_much_collides_a_read_gets_the_last_value_or_nothing(string sizes)
    {
        await using var store = _folder.Open(settings => settings with { Geometry = Geometry(sizes) });
        var random = new Random(1);
        var model = new Dictionary<string, byte[]>();
        var hits = 0;
        for (var i = 0; i < 8_000; i++)
        {
            var key = $"key{random.Next(60)}";
            switch (random.Next(10))
            {
                case < 4:
                    model[key] = Bytes(i, random.Next(300));
                    await store.Set(key, model[key], $"tag{key.Length}");
                    break;
                case 4:
                    model.Remove(key);
                    await store.InvalidateAsync(key, InvalidationKind.Remove, default);
                    break;
                case 5 when random.Next(20) == 0:
                    foreach (var covered in model.Keys.Where(other => other.Length == key.Length).ToList())
                        model.Remove(covered);
                    await store.InvalidateTagsAsync([$"tag{key.Length}"], TagMatch.Any, InvalidationKind.Remove, default);
                    break;
                default:
                    if (await store.Get(key) is { } read)
                    {
                        hits++;
                        (model.TryGetValue(key, out var value) && read.AsSpan().SequenceEqual(value)).Should().BeTrue("step {0}", i);
                    }

                    break;
            }
        }

        hits.Should().BePositive();
        store.Verify();
        store.Check(default).DamagedEntries.Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task However_much_collides_two_handles_at_once_keep_values_whole(string sizes)
    {
        var geometry = Geometry(sizes);
        await using var one = _folder.Open(settings => settings with { Geometry = geometry });
        await using var two = _folder.Open(settings => settings with { Geometry = geometry });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(async () =>
        {
            var store = thread % 2 == 0 ? one : two;
            var random = new Random(thread);
            for (var i = 0; i < 3000; i++)
            {
                var key = random.Next(20);
                if (random.Next(2) == 0)
                {
                    var value = new byte[100 + random.Next(500)];
                    Array.Fill(value, (byte)key);
                    await store.Set($"key{key}", value);
                }
                else if (await store.Get($"key{key}") is { } read)
                {
                    read.AsSpan().ContainsAnyExcept((byte)key).Should().BeFalse();
                }
            }
        })));
        one.Verify();
    }

    [Fact]
    public async Task A_clock_that_jumps_costs_entries_or_prolongs_them_and_nothing_else()
    {
        await using var store = _folder.Open();
        var now = _folder.Clock.GetUtcNow();
        var entry = Entry(Bytes(1, 10)) with { ExpiresAt = now.AddHours(1), RetainUntil = now.AddHours(2) };
        await store.WriteAsync("key", entry, StoreCondition.Always, default);

        _folder.Clock.StepWallClock(TimeSpan.FromDays(-400));
        (await store.Get("key")).Should().NotBeNull();
        (await store.InvalidateAsync("key", InvalidationKind.Expire, default)).WasFresh.Should().BeTrue();
        using (var expired = await store.ReadAsync("key", default, default))
            expired.ExpiresAt.Should().BeOnOrBefore(_folder.Clock.GetUtcNow());

        _folder.Clock.StepWallClock(TimeSpan.FromDays(-400));
        using (var expired = await store.ReadAsync("key", default, default))
            expired.ExpiresAt.Should().BeOnOrBefore(_folder.Clock.GetUtcNow(), "expired on request stays so, whatever the clock says");

        _folder.Clock.StepWallClock(TimeSpan.FromDays(3000));
        (await store.Get("key")).Should().BeNull();
        var stamp = await store.LoadStamp("key");
        await store.InvalidateAsync("key", InvalidationKind.Remove, default);
        _folder.Clock.StepWallClock(TimeSpan.FromDays(-3000));
        (await store.Load("key", Bytes(2, 10), stamp)).IsStored.Should().BeFalse("stamps have nothing to do with the clock");
    }

    [Fact]
    public async Task A_store_can_be_disposed_in_the_middle_of_anything_and_its_memory_is_not_collected_under_anybody()
    {
        // Then it collects by itself, wherever something is allocated.
        var isYoungSmall = Environment.GetEnvironmentVariable(YoungGeneration) is not null;
        using var end = new CancellationTokenSource();
        var collecting = Task.Factory.StartNew(
            () =>
            {
                while (!isYoungSmall && !end.IsCancellationRequested)
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                }
            },
            default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var strays = new StrayWrites(DiskFolder.Small.SegmentCount);
        for (var round = 0; round < Rounds; round++)
        {
            // Upkeep on the pool, as in earnest.
            var store = _folder.Open(settings => settings with
            {
                FlushOnClose = round % 8 == 0,
                Hook = strays.Pass,
                Schedule = work => ThreadPool.UnsafeQueueUserWorkItem(
                    work =>
                    {
                        strays.Begin();
                        work();
                    },
                    work, preferLocal: false),
            });
            using var begun = new CountdownEvent(3);
            var users = Enumerable.Range(0, 3).Select(thread => Task.Run(async () =>
            {
                var random = new Random(thread);
                for (var i = 0; ; i++)
                {
                    if (i == 50)
                        begun.Signal();
                    strays.Begin();
                    try
                    {
                        var key = $"key{random.Next(500)}";
                        if (i % 3 == 0)
                            await store.Set(key, Bytes(i, random.Next(i % 500 == 0 ? 100_000 : 3000)));
                        else if (i % 100 == 1)
                            await store.Keys();
                        else
                            await store.Get(key);
                    }
                    catch (ObjectDisposedException) when (i >= 50)
                    {
                        return;
                    }
                }
            })).ToArray();
            begun.Wait();
            await store.DisposeAsync();
            await Task.WhenAll(users);
        }

        await end.CancelAsync();
        await collecting;
        await using var reopened = _folder.Open();
        reopened.Verify();
        var damaged = reopened.Check(default).DamagedEntries;
        report.WriteLine($"{strays.Count} writes lay still while the log came round; {damaged} entries are damaged");
        if (strays.Count == 0)
            damaged.Should().Be(0);
        if (isYoungSmall)
            GC.CollectionCount(0).Should().BeGreaterThan(20);
    }

    [Fact]
    public void So_it_can_while_memory_is_collected_all_the_time()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "It takes a program to set a variable of the environment.");

        // In a process of its own: how much memory may be young is decided when it starts. Whatever is used after it was given back ends that.
        var output = OtherProgram.Run(
            "env", YoungGeneration + "=10000", "dotnet", typeof(DiskExtremesTests).Assembly.Location, "-noColor", "-method",
            $"*{nameof(DiskExtremesTests)}.{nameof(A_store_can_be_disposed_in_the_middle_of_anything_and_its_memory_is_not_collected_under_anybody)}");
        output.Should().Contain("Total: 1, Errors: 0, Failed: 0, Skipped: 0");
    }

    private static DiskGeometry Geometry(string sizes) => sizes switch
    {
        "one bucket" => DiskFolder.Small with { BucketCount = 1 },
        "two bits of fingerprint" => DiskFolder.Small with { FingerprintBits = 2, BucketCount = 4 },
        "units that repeat" => DiskFolder.Small with { UnitBits = 17 },
        "few cells" => DiskFolder.Small with { TagCells = 8, FenceCells = 8 },
        _ => DiskFolder.Small with { SegmentBytes = 16 << 10, SegmentCount = 8, BucketCount = 1, FingerprintBits = 3, UnitBits = 14, TagCells = 1, FenceCells = 1, Conjunctions = 1 },
    };
}
