using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>Entries that are written and read part by part.</summary>
public sealed class DiskStreamTests : IDisposable
{
    private static readonly int _pieceBytes = DiskFolder.Small.PieceBytes;
    private readonly DiskFolder _folder = new();

    public static TheoryData<int> Sizes
    {
        get
        {
            TheoryData<int> sizes = [0, 1, 1000, 64 << 10];
            foreach (var pieces in new[] { 1, 2, 3 })
            {
                foreach (var more in new[] { -200, -1, 0, 1 })
                    sizes.Add((pieces * _pieceBytes) + more);
            }

            return sizes;
        }
    }

    public static TheoryData<string, string> MomentsOfAStream
    {
        get
        {
            TheoryData<string, string> data = [];
            foreach (var moment in new[] { "first", "middle", "end", nameof(DiskStep.Allocated), nameof(DiskStep.Written), nameof(DiskStep.Pending) })
            {
                foreach (var change in new[] { "set", "remove", "expire", "tag", "all tags", "clear", "load" })
                    data.Add(moment, change);
            }

            return data;
        }
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_stream_of_a_store_that_was_closed_does_not_take_the_place_of_another_stream()
    {
        var closed = _folder.Open();
        var left = await closed.BeginWriteAsync("left", default);
        await closed.DisposeAsync();

        await using var store = _folder.Open();
        await using var stream = await store.BeginWriteAsync("key", default);
        await stream.WriteAsync(Bytes(1, 100), default);
        await left.DisposeAsync();
        await store.InvalidateAsync("key", InvalidationKind.Remove, default);

        (await stream.CompleteAsync(Entry([]), default)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await store.Get("key")).Should().BeNull("it was removed after the stream had begun");
    }

    [Fact]
    public async Task Who_opens_while_the_lock_file_of_a_living_process_was_cleaned_away_does_not_break_its_streams()
    {
        await using var store = _folder.Open();
        await using var stream = await store.BeginWriteAsync("key", default);
        await stream.WriteAsync(Bytes(1, 100), default);
        File.Delete(Path.Combine(_folder.Files, ProcessLocks.Folder, "0.lock"));

        await using var other = _folder.Open();
        await other.InvalidateAsync("key", InvalidationKind.Remove, default);

        (await stream.CompleteAsync(Entry([]), default)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await other.Get("key")).Should().BeNull("it was removed after the stream had begun");
    }

    [Fact]
    public async Task A_stream_that_a_removal_of_its_tag_overtakes_leaves_nothing_older()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        await using var stream = await store.BeginWriteAsync("key", default);
        await stream.WriteAsync(Bytes(2, 100), default);
        await store.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default);
        (await stream.CompleteAsync(Entry([], "tag"), default)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);

        (await store.Get("key")).Should().BeNull("the set is later than it");
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task What_comes_part_by_part_is_read_part_by_part_and_as_a_whole(int size)
    {
        var value = Bytes(size, size);
        foreach (var part in new[] { 777, 50_000 })
        {
            await using var store = _folder.Open();
            (await Stream(store, "key", value, part, head: 30)).Outcome.Should().Be(StoreWriteOutcome.Stored);
            (await store.Get("key")).Should().Equal(value);
            foreach (var buffer in new[] { 500, 100_000 })
                (await Read(store, "key", buffer)).Should().Equal(value);
            store.Verify();
            store.Check(default).LiveEntries.Should().Be(1);
            await store.InvalidateAsync("key", InvalidationKind.Remove, default);
            (await store.OpenReadAsync("key", default)).Should().BeNull();
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task What_was_written_as_a_whole_is_read_part_by_part_from_any_place(int size)
    {
        await using var store = _folder.Open();
        var value = Bytes(size, size);
        await store.Set("key", value);
        await using var stream = (await store.OpenReadAsync("key", default))!; // just written
        stream.Length.Should().Be(size);
        var random = new Random(size);
        for (var i = 0; i < 40; i++)
        {
            var offset = random.Next(size + 1);
            var buffer = new byte[random.Next(1, 2 * _pieceBytes)];
            var count = await stream.ReadAsync(offset, buffer, default);
            count.Should().BeInRange(offset < size ? 1 : 0, Math.Min(buffer.Length, size - offset));
            buffer.AsSpan(0, count).SequenceEqual(value.AsSpan(offset, count)).Should().BeTrue();
        }

        await stream.Awaiting(it => it.ReadAsync(size + 1, new byte[1], default).AsTask()).Should().ThrowAsync<ArgumentOutOfRangeException>();
    }

    [Theory]
    [MemberData(nameof(MomentsOfAStream))]
    public async Task Whatever_happens_to_the_key_while_a_stream_comes_in_is_later(string moment, string change)
    {
        await using var other = _folder.Open();
        var isDone = false;
        var isCompleting = false;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (isCompleting && !isDone && step.ToString() == moment)
                {
                    isDone = true;
                    Change(other, change).Wait();
                }
            },
        });
        var value = Bytes(1, 40_000);
        await using var stream = await store.BeginWriteAsync("key", default);
        if (moment == "first")
            await Change(other, change);
        await stream.WriteAsync(value.AsMemory(0, 20_000), default);
        if (moment == "middle")
            await Change(other, change);
        await stream.WriteAsync(value.AsMemory(20_000), default);
        if (moment == "end")
            await Change(other, change);
        isCompleting = true;
        await stream.CompleteAsync(Entry([1], "tag", "other"), default);

