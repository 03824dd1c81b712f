using System.Buffers.Binary;
using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using CacheKit.Tests.Diagnostics;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>Whatever happens to the bytes of the files, what is read is what was written, or a miss.</summary>
public sealed class DiskDamageTests : IDisposable
{
    private readonly DiskFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Instants_that_are_damaged_are_not_made_good_when_the_entry_is_carried_on()
    {
        await using var store = _folder.Open();
        var soon = _folder.Clock.GetUtcNow().AddMinutes(1);
        await store.WriteAsync("hot", Entry(Bytes(1, 100)) with { ExpiresAt = soon, RetainUntil = soon }, StoreCondition.Always, default);
        (await store.Get("hot")).Should().NotBeNull("it is in use");
        using (var file = File.OpenHandle(_folder.SegmentFiles().Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            var ticks = new byte[16];
            BinaryPrimitives.WriteInt64LittleEndian(ticks, soon.UtcTicks ^ (1L << 62));
            BinaryPrimitives.WriteInt64LittleEndian(ticks.AsSpan(8), soon.UtcTicks ^ (1L << 62));
            RandomAccess.Write(file, ticks, RingLog.SegmentStart + RecordLayout.LifeOffset);
        }

        (await store.Get("hot")).Should().BeNull("its instants are damaged");
        for (var i = 0; i < 3000; i++)
            await store.Set($"key{i}", Bytes(i, 500));

        (await store.Get("hot")).Should().BeNull("its instants are damaged still");
    }

    [Fact]
    public async Task An_expiry_whose_bit_has_flipped_does_not_prolong_the_entry_when_it_is_carried_on()
    {
        await using var store = _folder.Open();
        var soon = _folder.Clock.GetUtcNow().AddMinutes(1);
        await store.WriteAsync("hot", Entry(Bytes(1, 100)) with { ExpiresAt = soon, RetainUntil = soon }, StoreCondition.Always, default);
        (await store.Get("hot")).Should().NotBeNull("it is in use");
        using (var file = File.OpenHandle(_folder.SegmentFiles().Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            var ticks = new byte[16];
            BinaryPrimitives.WriteInt64LittleEndian(ticks, soon.AddYears(100).UtcTicks);
            BinaryPrimitives.WriteInt64LittleEndian(ticks.AsSpan(8), soon.AddYears(100).UtcTicks);
            RandomAccess.Write(file, ticks, RingLog.SegmentStart + RecordLayout.LifeOffset);
        }

        for (var i = 0; i < 3000; i++)
            await store.Set($"key{i}", Bytes(i, 500));
        _folder.Clock.Advance(TimeSpan.FromDays(1));

        (await store.Get("hot")).Should().BeNull("it has expired");
    }

    [Fact]
    public async Task What_is_too_damaged_to_be_read_does_not_keep_an_entry_from_being_added()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        using (var file = File.OpenHandle(_folder.SegmentFiles().Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            RandomAccess.Write(file, new byte[16], RingLog.SegmentStart + RecordLayout.HeaderBytes + 20);
        (await store.Get("key")).Should().BeNull();

        (await store.WriteAsync("key", Entry(Bytes(2, 100)), StoreCondition.IfAbsent, default)).Outcome.Should().Be(StoreWriteOutcome.Stored, "there is nothing");
    }

    [Theory]
    [InlineData(true, RecordLayout.HeaderBytes + 20)]
    [InlineData(false, RecordLayout.HeaderBytes + 20)]
    [InlineData(true, 40)]
    [InlineData(false, 40)]
    public async Task It_is_the_sums_that_notice_bytes_which_nobody_wrote(bool verifySums, int offset)
    {
        await using var store = _folder.Open(settings => settings with { VerifySums = verifySums });
        var stamp = (await store.Set("key", Bytes(1, 100))).Stamp;
        using (var file = File.OpenHandle(_folder.SegmentFiles().Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            RandomAccess.Write(file, [7, 7, 7], RingLog.SegmentStart + offset);

        using var lookup = await store.ReadAsync("key", default, default);
        lookup.IsFound.Should().Be(!verifySums, "without them this test could not fail");
        if (lookup.IsFound)
            (lookup.Stamp == stamp && lookup.Payload.Span.SequenceEqual(Bytes(1, 100))).Should().BeFalse();
    }

    [Theory]
    [InlineData(100)]
    [InlineData(10_000)]
    public async Task What_is_too_damaged_to_be_read_is_not_said_to_exist(int size)
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, size));
        (await Exists(store)).Should().BeTrue();
        using (var file = File.OpenHandle(_folder.SegmentFiles().Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            RandomAccess.Write(file, new byte[16], RingLog.SegmentStart + RecordLayout.HeaderBytes + 20);

        (await Exists(store)).Should().BeFalse();
    }

    [Fact]
    public async Task What_is_damaged_is_told_and_what_has_gone_is_not()
    {
        var logger = new RecordingLogger();
        var store = _folder.Open();
        await using var cache = new Cache(
            "default", new CacheKitOptions(), new MemoryOptions { MaintenanceInterval = TimeSpan.FromHours(1) }, _folder.Clock, logger, [], meters: null,
            stores: [new StoreSetup(store, new CacheStoreOptions())], hasMemory: false);
        await cache.SetAsync("large", Bytes(1, 100_000));
        for (var i = 0; (await cache.GetAsync<byte[]>("large")).IsHit; i++)
            await cache.SetAsync($"fill{i}", Bytes(i, 5000));

        (await cache.ExplainAsync("large")).Tiers[0].Finding.Should().Be(CacheTierFinding.Missing);
        logger.Messages.Should().NotContain(message => message.Id == 40, "that is how it goes when the log comes round");

        await cache.SetAsync("key", Bytes(1, 1000));
        foreach (var path in _folder.SegmentFiles())
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            RandomAccess.Write(file, new byte[RandomAccess.GetLength(file)], 0);
        }

        (await cache.GetAsync<byte[]>("key")).IsHit.Should().BeFalse();
        (await cache.GetAsync<byte[]>("key")).IsHit.Should().BeFalse();
        logger.Messages.Should().ContainSingle(message => message.Id == 40);
        logger.Messages.Should().Contain(message => message.Id == 41 && message.Message.Contains("'key'"));
        (await cache.ExplainAsync("key")).Tiers[0].Finding.Should().Be(CacheTierFinding.Unreadable);
        (await cache.ExplainAsync("never")).Tiers[0].Finding.Should().Be(CacheTierFinding.Missing);
    }

    [Fact]
    public async Task An_entry_whose_pieces_have_gone_is_not_said_to_exist()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100_000));
        for (var (i, exists) = (0, true); exists; i++)
        {
            exists = await Exists(store);
            (await store.Get("key") is not null).Should().Be(exists);
            await store.Set($"fill{i}", Bytes(i, 5000));
        }
    }

