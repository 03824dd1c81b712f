using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Entries that come and go part by part: the same entries, as old as the beginning of their writing, and of one piece for who reads them.</summary>
public abstract class StoreStreamContract : StoreContract
{
    /// <summary>More than a store will handle in one piece without being asked to.</summary>
    private const int LargeBytes = 300_000;

    [Theory]
    [InlineData(1_000, 7)]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(LargeBytes, 9_999)]
    [InlineData(LargeBytes, LargeBytes)]
    public async Task What_comes_part_by_part_is_one_entry_after_what_is_given_at_the_end(int bytes, int part)
    {
        var store = await CreateAsync<IStreamStore>();
        var another = await OpenAnotherAsync(store);
        var result = await StreamAsync(store, "k", Pattern(1, bytes), part, begin: Pattern(2, 5));
        result.Outcome.Should().Be(StoreWriteOutcome.Stored);
        foreach (var handle in new[] { store, another })
        {
            var read = await ReadAsync(handle, "k");
            read.Payload.ToArray().Should().Equal([.. Pattern(2, 5), .. Pattern(1, bytes)]);
            read.Stamp.Should().Be(result.Stamp);
            (await ReadStreamAsync(handle, "k", 4_000)).Should().Equal(read.Payload.ToArray());
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(LargeBytes)]
    public async Task What_was_written_as_a_whole_is_read_from_any_place(int bytes)
    {
        var store = await CreateAsync<IStreamStore>();
        var value = Pattern(1, bytes);
        var stamp = await SetAsync(store, "k", Entry(value, Hours(1), Hours(2)));
        await using var stream = await OpenAsync(store, "k");
        (stream.Length, stream.Stamp, stream.ExpiresAt, stream.RetainUntil).Should().Be((bytes, stamp, Clock.GetUtcNow() + Hours(1), Clock.GetUtcNow() + Hours(3)));
        foreach (var offset in new[] { bytes, bytes / 2, 0, bytes / 3 })
        {
            var buffer = new byte[1 + (bytes / 4)];
            var count = await Soon(stream.ReadAsync(offset, buffer, default));
            count.Should().BeInRange(offset < bytes ? 1 : 0, Math.Min(buffer.Length, bytes - offset));
            buffer.AsSpan(0, count).SequenceEqual(value.AsSpan(offset, count)).Should().BeTrue("those are the bytes from {0}", offset);
        }

        (await Soon(stream.ReadAsync(0, Memory<byte>.Empty, default))).Should().Be(0);
        foreach (var offset in new[] { -1, bytes + 1 })
        {
            var act = () => Soon(stream.ReadAsync(offset, new byte[1], default));
            await act.Should().ThrowAsync<ArgumentOutOfRangeException>();
        }
    }

    [Fact]
    public async Task What_is_not_there_any_more_is_not_opened_and_what_has_expired_says_so()
    {
        var store = await CreateAsync<IStreamStore>();
        await SetAsync(store, "removed", Entry("value"));
        await SetAsync(store, "tagged", Entry("value", "t"));
        await SetAsync(store, "ended", Entry("value", Hours(1)));
        await SetAsync(store, "stale", Entry("value", Hours(1), Hours(5)));
        await InvalidateAsync(store, "removed");
        await InvalidateTagsAsync(store, "t");
        Clock.Advance(Hours(1));
        foreach (var key in new[] { "absent", "removed", "tagged", "ended" })
        {
            (await Soon(store.OpenReadAsync(key, default))).Should().BeNull("there is no '{0}'", key);
        }

        await using var stale = await OpenAsync(store, "stale");
        stale.ExpiresAt.Should().Be(Clock.GetUtcNow());
    }

    [Fact]
    public async Task Nothing_of_it_is_readable_before_it_is_complete_and_what_was_there_is()
    {
        var store = await CreateAsync<IStreamStore>();
        await SetAsync(store, "k", Entry("older"));
        await using (var stream = await BeginAsync(store, "k"))
        {
            await WritePartAsync(stream, Pattern(1, LargeBytes));
            await ExpectAsync(store, "k", "older");
        }

        await ExpectAsync(store, "k", "older");
        await using (await BeginAsync(store, "new"))
        {
        }

        await ExpectMissingAsync(store, "new");
    }

    [Theory]
    [InlineData("set")]
    [InlineData("load")]
    [InlineData("remove")]
    [InlineData("expire")]
    [InlineData("tag")]
    [InlineData("all tags")]
    [InlineData("clear")]
    public async Task Whatever_happens_to_the_key_or_its_tags_meanwhile_is_later(string change)
    {
        foreach (var isBeforeTheFirstByte in new[] { true, false })
        {
            var store = await CreateAsync<IStreamStore>();
            var another = await OpenAnotherAsync(store);
            await SetAsync(store, "k", Entry("older"));
            await using var stream = await BeginAsync(store, "k");
            if (isBeforeTheFirstByte)
            {
                await ChangeAsync(another, change);
            }

            await WritePartAsync(stream, Pattern(1, LargeBytes));
            if (!isBeforeTheFirstByte)
            {
                await ChangeAsync(another, change);
            }

            // By its tags it may also have been dead on arrival.
            (await CompleteAsync(stream, Entry("", "t", "u"))).Outcome.Should().Match(
                outcome => outcome == StoreWriteOutcome.Overtaken || (outcome == StoreWriteOutcome.Stored && change.Contains("tag", StringComparison.Ordinal)));
            if (change is "set" or "load")
            {
                await ExpectAsync(store, "k", "later");
            }
            else if (change == "expire")
            {
                await ExpectExpiredAsync(store, "k", "older");
            }
            else
            {
                await ExpectMissingAsync(store, "k");
            }

            await CloseAsync(another);
            if (another != store)
            {
                await CloseAsync(store);
            }
        }
    }

    [Fact]
    public async Task A_removal_of_its_tag_meanwhile_leaves_nothing_older()
    {
        var store = await CreateAsync<IStreamStore>();
        await SetAsync(store, "k", Entry("older"));
        await using var stream = await BeginAsync(store, "k");
        await WritePartAsync(stream, Pattern(1, 100));
        await InvalidateTagsAsync(store, "t");
        await CompleteAsync(stream, Entry("", "t"));
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task Of_two_that_come_at_once_the_one_that_began_later_stays()
    {
        var store = await CreateAsync<IStreamStore>();
        var before = await LoadStampAsync(store, "k");
        await using var first = await BeginAsync(store, "k");
        await using var second = await BeginAsync(store, "k");
        second.Stamp.Should().BeGreaterThan(first.Stamp).And.BeGreaterThan(before);
        await WritePartAsync(first, Pattern(1, 100));
        await WritePartAsync(second, Pattern(2, 100));
        (await CompleteAsync(second, Entry(""))).IsStored.Should().BeTrue();
        (await CompleteAsync(first, Entry(""))).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await PopulateAsync(store, "k", Entry("loaded"), before)).IsStored.Should().BeFalse("that was begun before either");
        (await ReadAsync(store, "k")).Payload.ToArray().Should().Equal(Pattern(2, 100));
    }

    [Fact]
    public async Task It_has_the_tags_instants_and_stamp_of_any_other_entry()
    {
        var store = await CreateAsync<IStreamStore>();
        var stamp = (await StreamAsync(store, "k", Pattern(1, 10), 10, begin: [], tags: ["t"])).Stamp;
        (await ReadAsync(store, "k", new() { KnownStamp = stamp })).Status.Should().Be(StoreLookupStatus.NotModified);
        (await Soon(store.SetExpirationAsync("k", stamp, Clock.GetUtcNow() + Hours(1), Clock.GetUtcNow() + Hours(1), default))).Should().BeTrue();
        (await ReadAsync(store, "k")).ExpiresAt.Should().Be(Clock.GetUtcNow() + Hours(1));
        (await WriteAsync(store, "k", Entry("made from it", "t"), StoreCondition.IfUnchanged(stamp))).IsStored.Should().BeTrue();
        await StreamAsync(store, "k", Pattern(2, 10), 10, begin: [], tags: ["t"]);
        await InvalidateTagsAsync(store, "t");
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task Who_has_opened_an_entry_gets_that_one_or_an_error_whatever_becomes_of_it()
    {
        var store = await CreateAsync<IStreamStore>();
        await SetAsync(store, "k", Entry(Pattern(1, LargeBytes), Hours(1)));
        await using var stream = await OpenAsync(store, "k");
        await Soon(stream.ReadAsync(0, new byte[10], default));
        await SetAsync(store, "k", Entry(Pattern(2, LargeBytes), Hours(1)));
        try
        {
            (await ReadToEndAsync(stream, 10_000)).Should().Equal(Pattern(1, LargeBytes));
            await InvalidateAsync(store, "k");
            (await ReadToEndAsync(stream, 10_000)).Should().Equal(Pattern(1, LargeBytes));
        }
        catch (CacheStoreException)
        {
            // It has been evicted: nobody is given another's bytes.
        }
    }

    [Fact]
    public async Task What_has_ended_takes_no_more()
    {
        var store = await CreateAsync<IStreamStore>();
        var stream = await BeginAsync(store, "k");
        await WritePartAsync(stream, Pattern(1, 10));
        await stream.DisposeAsync();
        await stream.DisposeAsync();
        var act = () => CompleteAsync(stream, Entry(""));
        await act.Should().ThrowAsync<ObjectDisposedException>();
        await ExpectMissingAsync(store, "k");
    }

    private static byte[] Pattern(int seed, int bytes)
    {
        var pattern = new byte[bytes];
        new Random(seed).NextBytes(pattern);
        return pattern;
    }

    private async Task ChangeAsync(ICacheStore store, string change)
    {
        switch (change)
        {
            case "set":
                await SetAsync(store, "k", Entry("later"));
                break;
            case "load":
                await InvalidateAsync(store, "k");
                (await PopulateAsync(store, "k", Entry("later"), await LoadStampAsync(store, "k"))).IsStored.Should().BeTrue();
                break;
            case "remove":
                await InvalidateAsync(store, "k");
                break;
            case "expire":
                await InvalidateAsync(store, "k", InvalidationKind.Expire);
                break;
            case "tag":
                await InvalidateTagsAsync(store, "t");
                break;
            case "all tags":
                await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "t", "u");
                break;
            default:
                await Soon(store.ClearAsync(default));
                break;
        }
    }

    private static async Task<IStoreWriteStream> BeginAsync(IStreamStore store, string key) => await Soon(store.BeginWriteAsync(key, default));

    private static async Task<IStoreReadStream> OpenAsync(IStreamStore store, string key)
    {
        var stream = await Soon(store.OpenReadAsync(key, default));
        return stream.Should().NotBeNull("there is an entry under '{0}'", key).And.BeAssignableTo<IStoreReadStream>().Which;
    }

    private static async Task WritePartAsync(IStoreWriteStream stream, byte[] part)
    {
        (await Soon(stream.WriteAsync(part, default))).Should().BeTrue("it takes {0} bytes", part.Length);

        // The bytes are the caller's again.
        part.AsSpan().Fill(0xEE);
    }

    private static async Task<StoreWriteResult> CompleteAsync(IStoreWriteStream stream, StoreEntry entry)
    {
        var buffer = entry.Payload.ToArray();
        var result = await Soon(stream.CompleteAsync(
            new() { Payload = buffer, ExpiresAt = entry.ExpiresAt, RetainUntil = entry.RetainUntil, Tags = entry.Tags }, default));
        buffer.AsSpan().Fill(0xEE);
        return result;
    }

    private async Task<StoreWriteResult> StreamAsync(IStreamStore store, string key, byte[] bytes, int part, byte[] begin, params string[] tags)
    {
        await using var stream = await BeginAsync(store, key);
        for (var at = 0; at < bytes.Length; at += part)
        {
            await WritePartAsync(stream, bytes[at..Math.Min(bytes.Length, at + part)]);
        }

        return await CompleteAsync(stream, Entry(begin, Hours(10), tags: tags));
    }

    private static async Task<byte[]> ReadStreamAsync(IStreamStore store, string key, int part)
    {
        await using var stream = await OpenAsync(store, key);
        return await ReadToEndAsync(stream, part);
    }

    private static async Task<byte[]> ReadToEndAsync(IStoreReadStream stream, int part)
    {
        var bytes = new byte[stream.Length];
        for (var at = 0; at < bytes.Length;)
        {
            var count = await Soon(stream.ReadAsync(at, bytes.AsMemory(at, Math.Min(part, bytes.Length - at)), default));
            count.Should().BePositive("there are more bytes than {0}", at);
            at += count;
        }

        return bytes;
    }
}
