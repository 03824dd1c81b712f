using System.Diagnostics;
using System.Globalization;
using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using CacheKit.Tests.Consistency;
using CacheKit.Tests.Diagnostics;
using CacheKit.Tests.Disk;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Tiers;

/// <summary>Values that go into a cache as a stream, and come out as one.</summary>
public sealed class StreamedValueTests : IAsyncDisposable
{
    private readonly DiskFolder _folder = new();
    private readonly List<Cache> _caches = [];

    public static TheoryData<string> Changes => ["set", "remove", "tag", "clear", "remove elsewhere"];

    public async ValueTask DisposeAsync()
    {
        foreach (var cache in _caches)
        {
            cache.Settle();
            await cache.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_streamed_value_is_there_as_a_stream_and_as_bytes_and_not_in_memory(bool hasMemory)
    {
        var cache = Create(hasMemory);
        foreach (var size in new[] { 0, 1, 63, 64, 65_535, 65_536, 65_537, 100_000, 131_072 + 10, 600_000 })
        {
            var value = Bytes(size, size);
            (await cache.SetStreamAsync($"key{size}", new Trickle(value))).Should().BeTrue();
            (await ReadAsync(cache, $"key{size}")).Should().Equal(value);
            if (hasMemory)
                cache.GetStatistics().Entries.Should().Be(0);
        }

        (await cache.GetAsync<byte[]>("key65537")).Value.Should().Equal(Bytes(65_537, 65_537));
        (await cache.GetOrCreateAsync("key600000", _ => ValueTask.FromResult(Array.Empty<byte>()))).Should().Equal(Bytes(600_000, 600_000));
        (await cache.ExistsAsync("key0")).Should().BeTrue();
        (await cache.OpenReadAsync("absent")).Should().BeNull();
        (await cache.Awaiting(it => it.GetAsync<string>("key64").AsTask()).Should().ThrowAsync<CacheTypeMismatchException>()).Which.Message.Should().Contain("Byte[]");
    }

    [Fact]
    public async Task A_value_that_was_set_can_be_opened_whatever_the_tiers_are()
    {
        var plain = new InMemoryStore(_folder.Clock);
        foreach (var cache in new[] { Create(hasMemory: true), Create(hasMemory: false), CreateOver(true), CreateOver(true, plain), CreateOver(false, plain) })
        {
            await cache.SetAsync("key", Bytes(1, 70_000));
            (await ReadAsync(cache, "key")).Should().Equal(Bytes(1, 70_000));
            await cache.SetAsync<byte[]?>("null", null);
            (await cache.OpenReadAsync("null")).Should().BeNull();
            await cache.SetAsync("text", "text");
            await cache.Awaiting(it => it.OpenReadAsync("text").AsTask()).Should().ThrowAsync<CacheTypeMismatchException>();
        }
    }

    [Fact]
    public async Task A_stream_can_be_sought_in_and_not_written()
    {
        var cache = Create();
        var value = Bytes(1, 300_000);
        await cache.SetStreamAsync("key", new MemoryStream(value));
        await using var stream = (await cache.OpenReadAsync("key"))!; // just set
        (stream.Length, stream.CanSeek, stream.CanWrite).Should().Be((300_000, true, false));
        var buffer = new byte[10];
        foreach (var (place, expected) in new[]
        {
            (stream.Seek(250_000, SeekOrigin.Begin), 250_000), (stream.Seek(-100_010, SeekOrigin.Current), 149_990), (stream.Seek(-10, SeekOrigin.End), 299_990),
        })
            place.Should().Be(expected);
        await stream.ReadExactlyAsync(buffer);
        buffer.Should().Equal(value[^10..]);
        (await stream.ReadAsync(buffer)).Should().Be(0);
        stream.Position = 17;
        stream.ReadByte().Should().Be(value[17]);
        stream.Invoking(it => it.Seek(-1, SeekOrigin.Begin)).Should().Throw<IOException>();
        stream.Invoking(it => it.WriteByte(1)).Should().Throw<NotSupportedException>();
        await stream.DisposeAsync();
        await stream.Awaiting(it => it.ReadAsync(buffer).AsTask()).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task What_happens_while_the_source_is_read_is_later_than_the_value(string change)
    {
        var (cache, other) = (Create(), Create());
        await cache.SetAsync("key", Bytes(3, 10));
        var source = new Trickle(Bytes(1, 200_000));
        source.OnHalf = async () =>
        {
            (await cache.GetAsync<byte[]>("key")).Value.Should().Equal(Bytes(3, 10), "what was there is read until the new value is complete");
            await ChangeAsync(change == "remove elsewhere" ? other : cache, change);
        };

        (await cache.SetStreamAsync("key", source, Tagged)).Should().BeFalse();

        foreach (var any in new[] { cache, other })
        {
            var lookup = await any.GetAsync<byte[]>("key");
            if (change == "set")
                lookup.Value.Should().Equal(Bytes(2, 10));
            else
                lookup.IsHit.Should().BeFalse();
        }
    }

    [Fact]
    public async Task A_streamed_value_replaces_what_the_memory_of_every_process_holds_and_goes_with_its_tags()
    {
        var (cache, other) = (Create(), Create());
        await cache.SetAsync("key", Bytes(1, 10));
        (await other.GetAsync<byte[]>("key")).IsHit.Should().BeTrue();

        await cache.SetStreamAsync("key", new MemoryStream(Bytes(2, 100_000)), Tagged);

        (await ReadAsync(cache, "key")).Should().Equal(Bytes(2, 100_000));
        (await ReadAsync(other, "key")).Should().Equal(Bytes(2, 100_000));
        await other.RemoveByTagAsync("tag");
        (await cache.OpenReadAsync("key")).Should().BeNull();
        (await other.OpenReadAsync("key")).Should().BeNull();
    }

    [Fact]
    public async Task A_streamed_value_expires_and_slides_like_any_other()
    {
        var cache = Create();
        await cache.SetStreamAsync("fixed", new MemoryStream(Bytes(1, 70_000)), new() { Expiration = TimeSpan.FromMinutes(1) });
        await cache.SetStreamAsync("sliding", new MemoryStream(Bytes(2, 70_000)), new() { SlidingExpiration = TimeSpan.FromMinutes(1) });
        for (var i = 0; i < 3; i++)
        {
            _folder.Clock.Advance(TimeSpan.FromSeconds(40));
            (await ReadAsync(cache, "sliding")).Should().Equal(Bytes(2, 70_000));
        }

        (await cache.OpenReadAsync("fixed")).Should().BeNull();
        (await cache.SetTimeToLiveAsync("sliding", TimeSpan.FromMinutes(5))).Should().BeTrue();
        _folder.Clock.Advance(TimeSpan.FromMinutes(4));
        (await ReadAsync(cache, "sliding")).Should().Equal(Bytes(2, 70_000));
        (await cache.SetStreamAsync("sliding", new MemoryStream(Bytes(3, 10)), new() { Expiration = TimeSpan.Zero })).Should().BeFalse();
        (await cache.OpenReadAsync("sliding")).Should().BeNull("without a time to live it is removed");
    }

    [Fact]
    public async Task A_source_that_breaks_off_or_is_given_up_leaves_what_was_there()
    {
        var cache = Create();
        await cache.SetAsync("key", Bytes(3, 10));
        foreach (var key in new[] { "key", "new" })
        {
            var broken = new Trickle(Bytes(1, 200_000)) { OnHalf = () => throw new InvalidDataException("broken off") };
            (await cache.Awaiting(it => it.SetStreamAsync(key, broken).AsTask()).Should().ThrowAsync<InvalidDataException>()).WithMessage("broken off");
        }

        using var cancellation = new CancellationTokenSource();
        var given = new Trickle(Bytes(1, 200_000)) { OnHalf = cancellation.CancelAsync };
        await cache.Awaiting(it => it.SetStreamAsync("key", given, null, cancellation.Token).AsTask()).Should().ThrowAsync<OperationCanceledException>();

        (await cache.GetAsync<byte[]>("key")).Value.Should().Equal(Bytes(3, 10));
        (await cache.OpenReadAsync("new")).Should().BeNull();
        given.CanRead.Should().BeTrue("it is the caller's");
    }

    [Fact]
    public async Task A_store_that_fails_or_has_no_room_costs_the_value_and_the_one_before_and_is_no_exception()
    {
        var isBroken = false;
        var cache = CreateOver(true, _folder.Open(settings => settings with
        {
            Geometry = Large,
            Hook = step =>
            {
                if (isBroken && step == DiskStep.Writing)
                    throw new IOException("broken");
            },
        }));
        foreach (var (breaks, size) in new[] { (true, 200_000), (true, 3_000_000), (false, (int)Large.LargestValue + 10_000_000) })
        {
            await cache.SetAsync("key", Bytes(3, 10));
            isBroken = breaks;
            (await cache.SetStreamAsync("key", new MemoryStream(new byte[size]))).Should().BeFalse();
            isBroken = false;
            (await cache.GetAsync<byte[]>("key")).IsHit.Should().BeFalse();
        }
    }

    [Theory]
    [InlineData("whole")]
    [InlineData("stream")]
    [InlineData("trickle")]
    public async Task A_value_that_is_too_large_for_the_disk_is_told_with_its_size_and_the_limit_however_it_comes(string how)
    {
        var logger = new RecordingLogger();
        var limit = Large.LargestValue;
        var cache = CreateWith(new(), hasMemory: false, logger, Disk());
        async Task<bool> SetAsync(long size)
        {
            var value = new byte[size];
            if (how != "whole")
                return await cache.SetStreamAsync("key", how == "stream" ? new MemoryStream(value) : new Trickle(value));
            await cache.SetAsync("key", value);
            return await cache.ExistsAsync("key");
        }

        // Where the bytes of the header count, and the value would do without them.
        foreach (var size in new[] { limit + 70_000, limit - 10 })
        {
            await cache.SetAsync("key", new byte[] { 1 });
            (await SetAsync(size)).Should().BeFalse();
            (await cache.ExistsAsync("key")).Should().BeFalse();
        }

        var message = logger.Messages.Should().ContainSingle("once a minute").Which;
        (message.Id, message.Level).Should().Be((42, LogLevel.Warning));
        message.Message.Should().MatchRegex(string.Create(CultureInfo.InvariantCulture, $"an entry of [0-9,]+ bytes is more than the {limit:N0} that the store 'disk' takes"));
        (await SetAsync(limit - 1000)).Should().BeTrue("the header takes fewer");
        logger.Messages.Should().HaveCount(1);

        _folder.Clock.Advance(TimeSpan.FromMinutes(2));
        (await SetAsync(limit - 10)).Should().BeFalse();
        logger.Messages.Should().HaveCount(2);
    }

    [Fact]
    public async Task A_value_evicted_under_its_reader_is_an_IOException()
    {
        var cache = Create();
        await cache.SetStreamAsync("key", new MemoryStream(Bytes(1, 3_000_000)));
        await using var stream = (await cache.OpenReadAsync("key"))!; // just set
        await stream.ReadExactlyAsync(new byte[100]);
        for (var i = 0; i < 40; i++)
            await cache.SetAsync($"key{i}", new byte[1_000_000]);
        (await stream.Awaiting(it => it.CopyToAsync(System.IO.Stream.Null)).Should().ThrowAsync<IOException>()).Which.Message.Should().Contain("evicted");
    }

    [Fact]
    public async Task Before_another_store_the_value_is_in_the_near_one_alone_and_the_rule_is_the_same()
    {
        var state = new InMemoryStoreState();
        var far = new InMemoryStore(state, _folder.Clock);
        var cache = CreateOver(true, Disk(), far);
        await cache.SetAsync("key", Bytes(3, 10));

        (await cache.SetStreamAsync("key", new MemoryStream(Bytes(1, 200_000)), Tagged)).Should().BeTrue();

        (await ReadAsync(cache, "key")).Should().Equal(Bytes(1, 200_000));
        (await CreateOver(true, new InMemoryStore(state, _folder.Clock)).GetAsync<byte[]>("key")).IsHit.Should().BeFalse("another machine does not have the bytes");
        foreach (var change in new[] { "set", "remove", "tag", "clear" })
        {
            var source = new Trickle(Bytes(1, 200_000)) { OnHalf = () => ChangeAsync(cache, change) };
            (await cache.SetStreamAsync("key", source, Tagged)).Should().BeFalse();
            (await cache.GetAsync<byte[]>("key")).GetValueOrDefault().Should().Equal(change == "set" ? Bytes(2, 10) : null);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Before_another_store_the_value_outlives_lost_messages_and_the_process(bool isConnectedAtFirst)
    {
        var state = new InMemoryStoreState();
        var far = new InMemoryStore(state, _folder.Clock);
        if (!isConnectedAtFirst)
            far.Feed.Interrupt(); // as in the first moments of a program
        var cache = CreateOver(true, Disk(), far);

        (await cache.SetStreamAsync("key", new MemoryStream(Bytes(1, 200_000)), Tagged)).Should().BeTrue();
        (await ReadAsync(cache, "key")).Should().Equal(Bytes(1, 200_000));
        TieredCaches.LoseMessages(far);
        (await ReadAsync(cache, "key")).Should().Equal(Bytes(1, 200_000));
        (await cache.GetAsync<byte[]>("key")).Value.Should().Equal(Bytes(1, 200_000));

        var next = CreateOver(true, Disk(), new InMemoryStore(state, _folder.Clock));
        (await ReadAsync(next, "key")).Should().Equal(Bytes(1, 200_000));
    }

    [Theory]
    [InlineData("remove")]
    [InlineData("set")]
    [InlineData("tag")]
    [InlineData("clear")]
    public async Task Before_another_store_what_another_machine_changes_unheard_ends_the_value(string change)
    {
        var state = new InMemoryStoreState();
        var far = new InMemoryStore(state, _folder.Clock);
        var cache = CreateOver(true, Disk(), far);
        await cache.SetStreamAsync("key", new MemoryStream(Bytes(1, 200_000)), Tagged);
        far.Feed.Interrupt();

        await ChangeAsync(CreateOver(false, new InMemoryStore(state, _folder.Clock)), change);
        far.Feed.Reconnect(isComplete: false);

        (await cache.GetAsync<byte[]>("key")).GetValueOrDefault().Should().Equal(change == "set" ? Bytes(2, 10) : null);
        await using var stream = await cache.OpenReadAsync("key");
        (stream is not null).Should().Be(change == "set");
    }

    [Fact]
    public async Task Before_another_store_what_another_machine_changes_while_the_source_is_read_wins()
    {
        var state = new InMemoryStoreState();
        var far = new InMemoryStore(state, _folder.Clock);
        var cache = CreateOver(true, Disk(), far);
        far.Feed.Interrupt();
        var other = CreateOver(false, new InMemoryStore(state, _folder.Clock));
        var source = new Trickle(Bytes(1, 200_000)) { OnHalf = () => other.RemoveByTagAsync("tag").AsTask() };

        (await cache.SetStreamAsync("key", source, Tagged)).Should().BeFalse();
        (await cache.GetAsync<byte[]>("key")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Before_another_store_the_value_can_be_given_another_time_to_live()
    {
        var cache = CreateOver(true, Disk(), new InMemoryStore(_folder.Clock));
        await cache.SetStreamAsync("key", new MemoryStream(Bytes(1, 200_000)), new() { Expiration = TimeSpan.FromMinutes(1) });

        (await cache.SetTimeToLiveAsync("key", TimeSpan.FromHours(1))).Should().BeTrue();

        _folder.Clock.Advance(TimeSpan.FromMinutes(59));
        (await ReadAsync(cache, "key")).Should().Equal(Bytes(1, 200_000));
        _folder.Clock.Advance(TimeSpan.FromMinutes(1));
        (await cache.OpenReadAsync("key")).Should().BeNull();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Before_a_store_that_does_not_answer_the_value_is_stored_only_where_it_can_be_read(bool isHeard)
    {
        var state = new InMemoryStoreState();
        var far = new InMemoryStore(state, _folder.Clock);
        var faulty = FaultyStore.Wrap(far);
        if (!isHeard)
            far.Feed.Interrupt();
        var cache = CreateOver(true, Disk(), faulty);
        await cache.SetAsync("key", Bytes(2, 10));
        faulty.Inject(CacheKit.Testing.Stores.StoreOperations.All, StoreFault.Throw());

        (await cache.SetStreamAsync("key", new MemoryStream(Bytes(1, 200_000)), Tagged)).Should().Be(isHeard);

        (await cache.GetAsync<byte[]>("key")).GetValueOrDefault().Should().Equal(isHeard ? Bytes(1, 200_000) : null);
    }

    [Fact]
    public async Task Where_no_tier_can_stream_the_call_says_so_before_anything_is_read()
    {
        var source = new Trickle(Bytes(1, 10)) { OnHalf = () => throw new UnreachableException() };
        var encrypting = new CacheKitOptions();
        encrypting.Serialization.Encryption = new KeyRing("k", new byte[32]);
        foreach (var (cache, options) in new (Cache, CacheEntryOptions?)[]
        {
            (CreateOver(true), null), (CreateOver(true, new InMemoryStore(_folder.Clock)), null), (Create(), new() { Tiers = CacheTiers.Memory }),
            (CreateWith(encrypting, true, Disk()), null),
        })
        {
            await cache.Awaiting(it => it.SetStreamAsync("key", source, options).AsTask()).Should().ThrowAsync<NotSupportedException>().WithMessage("*array of bytes*");
        }

        var encrypted = _caches[^1];
        await encrypted.SetAsync("key", Bytes(1, 70_000));
        (await ReadAsync(encrypted, "key")).Should().Equal(Bytes(1, 70_000));
        var any = Create();
        await any.Awaiting(it => it.SetStreamAsync("key", null!).AsTask()).Should().ThrowAsync<ArgumentNullException>();
        await any.Awaiting(it => it.SetStreamAsync("", source).AsTask()).Should().ThrowAsync<ArgumentException>();
        await source.DisposeAsync();
        await any.Awaiting(it => it.SetStreamAsync("key", source).AsTask()).Should().ThrowAsync<ArgumentException>();
    }

    [Theory]
    [InlineData(1000, "the record")]
    [InlineData(1000, "its value")]
    [InlineData(3_000_000, "the list of pieces")]
    [InlineData(3_000_000, "the head of a piece")]
    [InlineData(3_000_000, "a piece")]
    public async Task What_is_damaged_is_told_by_who_reads_it_as_a_stream_as_well(int size, string what)
    {
        var logger = new RecordingLogger();
        var store = Disk();
        var cache = CreateWith(new(), hasMemory: false, logger, store);
        await cache.SetAsync("key", Bytes(1, size));
        await cache.SetAsync("other", Bytes(2, size));
        Damage(store, what);

        var isThere = false;
        await using (var stream = await cache.OpenReadAsync("key"))
        {
            try
            {
                using var copy = new MemoryStream();
                await (stream?.CopyToAsync(copy) ?? Task.CompletedTask);
                isThere = stream is not null;
            }
            catch (IOException exception)
            {
                exception.Message.Should().Contain("damaged");
            }
        }

        isThere.Should().BeFalse();
        logger.Messages.Should().ContainSingle(message => message.Id == 40);
        logger.Messages.Should().Contain(message => message.Id == 41 && message.Message.Contains("'key'"));
        (await ReadAsync(cache, "other")).Should().Equal(Bytes(2, size));
    }

    [Fact]
    public async Task What_is_displaced_while_it_is_read_is_not_told_as_damaged()
    {
        var logger = new RecordingLogger();
        var cache = CreateWith(new(), hasMemory: false, logger, Disk());
        await cache.SetAsync("key", Bytes(1, 3_000_000));
        await using var stream = (await cache.OpenReadAsync("key"))!; // just set
        for (var i = 0; i < 20; i++)
            await cache.SetAsync($"fill{i}", Bytes(i, 3_000_000));
        await stream.Awaiting(it => it.ReadExactlyAsync(new byte[3_000_000]).AsTask()).Should().ThrowAsync<IOException>();
        logger.Messages.Should().NotContain(message => message.Id == 40);
    }

    /// <summary>Flips a byte of the first entry in the log; a value in pieces is one piece after the other, and then the list of them.</summary>
    private void Damage(DiskStore store, string what)
    {
        var segment = _folder.SegmentFiles().Order(StringComparer.Ordinal).First();
        using var file = File.OpenHandle(segment, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        var all = new byte[RandomAccess.GetLength(file)];
        RandomAccess.Read(file, all, 0);
        var first = RingLog.SegmentStart;
        var at = what switch
        {
            "the list of pieces" => all.AsSpan().IndexOf("key"u8),
            "its value" => first + RecordLayout.HeaderBytes + 300,
            "a piece" => first + RecordLayout.HeaderBytes + 500_000,
            _ => first,
        };
        all[at] ^= 0xFF;
        RandomAccess.Write(file, all.AsSpan(at, 1), at);
    }

    private static CacheEntryOptions Tagged => new() { Tags = ["tag"] };

    private static DiskGeometry Large { get; } = DiskGeometry.For(32 << 20, 1024, 100);

    private DiskStore Disk() => _folder.Open(settings => settings with { Geometry = Large });

    private Cache Create(bool hasMemory = true) => CreateOver(hasMemory, Disk());

    private Cache CreateOver(bool hasMemory, params ICacheStore[] stores) => CreateWith(new(), hasMemory, stores);

    private Cache CreateWith(CacheKitOptions options, bool hasMemory, params ICacheStore[] stores) => CreateWith(options, hasMemory, NullLogger.Instance, stores);

    private Cache CreateWith(CacheKitOptions options, bool hasMemory, ILogger logger, params ICacheStore[] stores)
    {
        var cache = new Cache(
            "default", options, new MemoryOptions { MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) }, _folder.Clock, logger, [],
            meters: null, stores: [.. stores.Select(store => new StoreSetup(store, new CacheStoreOptions { ReadTimeout = Timeout.InfiniteTimeSpan, WriteTimeout = Timeout.InfiniteTimeSpan }))],
            hasMemory: hasMemory);
        _caches.Add(cache);
        return cache;
    }

    private static async Task ChangeAsync(Cache cache, string change)
    {
        switch (change)
        {
            case "set":
                await cache.SetAsync("key", Bytes(2, 10));
                break;
            case "tag":
                await cache.RemoveByTagAsync("tag");
                break;
            case "clear":
                await cache.ClearAsync();
                break;
            default:
                await cache.RemoveAsync("key");
                break;
        }
    }

    private static async Task<byte[]> ReadAsync(Cache cache, string key)
    {
        await using var stream = (await cache.OpenReadAsync(key))!; // it is there
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    /// <summary>Gives few bytes at a time, and does something half way.</summary>
    private sealed class Trickle(byte[] value) : MemoryStream(value)
    {
        internal Func<Task>? OnHalf { get; set; }

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position >= Length / 2 && OnHalf is { } act)
            {
                OnHalf = null;
                await act();
            }

            cancellationToken.ThrowIfCancellationRequested();
            return base.Read(buffer.Span[..Math.Min(buffer.Length, 5000)]);
        }
    }
}