    [Fact]
    public async Task An_entry_whose_pieces_have_gone_does_not_keep_one_from_being_added()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100_000));
        var i = 0;
        while (await store.Get("key") is not null)
            await store.Set($"fill{i++}", Bytes(i, 5000));

        (await store.WriteAsync("key", Entry(Bytes(2, 100)), StoreCondition.IfAbsent, default)).Outcome.Should().Be(StoreWriteOutcome.Stored, "there is nothing");
    }

    [Fact]
    public async Task Any_bit_of_a_record_may_flip()
    {
        await using var store = _folder.Open();
        var value = Bytes(1, 150);
        await store.Set("key", value, "tag");
        var segment = _folder.SegmentFiles().Single();
        var bytes = File.ReadAllBytes(segment);
        var misses = 0;
        using var file = File.OpenHandle(segment, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        for (var at = RingLog.SegmentStart; at < RingLog.SegmentStart + 260; at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                RandomAccess.Write(file, [(byte)(bytes[at] ^ (1 << bit))], at);
                var read = await store.Get("key");
                if (read is null)
                    misses++;
                else
                    read.Should().Equal(value);
            }

            RandomAccess.Write(file, [bytes[at]], at);
        }

        (await store.Get("key")).Should().Equal(value, "everything was put back");
        misses.Should().BeGreaterThan(8 * 230, "hardly a bit means nothing");
    }

    [Fact]
    public async Task Any_bit_of_a_slot_may_flip()
    {
        await using var store = _folder.Open();
        var values = Enumerable.Range(0, 300).Select(i => Bytes(i, 50)).ToArray();
        for (var i = 0; i < 300; i++)
            await store.Set($"key{i}", values[i]);
        using var open = new OpenIndex(_folder);
        for (var bit = 0; bit < 64; bit++)
        {
            open.FlipSlots(bit);
            for (var i = 0; i < 300; i++)
            {
                if (await store.Get($"key{i}") is { } read)
                    read.AsSpan().SequenceEqual(values[i]).Should().BeTrue();
            }

            await store.Set($"new{bit}", Bytes(bit, 60));
            (await store.Get($"new{bit}")).Should().Equal(Bytes(bit, 60));
        }
    }

    [Fact]
    public async Task Any_byte_of_the_header_may_be_another_when_it_is_opened()
    {
        await using (var store = _folder.Open())
        {
            for (var i = 0; i < 50; i++)
                await store.Set($"key{i}", Bytes(i, 50));
        }

        var good = File.ReadAllBytes(_folder.IndexPath);
        var empty = 0;
        for (var at = 0; at < 700; at += at is > 280 and < 500 ? 20 : 3)
        {
            foreach (var change in new byte[] { 0x01, 0x80 })
            {
                var bytes = good.ToArray();
                bytes[at] ^= change;
                File.WriteAllBytes(_folder.IndexPath, bytes);
                await using var store = _folder.Open(settings => settings with { FlushOnClose = false });
                for (var i = 0; i < 50; i += 7)
                {
                    var read = await store.Get($"key{i}");
                    if (read is null)
                        empty++;
                    else
                        read.Should().Equal(Bytes(i, 50));
                }

                await store.Set("new", Bytes(1, 50));
                (await store.Get("new")).Should().Equal(Bytes(1, 50));
            }

            foreach (var segment in _folder.SegmentFiles().Skip(1))
                File.Delete(segment);
        }

        empty.Should().BePositive();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(4096)]
    [InlineData(40_000)]
    public async Task An_index_that_was_cut_off_is_started_anew(int length)
    {
        await using (var store = _folder.Open())
            await store.Set("key", Bytes(1, 50));
        using (var file = File.Open(_folder.IndexPath, FileMode.Open))
            file.SetLength(length);
        await using var reopened = _folder.Open();
        (await reopened.Get("key")).Should().BeNull();
        await reopened.Set("key", Bytes(2, 50));
        (await reopened.Get("key")).Should().Equal(Bytes(2, 50));
    }

    [Fact]
    public async Task A_closed_index_that_has_lost_its_invalidations_is_not_believed()
    {
        await using (var store = _folder.Open())
        {
            await store.Set("key", Bytes(1, 50), "tag");
            await store.InvalidateTagsAsync(["tag"], TagMatch.Any, CacheKit.Stores.InvalidationKind.Remove, default);
        }

        using (var file = File.OpenHandle(_folder.IndexPath, FileMode.Open, FileAccess.ReadWrite))
        {
            for (var at = DiskFolder.Small.TagOffset; at < DiskFolder.Small.FenceOffset; at += 4096)
                RandomAccess.Write(file, new byte[4096], at);
        }

        await using var reopened = _folder.Open(settings => settings with { Boot = "another" });
        (await reopened.Get("key")).Should().BeNull();
    }

    [Fact]
    public async Task Segments_may_be_cut_off_filled_with_rubbish_or_gone()
    {
        await using var store = _folder.Open();
        for (var i = 0; i < 1000; i++)
            await store.Set($"key{i}", Bytes(i, 500));
        var segments = _folder.SegmentFiles();
        using (var file = File.Open(segments[2], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            file.SetLength(1000);
        using (var file = File.OpenHandle(segments[3], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            RandomAccess.Write(file, Bytes(1, 64 << 10), 0);
        File.Delete(segments[4]);

        await using var other = _folder.Open();
        var hits = 0;
        for (var i = 0; i < 1000; i++)
        {
            if (await other.Get($"key{i}") is { } read)
            {
                read.AsSpan().SequenceEqual(Bytes(i, 500)).Should().BeTrue();
                hits++;
            }
        }

        hits.Should().BeInRange(300, 900);
        other.Check(default).DamagedEntries.Should().BeInRange(100, 400);
        for (var i = 0; i < 3000; i++)
            await other.Set($"more{i}", Bytes(i, 500));
        (await other.Get("more2999")).Should().Equal(Bytes(2999, 500));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task After_a_loss_of_power_it_is_empty_and_within_one_boot_nothing_is_torn(int seed)
    {
        var random = new Random(seed);
        var versions = new Dictionary<string, List<byte[]>>();
        var before = new Dictionary<string, byte[]>();
        await using (var store = _folder.Open(settings => settings with { FlushOnClose = false }))
        {
            await Write(store, 800, random, versions);
            foreach (var file in Files())
                before[file] = await ReadShared(file);
            await Write(store, 800, random, versions);
        }

        // Some of the pages got to the disk, some did not.
        foreach (var file in Files())
        {
            var bytes = File.ReadAllBytes(file);
            var old = before.GetValueOrDefault(file) ?? [];
            for (var at = 0; at < bytes.Length; at += 4096)
            {
                if (random.Next(2) == 0)
                    CopyPage(old, bytes, at);
            }

            File.WriteAllBytes(file, bytes);
        }

        await using (var sameBoot = _folder.Open(settings => settings with { FlushOnClose = false }))
        {
            foreach (var (key, values) in versions)
            {
                if (await sameBoot.Get(key) is { } read)
                    values.Exists(value => value.AsSpan().SequenceEqual(read)).Should().BeTrue();
            }
        }

        await using var nextBoot = _folder.Open(settings => settings with { Boot = "another" });
        (await nextBoot.Keys()).Should().BeEmpty();

        static void CopyPage(byte[] from, byte[] to, int at)
        {
            var page = to.AsSpan(at, Math.Min(4096, to.Length - at));
            page.Clear();
            if (at < from.Length)
                from.AsSpan(at, Math.Min(page.Length, from.Length - at)).CopyTo(page);
        }
    }

    private string[] Files() => [_folder.IndexPath, .. _folder.SegmentFiles()];

    private static async Task<byte[]> ReadShared(string path)
    {
        await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[stream.Length];
        await stream.ReadExactlyAsync(bytes);
        return bytes;
    }

    private static async Task<bool> Exists(DiskStore store)
    {
        using var lookup = await store.ReadAsync("key", new() { WithoutPayload = true }, default);
        return lookup.IsFound;
    }

    private static async Task Write(DiskStore store, int count, Random random, Dictionary<string, List<byte[]>> versions)
    {
        for (var i = 0; i < count; i++)
        {
            var key = $"key{random.Next(200)}";
            var value = Bytes(random.Next(), random.Next(2000));
            await store.Set(key, value);
            if (!versions.TryGetValue(key, out var values))
                versions[key] = values = [];
            values.Add(value);
        }
    }
}