        foreach (var handle in new[] { store, other })
        {
            var read = await handle.Get("key");
            if (change is "set" or "load")
                read.Should().Equal(Bytes(2, 100));
            else
                read.Should().BeNull();
        }

        store.Verify();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Other_keys_do_not_keep_a_stream_from_being_stored_however_many_are_written(bool areAllPlacesTaken)
    {
        // All keys share two cells.
        await using var store = _folder.Open(settings => settings with { Geometry = DiskFolder.Small with { FenceCells = 2 } });
        List<IStoreWriteStream> others = [];
        for (var i = 0; areAllPlacesTaken && i < StreamMarks.Places; i++)
            others.Add(await store.BeginWriteAsync($"other{i}", default));
        await using (var stream = await store.BeginWriteAsync("key", default))
        {
            await stream.WriteAsync(Bytes(1, 40_000), default);
            for (var i = 0; i < 20; i++)
                await store.Set($"key{i}", Bytes(i, 10));
            var result = await stream.CompleteAsync(Entry([1]), default);
            result.Outcome.Should().Be(areAllPlacesTaken ? StoreWriteOutcome.Overtaken : StoreWriteOutcome.Stored, "only then the fences have to do");
        }

        foreach (var other in others)
            await other.DisposeAsync();
        (await Stream(store, "key", Bytes(2, 40_000), 1000, head: 1)).Outcome.Should().Be(StoreWriteOutcome.Stored);
    }

    [Fact]
    public async Task A_stream_that_is_not_completed_leaves_nothing_and_frees_its_place()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        for (var i = 0; i < 3 * StreamMarks.Places; i++)
        {
            var stream = await store.BeginWriteAsync("key", default);
            await stream.WriteAsync(Bytes(2, i % 32 == 0 ? 40_000 : 100), default);
            await stream.DisposeAsync();
            await stream.DisposeAsync();
        }

        (await store.Get("key")).Should().Equal(Bytes(1, 100));
        using var index = new OpenIndex(_folder);
        index.Index.Streams.Should().Be(0);
        var ended = await store.BeginWriteAsync("key", default);
        await ended.DisposeAsync();
        await ended.Awaiting(it => it.CompleteAsync(Entry([1]), default).AsTask()).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task The_places_of_streams_whose_process_died_are_free_when_nobody_else_is_there()
    {
        await using (var died = _folder.Open(settings => settings with { FlushOnClose = false }))
            await died.BeginWriteAsync("key", default);
        await using var store = _folder.Open();
        using var index = new OpenIndex(_folder);
        index.Index.Streams.Should().Be(0);
        await Stream(store, "key", Bytes(1, 40_000), 1000, head: 1);
        (await store.Get("key")).Should().Equal(Bytes(1, 40_000));
    }

