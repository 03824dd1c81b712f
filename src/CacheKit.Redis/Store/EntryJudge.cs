using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Judges what was read: what is left of an entry after the removals of its tags and of everything, and under which stamp a value may be loaded in its place.</summary>
internal sealed class EntryJudge(RedisConnection connection, StampClock clock, TagLedger ledger, TagMemory memory, KeyLayout layout, Lifetimes lifetimes)
{
    /// <summary>Judges what was read, if that is all it takes: the usual case.</summary>
    internal bool TryJudge(
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

    /// <summary>The same, whatever it takes.</summary>
    internal async ValueTask<Judged> JudgeAsync(
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

    /// <summary>The same of an entry that a change has come upon, with what was fetched along for the tags that it was taken to have.</summary>
    internal async ValueTask<(Verdict Verdict, long Latest)> JudgeFoundAsync(
        RedisLink link, string key, EntryRecord record, EntryTags tags, RedisValue[] fetched, CancellationToken cancellationToken)
    {
        if (!record.HasTags || EntryTags.Parse(record.TagBlock, layout) is not { } actual)
        {
            return (Verdict.Removed, clock.Latest);
        }

        if (!actual.Block.AsSpan().SequenceEqual(tags.Block))
        {
            memory.Remember(key, actual);
            fetched = await connection.RunAsync(link, TagLedger.FetchAsync(link, ledger.Names(key, actual)), cancellationToken).ConfigureAwait(false);
        }

        return await JudgeAsync(link, key, record, actual, fetched, cancellationToken).ConfigureAwait(false);
    }
}
