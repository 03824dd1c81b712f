using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Reads entries, with what they are judged by, in one round trip where the tags are known beforehand.</summary>
/// <remarks>
/// <para>On a single server an entry and the records it is judged by are read by one command, as they are at one instant. Then the stamp
/// to load under may be as late as the latest of the records. Where they are read one after the other, somebody may have set the key in between, and a value
/// loaded under a later record's stamp would replace what he set. So in that case the entry is read once more.</para>
/// <para>A stamp tells an entry from all others ever under its key, so what is loaded in its place needs a later one. On a single server a look at the clock goes before the read, on the same connection, and is waited for where there is something to load. In a
/// cluster the clock is at another node, and only a look that has ended was certainly before: where that was a while ago, and nothing that is still good is found, it is looked and read once more.</para>
/// </remarks>
internal sealed class EntryReader(RedisConnection connection, StampClock clock, TagLedger ledger, TagMemory memory, KeyPresence presence, KeyLayout layout, Lifetimes lifetimes)
{
    // Enough for the header and usual tags.
    private const int BeginningLength = 512;

    private const int MaximumAttempts = 3;
    private const int KeysAtOnce = 250;

    internal ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        if (options.WithoutPayload || options.KnownStamp is not null || connection.Link is not { } link || !clock.IsUsable)
        {
            return ReadInStepsAsync(key, options, null, cancellationToken);
        }