    [Fact]
    public async Task Of_two_streams_the_one_that_began_later_stays_and_a_load_from_before_does_not_come_after_it()
    {
        await using var store = _folder.Open();
        var before = await store.LoadStamp("key");
        await using var first = await store.BeginWriteAsync("key", default);
        await using var second = await store.BeginWriteAsync("key", default);
        await second.WriteAsync(Bytes(2, 100), default);
        (await second.CompleteAsync(Entry([]), default)).IsStored.Should().BeTrue();
        (await first.CompleteAsync(Entry([]), default)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await store.Load("key", Bytes(3, 100), before)).IsStored.Should().BeFalse();
        (await store.Get("key")).Should().Equal(Bytes(2, 100));
    }

    [Fact]
    public async Task Who_reads_a_large_value_as_a_whole_is_told_of_each_part()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 60_000));
        var progress = new StoreReadProgress();
        using var lookup = await store.ReadAsync("key", new() { Progress = progress }, default);
        lookup.IsFound.Should().BeTrue();
        progress.Parts.Should().Be((60_000 + _pieceBytes - 1) / _pieceBytes);
    }

    [Fact]
    public async Task A_load_from_before_a_stream_does_not_come_after_it_though_what_was_streamed_is_gone_by_then()
    {
        await using var store = _folder.Open();
        var before = await store.LoadStamp("key");
        (await Stream(store, "key", Bytes(1, 100), 1000, head: 1)).IsStored.Should().BeTrue();

        // Another key's writes go round the log, and over few cells of the fence.
        for (var i = 0; i < 2 * DiskFolder.Small.SegmentCount * 4; i++)
            await store.Set("other", Bytes(i, 15_000));
        (await store.Get("key")).Should().BeNull();
        (await store.Load("key", Bytes(2, 100), before)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await store.Get("key")).Should().BeNull();
    }

    [Fact]
    public async Task What_is_too_large_or_falls_off_the_log_before_it_is_complete_is_declined_and_what_was_there_stays()
    {
        await using var store = _folder.Open();
        await store.Set("key", Bytes(1, 100));
        await using (var large = await store.BeginWriteAsync("key", default))
            (await large.WriteAsync(new byte[DiskFolder.Small.LargestValue + _pieceBytes], default)).Should().BeFalse();
        (await Stream(store, "key", new byte[DiskFolder.Small.LargestValue + 1], 10_000, head: 1)).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await store.Get("key")).Should().Equal(Bytes(1, 100));

        await using var slow = await store.BeginWriteAsync("slow", default);
        await slow.WriteAsync(Bytes(2, 40_000), default);
        for (var i = 0; i < 3000; i++)
            await store.Set($"key{i}", Bytes(i, 500));
        (await slow.CompleteAsync(Entry([1]), default)).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await store.Get("slow")).Should().BeNull();
    }

    [Fact]
    public async Task However_much_comes_at_once_nothing_is_appended_where_closing_does_not_wait_for_it()
    {
        var isAppending = false;
        var store = _folder.Open(settings => settings with { Hook = step => isAppending |= step == DiskStep.Allocated });
        await using var stream = await store.BeginWriteAsync("key", default);
        await stream.WriteAsync(Bytes(1, 100), default);
        await store.DisposeAsync();

        using var endless = new EndlessBytes();
        await stream.Awaiting(it => it.WriteAsync(endless.Memory, default).AsTask()).Should().ThrowAsync<ObjectDisposedException>();
        isAppending.Should().BeFalse("the files are closed");
    }

    [Fact]
    public async Task A_part_for_a_stream_that_has_ended_is_an_error_of_the_call_and_not_of_its_beginning()
    {
        await using var store = _folder.Open();
        var stream = await store.BeginWriteAsync("key", default);
        await stream.DisposeAsync();
        var call = stream.WriteAsync(Bytes(1, 10), default);
        await FluentActions.Awaiting(() => call.AsTask()).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Who_has_opened_an_entry_reads_it_to_its_end_though_it_is_replaced_or_removed()
    {
        await using var store = _folder.Open();
        await using var other = _folder.Open();
        await Stream(store, "key", Bytes(1, 60_000), 5000, head: 5);
        await using var stream = (await other.OpenReadAsync("key", default))!; // just written
        var start = new byte[1000];
        await stream.ReadAsync(0, start, default);
        await store.Set("key", Bytes(2, 60_000));
        await store.InvalidateAsync("key", InvalidationKind.Remove, default);
        (await Read(stream, 7000)).Should().Equal(Bytes(1, 60_000));
    }

    [Fact]
    public async Task An_entry_that_is_evicted_or_damaged_under_its_reader_is_an_error_and_never_another_ones_bytes()
    {
        await using var store = _folder.Open();
        await Stream(store, "evicted", Bytes(1, 60_000), 5000, head: 5);
        await using var stream = (await store.OpenReadAsync("evicted", default))!; // just written
        (await stream.ReadAsync(0, new byte[100], default)).Should().BePositive();
        for (var i = 0; i < 3000; i++)
            await store.Set($"key{i}", Bytes(i, 500));
        await stream.Awaiting(it => Read(it, 7000)).Should().ThrowAsync<CacheStoreException>();

        await Stream(store, "damaged", Bytes(2, 60_000), 5000, head: 5);
        foreach (var segment in _folder.SegmentFiles())
        {
            var bytes = await File.ReadAllBytesAsync(segment);
            if (bytes.AsSpan().IndexOf(Bytes(2, 60_000).AsSpan(50_000, 100)) is >= 0 and var at)
            {
                using var file = File.OpenHandle(segment, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                RandomAccess.Write(file, [(byte)(bytes[at] ^ 1)], at);
            }
        }

        await using var damaged = (await store.OpenReadAsync("damaged", default))!; // its beginning is whole
        await damaged.Awaiting(it => Read(it, 7000)).Should().ThrowAsync<CacheStoreException>();
        (await store.Get("damaged")).Should().BeNull();
        store.Check(default).DamagedEntries.Should().Be(1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_entry_of_which_a_piece_is_not_where_it_should_be_is_not_opened(int piece)
    {
        await using var store = _folder.Open();
        var value = Bytes(1, 60_000);
        await Stream(store, "key", value, 5000, head: 500);
        var beginning = value.AsMemory(piece == 0 ? 0 : 500 + ((piece - 1) * _pieceBytes), 400);
        foreach (var segment in _folder.SegmentFiles())
        {
            var bytes = await File.ReadAllBytesAsync(segment);
            if (bytes.AsSpan().IndexOf(beginning.Span) is >= 0 and var at)
            {
                using var file = File.OpenHandle(segment, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                RandomAccess.Write(file, [(byte)(bytes[at - 20] ^ 1)], at - 20); // in its header
            }
        }

        (await store.OpenReadAsync("key", default)).Should().BeNull();
        store.Check(default).DamagedEntries.Should().Be(1);
    }

    [Fact]
    public async Task Disposing_a_stream_does_not_wait_for_a_write_that_hangs()
    {
        using var hang = new ManualResetEventSlim();
        using var isHanging = new ManualResetEventSlim();
        var mayHang = false;
        await using var store = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (mayHang && step == DiskStep.Writing)
                {
                    isHanging.Set();
                    hang.Wait();
                }
            },
        });
        var stream = await store.BeginWriteAsync("key", default);
        mayHang = true;
        var write = stream.WriteAsync(new byte[2 * _pieceBytes], default).AsTask();
        isHanging.Wait();

        stream.DisposeAsync().IsCompleted.Should().BeTrue();

        write.IsCompleted.Should().BeFalse();
        mayHang = false;
        hang.Set();
        (await write).Should().BeTrue();
        (await store.OpenReadAsync("key", default)).Should().BeNull();
    }

    [Fact]
    public async Task A_disposed_store_ends_its_streams()
    {
        var store = _folder.Open();
        await Stream(store, "key", Bytes(1, 60_000), 5000, head: 5);
        var reader = (await store.OpenReadAsync("key", default))!; // just written
        var writer = await store.BeginWriteAsync("key", default);
        await store.DisposeAsync();
        await reader.Awaiting(it => Read(it, 7000)).Should().ThrowAsync<ObjectDisposedException>();
        await writer.Awaiting(it => it.CompleteAsync(Entry([1]), default).AsTask()).Should().ThrowAsync<ObjectDisposedException>();
        await writer.DisposeAsync();
        await reader.DisposeAsync();
    }

    [Fact]
    public async Task While_many_stream_in_and_out_of_two_handles_every_value_is_whole()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        var read = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(async () =>
        {
            var (store, random) = (thread % 2 == 0 ? one : two, new Random(thread));
            for (var i = 0; i < 400; i++)
            {
                var key = $"key{random.Next(6)}";
                switch (random.Next(5))
                {
                    case 0:
                        await Stream(store, key, Filled(random), 9000, head: 0);
                        break;
                    case 1:
                        await store.Set(key, Filled(random));
                        break;
                    case 2 when random.Next(4) == 0:
                        await store.InvalidateAsync(key, InvalidationKind.Remove, default);
                        break;
                    default:
                        await using (var stream = await store.OpenReadAsync(key, default))
                        {
                            if (stream is null)
                                break;
                            try
                            {
                                var value = await Read(stream, random.Next(1, 30_000));
                                value.AsSpan().ContainsAnyExcept(value[0]).Should().BeFalse();
                                Interlocked.Increment(ref read);
                            }
                            catch (CacheStoreException)
                            {
                                // It was evicted in the middle.
                            }
                        }

                        break;
                }
            }
        })));
        read.Should().BePositive();
        one.Verify();
        one.Check(default).DamagedEntries.Should().Be(0);
        using var index = new OpenIndex(_folder);
        index.Index.Streams.Should().Be(0);

        static byte[] Filled(Random random)
        {
            var value = new byte[random.Next(1, 80_000)];
            Array.Fill(value, (byte)random.Next(256));
            return value;
        }
    }

    private static Task Change(DiskStore store, string change) => change switch
    {
        "set" => store.Set("key", Bytes(2, 100)),
        "load" => Load(store),
        "remove" => store.InvalidateAsync("key", InvalidationKind.Remove, default).AsTask(),
        "expire" => store.InvalidateAsync("key", InvalidationKind.Expire, default).AsTask(),
        "tag" => store.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default).AsTask(),
        "all tags" => store.InvalidateTagsAsync(["other", "tag"], TagMatch.All, InvalidationKind.Remove, default).AsTask(),
        _ => store.ClearAsync(default).AsTask(),
    };

    private static async Task Load(DiskStore store) => await store.Load("key", Bytes(2, 100), await store.LoadStamp("key"));

    /// <summary>Writes an entry in parts; the first bytes are given in the end.</summary>
    private static async Task<StoreWriteResult> Stream(DiskStore store, string key, byte[] value, int part, int head)
    {
        head = Math.Min(head, value.Length);
        await using var stream = await store.BeginWriteAsync(key, default);
        for (var at = head; at < value.Length; at += part)
            (await stream.WriteAsync(value.AsMemory(at, Math.Min(part, value.Length - at)), default)).Should().BeTrue();
        return await stream.CompleteAsync(Entry(value[..head]), default);
    }

    private static async Task<byte[]> Read(DiskStore store, string key, int buffer)
    {
        await using var stream = (await store.OpenReadAsync(key, default))!; // it is there
        return await Read(stream, buffer);
    }

    private static async Task<byte[]> Read(IStoreReadStream stream, int buffer)
    {
        var value = new byte[stream.Length];
        for (var at = 0; at < value.Length;)
            at += await stream.ReadAsync(at, value.AsMemory(at, Math.Min(buffer, value.Length - at)), default);
        return value;
    }

    /// <summary>As many bytes as there can be, which take no memory until somebody looks at them.</summary>
    private sealed unsafe class EndlessBytes : System.Buffers.MemoryManager<byte>
    {
        private readonly byte* _start = (byte*)System.Runtime.InteropServices.NativeMemory.Alloc(int.MaxValue);

        public override Span<byte> GetSpan() => new(_start, int.MaxValue);

        public override System.Buffers.MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing) => System.Runtime.InteropServices.NativeMemory.Free(_start);
    }
}
