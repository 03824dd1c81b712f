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
internal sealed class EntryReader(
    RedisConnection connection, StampClock clock, TagLedger ledger, TagMemory memory, KeyPresence presence, EntryJudge judge, KeyLayout layout, Lifetimes lifetimes)
{
    /// <summary>How much of an entry is read where its value is not wanted: enough for the header and usual tags.</summary>
    internal const int BeginningLength = 512;

    private const int MaximumAttempts = 3;

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
        if (judge.TryJudge(link, KeyLayout.ClearCopy(key), tags, entry, isWhole: true, records, isAtOnce, loadStamp, out var judged)
            && !judged.IsToBeReadAgain && judged.ToLookup(options) is { } complete)
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
            if (!judge.TryJudge(link, KeyLayout.ClearCopy(key), tags, bytes, isWhole, records.Span, link.IsSingle, loadStamp, out var judged))
            {
                judged = await judge.JudgeAsync(link, key, tags, bytes, isWhole, records, link.IsSingle, loadStamp, cancellationToken).ConfigureAwait(false);
            }

            if (judged.IsToBeReadAgain && attempt < MaximumAttempts)
            {
                continue;
            }

            if (judged.ToLookup(options) is { } complete)
            {
                if (!isRecent && attempt < MaximumAttempts && seen == 0 && IsToBeLoaded(complete))
                {
                    if (link.IsSingle && look is not null && await EndOfAsync(look).ConfigureAwait(false) is > 0 and var late)
                    {
                        return judged.Since(late).ToLookup(options) ?? complete;
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
        var (verdict, _) = await judge.JudgeAsync(link, key, record, tags, records, cancellationToken).ConfigureAwait(false);
        return (verdict == Verdict.Live, record.Stamp);
    }

    /// <summary>Reads the header and usual tags. What is of another type is no entry.</summary>
    internal async Task<RedisValue> BeginningAsync(RedisLink link, string key)
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

    /// <summary>What was read in one go, but is not enough.</summary>
    private sealed record FirstRead(EntryTags Tags, RedisValue[] Values, long LoadStamp, bool IsRecent, Task<long>? Look);
}