        // The usual case: one command, and all that is needed is at hand.
        return ReadAtOnceAsync(link, key, options, ExpectedTags(key, options), cancellationToken);
    }

    /// <summary>The tags an entry is likely to have.</summary>
    internal EntryTags ExpectedTags(string key, StoreReadOptions options) => memory.Find(key) ?? EntryTags.Of(options.TagHints, layout);

    /// <summary>Makes of what was read by one command what the caller gets, if that is all it takes.</summary>
    internal bool TryFinish(
        RedisLink link, string key, StoreReadOptions options, EntryTags tags, RedisValue entry, ReadOnlySpan<RedisValue> records, bool isAtOnce, long loadStamp,
        out StoreLookup lookup)
    {
        presence.Note(key, !entry.IsNull);
        if (TryJudge(link, KeyLayout.ClearCopy(key), tags, entry, isWhole: true, records, isAtOnce, loadStamp, out var judged)
            && !judged.IsToBeReadAgain && ToLookup(judged, options) is { } complete)
        {
            lookup = complete;
            return true;
        }

        lookup = default;
        return false;
    }

    /// <summary>Reads without others.</summary>
    internal ValueTask<StoreLookup> ReadAloneAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        ReadInStepsAsync(key, options, null, cancellationToken);

    /// <summary>Finishes what takes more than was read by one command.</summary>
    internal ValueTask<StoreLookup> FinishAsync(
        string key, StoreReadOptions options, EntryTags tags, RedisValue[] values, long loadStamp, bool isRecent, Task<long>? look, CancellationToken cancellationToken) =>
        ReadInStepsAsync(key, options, new(tags, values, loadStamp, isRecent, look), cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreLookup> ReadAtOnceAsync(
        RedisLink link, string key, StoreReadOptions options, EntryTags tags, CancellationToken cancellationToken)
    {
        var isSingle = link.IsSingle;
        var isRecent = clock.IsFresh;
        var loadStamp = clock.Latest;
        var look = clock.BeginLook(link);
        RedisKey[] names = [layout.Entry(key), layout.Clear(key), .. tags.Keys];
        var values = await connection.RunAsync(link, TagLedger.FetchAsync(link, names), cancellationToken, key).ConfigureAwait(false);
        var seen = Seen(link, look);
        loadStamp = Math.Max(loadStamp, seen);
        if (TryFinish(link, key, options, tags, values[0], values.AsSpan(1), isSingle, loadStamp, out var lookup))
        {
            if (isRecent || seen > 0 || !IsToBeLoaded(lookup))
            {
                return lookup;
            }
        }

        // As a task, whose awaiter is small: most reads do not come here, but all would carry it.
        return await FinishAsync(key, options, tags, values, loadStamp, isRecent, look, cancellationToken).AsTask().ConfigureAwait(false);
    }

    // Nothing there, or something that has expired.
    internal bool IsToBeLoaded(StoreLookup lookup) => lookup.Status == StoreLookupStatus.Missing || lookup.ExpiresAt.UtcTicks <= lifetimes.NowTicks;

    private async ValueTask<StoreLookup> ReadInStepsAsync(string key, StoreReadOptions options, FirstRead? first, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var isWithoutPayload = first is null && (options.WithoutPayload || options.KnownStamp is not null);
        for (var attempt = 1; ; attempt++)
        {
            long loadStamp;
            EntryTags tags;
            Memory<RedisValue> records;
            byte[]? bytes;
            var isRecent = first?.IsRecent ?? clock.IsFresh;
            var look = first?.Look;
            var seen = 0L;
            if (first is not null)
            {
                (tags, loadStamp, bytes, records) = (first.Tags, first.LoadStamp, first.Values[0], first.Values.AsMemory(1));
                first = null;
            }
            else
            {
                loadStamp = await clock.GetUsableAsync(link, cancellationToken).ConfigureAwait(false);
                look = clock.BeginLook(link);
                tags = ExpectedTags(key, options);
                if (isWithoutPayload)
                {
                    // In this order, so that on a single server the records are not younger than the entry.
                    var reading = TagLedger.FetchAsync(link, ledger.Names(key, tags));
                    var beginning = BeginningAsync(link, key);
                    Abandoned.Observe(beginning);
                    records = await connection.RunAsync(link, reading, cancellationToken, key).ConfigureAwait(false);
                    bytes = await connection.RunAsync(link, beginning, cancellationToken, key).ConfigureAwait(false);
                }
                else
                {
                    RedisKey[] names = [layout.Entry(key), .. ledger.Names(key, tags)];
                    var values = await connection.RunAsync(link, TagLedger.FetchAsync(link, names), cancellationToken, key).ConfigureAwait(false);
                    (bytes, records) = (values[0], values.AsMemory(1));
                }

                seen = Seen(link, look);
                loadStamp = Math.Max(loadStamp, seen);
            }

            presence.Note(key, bytes is not null);
            var isWhole = !isWithoutPayload || bytes is null or { Length: < BeginningLength };
            if (!TryJudge(link, KeyLayout.ClearCopy(key), tags, bytes, isWhole, records.Span, link.IsSingle, loadStamp, out var judged))
            {
                judged = await JudgeAsync(link, key, tags, bytes, isWhole, records, link.IsSingle, loadStamp, cancellationToken).ConfigureAwait(false);
            }

            if (judged.IsToBeReadAgain && attempt < MaximumAttempts)
            {
                continue;
            }

            if (ToLookup(judged, options) is { } complete)
            {
                if (!isRecent && attempt < MaximumAttempts && seen == 0 && IsToBeLoaded(complete))
                {
                    if (link.IsSingle && look is not null && await EndOfAsync(look).ConfigureAwait(false) is > 0 and var late)
                    {
                        return ToLookup(judged.Since(late), options) ?? complete;
                    }

                    await clock.LookAsync(link, cancellationToken).ConfigureAwait(false);
                    continue;
                }

                return complete;
            }

            // There is another entry than the reader knows, so it needs the bytes after all.
            isWithoutPayload = false;
            attempt = 0;
        }
    }

    /// <summary>
    /// What a look has seen that was begun before a read, and so was certainly taken before it, as it was on a single server; 0 while it has not ended, which may change at any moment:
    /// who decides by it asks once.
    /// </summary>
    internal static long Seen(RedisLink link, Task<long>? look) => link.IsSingle && look is { IsCompletedSuccessfully: true } ? look.Result : 0;

    // It has been answered already, since what was sent after it has; 0 if it has failed.
    private static async ValueTask<long> EndOfAsync(Task<long> look)
    {
        try
        {
            return await look.ConfigureAwait(false);
        }
        catch (CacheStoreException)
        {
            return 0;
        }
    }

    internal async ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken)
    {
        var lookups = new StoreLookup[keys.Count];
        for (var start = 0; start < keys.Count; start += KeysAtOnce)
        {
            await ReadSomeAsync(keys, start, Math.Min(KeysAtOnce, keys.Count - start), options, lookups, cancellationToken).ConfigureAwait(false);
        }

        return lookups;
    }

    /// <summary>Finds out whether there is a live entry that has not expired under a key, and the stamp of the entry, be it dead or alive.</summary>
    internal async ValueTask<(bool IsFresh, long Stamp)> InspectAsync(RedisLink link, string key, CancellationToken cancellationToken)
    {
        var beginning = await connection.RunAsync(
            link, link.Database.StringGetRangeAsync(layout.Entry(key), 0, EntryRecord.HeaderLength + ushort.MaxValue, Flags.Master), cancellationToken, key).ConfigureAwait(false);
        if (!EntryRecord.TryParse(beginning, out var record) || record.IsTombstone)
        {
            return (false, 0);
        }

        clock.Advance(record.Fence);
        if ((record.Flags & EntryFlags.Expired) != 0 || Math.Min(record.ExpiresAtTicks, record.RetainUntilTicks) <= lifetimes.NowTicks
            || !record.HasTags || EntryTags.Parse(record.TagBlock, layout) is not { } tags)
        {
            return (false, record.Stamp);
        }

        var records = await connection.RunAsync(link, TagLedger.FetchAsync(link, ledger.Names(key, tags)), cancellationToken).ConfigureAwait(false);
        var (verdict, _) = await JudgeAsync(link, key, record, tags, records, cancellationToken).ConfigureAwait(false);
        return (verdict == Verdict.Live, record.Stamp);
    }

    /// <summary>Judges what is left of an entry of which the header and the tags were read.</summary>
    /// <returns>What is left of it, and the latest stamp in what it was judged by.</returns>
    internal async ValueTask<(Verdict Verdict, long Latest)> JudgeAsync(
        RedisLink link, string key, EntryRecord record, EntryTags tags, Memory<RedisValue> records, CancellationToken cancellationToken)
    {
        if (!TagLedger.TryJudge(record.Cover, tags, records.Span, out var verdict, out var latest))
        {
            await ledger.RestoreAsync(link, key, tags, records, cancellationToken).ConfigureAwait(false);
            TagLedger.TryJudge(record.Cover, tags, records.Span, out verdict, out latest);
        }
        else
        {
            ledger.Renew(link, KeyLayout.ClearCopy(key), tags);
        }

        clock.Advance(latest);
        return (verdict, latest);
    }

    private async ValueTask ReadSomeAsync(
        IReadOnlyList<string> keys, int start, int count, StoreReadOptions options, StoreLookup[] lookups, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var loadStamp = clock.IsFresh
            ? await clock.GetUsableAsync(link, cancellationToken).ConfigureAwait(false)
            : await clock.LookAsync(link, cancellationToken).ConfigureAwait(false);

        // What several of the entries are judged by is read once.
        var places = new Dictionary<RedisKey, int>();
        var names = new List<RedisKey>();
        int Place(RedisKey name)
        {
            if (!places.TryGetValue(name, out var place))
            {
                places.Add(name, place = names.Count);
                names.Add(name);
            }

            return place;
        }

        var hinted = EntryTags.Of(options.TagHints, layout);
        var tags = new EntryTags[count];
        var recordPlaces = new int[count][];
        for (var i = 0; i < count; i++)
        {
            var key = keys[start + i];
            tags[i] = memory.Find(key) ?? hinted;
            recordPlaces[i] = [.. ledger.Names(key, tags[i]).Select(Place)];
        }

        var entryPlaces = new int[count];
        Task<RedisValue[]>? beginnings = null;
        if (!options.WithoutPayload)
        {
            for (var i = 0; i < count; i++)
            {
                entryPlaces[i] = Place(layout.Entry(keys[start + i]));
            }
        }

        var reading = FetchManyAsync(link, names);
        if (options.WithoutPayload)
        {
            beginnings = Task.WhenAll(Enumerable.Range(start, count).Select(i => BeginningAsync(link, keys[i])));
        }

        var values = await connection.RunAsync(link, reading, cancellationToken).ConfigureAwait(false);
        var entries = beginnings is null ? null : await connection.RunAsync(link, beginnings, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < count; i++)
        {
            var key = keys[start + i];
            var bytes = (byte[]?)(entries is null ? values[entryPlaces[i]] : entries[i]);
            RedisValue[] records = [.. recordPlaces[i].Select(place => values[place])];
            presence.Note(key, bytes is not null);
            var isWhole = entries is null || bytes is null or { Length: < BeginningLength };
            var judged = await JudgeAsync(
                link, key, tags[i], bytes, isWhole, records, link.IsSingle && entries is null, loadStamp, cancellationToken).ConfigureAwait(false);
            lookups[start + i] = !judged.IsToBeReadAgain && ToLookup(judged, options) is { } lookup
                ? lookup
                : await ReadAsync(key, options, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads the header and usual tags. What is of another type is no entry.</summary>
    private async Task<RedisValue> BeginningAsync(RedisLink link, string key)
    {
        try
        {
            return await link.Database.StringGetRangeAsync(layout.Entry(key), 0, BeginningLength - 1, Flags.Master).ConfigureAwait(false);
        }
        catch (RedisServerException exception) when (ForeignKeys.IsFound(exception))
        {
            return RedisValue.Null;
        }
    }

    private static async Task<RedisValue[]> FetchManyAsync(RedisLink link, List<RedisKey> names)
    {
        if (link.IsSingle)
        {
            return await link.Database.StringGetAsync([.. names], Flags.Master).ConfigureAwait(false);
        }

        // One command for all that is in one slot.
        var values = new RedisValue[names.Count];
        var groups = Enumerable.Range(0, names.Count).GroupBy(i => HashSlot.Of(names[i].ToString())).Select(group => group.ToArray()).ToList();
        var answers = await Task.WhenAll(groups.Select(
            group => link.Database.StringGetAsync(Array.ConvertAll(group, i => names[i]), Flags.Master))).ConfigureAwait(false);
        for (var g = 0; g < groups.Count; g++)
        {
            for (var n = 0; n < groups[g].Length; n++)
            {
                values[groups[g][n]] = answers[g][n];
            }
        }

        return values;
    }

    /// <summary>Judges what was read, if that is all it takes: the usual case.</summary>
    private bool TryJudge(
        RedisLink link, int clearCopy, EntryTags tags, byte[]? bytes, bool isWhole, ReadOnlySpan<RedisValue> records, bool isAtOnce, long loadStamp, out Judged judged)
    {
        judged = default;
        long latest;
        if (!EntryRecord.TryParse(bytes, out var record) || !clock.IsPlausible(record.Fence))
        {
            latest = TagLedger.Latest(records);
            clock.Advance(latest);
            judged = Judged.Missing(latest, loadStamp, isAtOnce);
            return true;
        }

        if (record.IsTombstone || !record.HasTags || record.RetainUntilTicks <= lifetimes.NowTicks || !record.TagBlock.SequenceEqual(tags.Block)
            || !TagLedger.TryJudge(record.Cover, tags, records, out var verdict, out latest))
        {
            return false;
        }

        ledger.Renew(link, clearCopy, tags);
        clock.Advance(Math.Max(latest, record.Fence));
        loadStamp = Math.Max(loadStamp, record.Fence);
        judged = verdict == Verdict.Removed
            ? Judged.Missing(latest, loadStamp, isAtOnce)
            : Judged.Found(record, isWhole, verdict, latest, loadStamp, isAtOnce);
        return true;
    }

    private async ValueTask<Judged> JudgeAsync(
        RedisLink link, string key, EntryTags tags, byte[]? bytes, bool isWhole, Memory<RedisValue> records, bool isAtOnce, long loadStamp,
        CancellationToken cancellationToken)
    {
        var latest = TagLedger.Latest(records.Span);
        clock.Advance(latest);
        var isEntry = EntryRecord.TryParse(bytes, out var record) && clock.IsPlausible(record.Fence);
        if (isEntry)
        {
            clock.Advance(record.Fence);
            loadStamp = Math.Max(loadStamp, record.Fence);
        }

        if (!isEntry || record.IsTombstone || record.RetainUntilTicks <= lifetimes.NowTicks)
        {
            return Judged.Missing(latest, loadStamp, isAtOnce);
        }

        if (!record.HasTags)
        {
            if (isWhole)
            {
                return Judged.Missing(latest, loadStamp, isAtOnce);
            }

            // Very many, or very long ones: the beginning was not enough.
            var more = await connection.RunAsync(
                link, link.Database.StringGetRangeAsync(layout.Entry(key), 0, EntryRecord.HeaderLength + record.TagLength - 1, Flags.Master), cancellationToken, key).ConfigureAwait(false);
            if (!EntryRecord.TryParse(more, out record) || record.IsTombstone || !record.HasTags)
            {
                return Judged.Missing(latest, loadStamp, isAtOnce: false);
            }
        }

        if (!record.TagBlock.SequenceEqual(tags.Block))
        {
            if (EntryTags.Parse(record.TagBlock, layout) is not { } actual)
            {
                return Judged.Missing(latest, loadStamp, isAtOnce);
            }

            memory.Remember(key, actual);
            if (actual.Tags.Length > 0)
            {
                isAtOnce = false;
                records = await connection.RunAsync(link, TagLedger.FetchAsync(link, ledger.Names(key, actual)), cancellationToken).ConfigureAwait(false);
            }

            tags = actual;
        }
        else if (tags.Tags.Length > 0)
        {
            memory.Remember(key, tags);
        }

        if (!TagLedger.TryJudge(record.Cover, tags, records.Span, out _, out _))
        {
            isAtOnce = false;
        }

        (var verdict, latest) = await JudgeAsync(link, key, record, tags, records, cancellationToken).ConfigureAwait(false);
        return verdict == Verdict.Removed
            ? Judged.Missing(latest, loadStamp, isAtOnce)
            : Judged.Found(record, isWhole, verdict, latest, loadStamp, isAtOnce);
    }

    private static StoreLookup? ToLookup(Judged judged, StoreReadOptions options)
    {
        if (!judged.IsFound)
        {
            return StoreLookup.Missing(judged.LoadStamp);
        }

        var record = judged.Record;
        var retainUntil = Instant(record.RetainUntilTicks);
        var isExpired = (record.Flags & EntryFlags.Expired) != 0;
        var expiresAt = isExpired || judged.Verdict == Verdict.Expired ? DateTimeOffset.MinValue : Instant(record.ExpiresAtTicks);
        DateTimeOffset? expiredAt = isExpired ? Instant(record.ExpiresAtTicks) : null;
        if (options.KnownStamp == record.Stamp)
        {
            return StoreLookup.NotModified(judged.LoadStamp, record.Stamp, expiresAt, retainUntil) with { ExpiredAt = expiredAt };
        }

        if ((record.Flags & EntryFlags.Counter) != 0)
        {
            if (!judged.IsWhole && record.Payload.Length < 8)
            {
                return null;
            }

            if (record.Payload.Length != 8)
            {
                return StoreLookup.Missing(judged.LoadStamp);
            }

            var number = BinaryPrimitives.ReadInt64BigEndian(record.Payload.Span);
            return StoreLookup.Counter(judged.LoadStamp, record.Stamp, number, expiresAt, retainUntil) with { ExpiredAt = expiredAt };
        }

        if (options.WithoutPayload)
        {
            return StoreLookup.Found(judged.LoadStamp, record.Stamp, default, expiresAt, retainUntil) with { ExpiredAt = expiredAt };
        }

        return judged.IsWhole
            ? StoreLookup.Found(judged.LoadStamp, record.Stamp, record.Payload, expiresAt, retainUntil) with { ExpiredAt = expiredAt }
            : null;
    }

    private static DateTimeOffset Instant(long ticks) =>
        ticks >= DateTimeOffset.MaxValue.UtcTicks ? DateTimeOffset.MaxValue : new(Math.Max(ticks, 0), TimeSpan.Zero);

    /// <summary>What was read in one go, but is not enough.</summary>
    private sealed record FirstRead(EntryTags Tags, RedisValue[] Values, long LoadStamp, bool IsRecent, Task<long>? Look);
}
