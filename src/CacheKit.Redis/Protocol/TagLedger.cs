using System.Security.Cryptography;
using CacheKit.Redis.Connection;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>When entries were invalidated by their tags, or all of them: reads, writes, restores and judges by the records of tags and of clears.</summary>
/// <remarks>
/// <para>An entry is judged by the record of clears and by those of all its tags. Each says until which stamp entries are covered, and a reader who begins after an
/// invalidation has returned finds its stamp in the record.</para>
/// <para><b>A record that is not there says nothing</b>: it may never have been, have expired, or have been evicted. Then the clock's journal tells since when
/// nothing was drawn for the tag, for stamps are drawn and written into the journal in one step. To put that into a new record, a
/// marker is placed first and replaced afterwards, if it is still there: so an invalidation that is recorded in between, and lost again, is not overlooked.
/// A journal that was lost with the clock begins anew with the stamp it is made at, which covers everything before.</para>
/// </remarks>
internal sealed class TagLedger(RedisConnection connection, StampClock clock, KeyLayout layout)
{
    private const string ClearMember = "c";

    // Records live as long as they are used; what is lost with one that was not is only that the journal has to be asked.
    private static readonly TimeSpan _life = TimeSpan.FromDays(7);
    private static readonly RedisValue _lifeInMilliseconds = (long)_life.TotalMilliseconds;
    private static readonly RedisValue _markerLifeInMilliseconds = 5000;
    private static readonly RedisValue _maximumConjunctions = TagRecord.MaximumConjunctions;
    private static readonly TimeSpan _betweenRenewals = TimeSpan.FromMilliseconds(10);

    private readonly TimeProvider _time = TimeProvider.System;

    // Which records were lately seen or renewed, by hash; a few may be wrong, which costs a command more or a look into the journal.
    private readonly ulong[] _seen = new ulong[8192];
    private readonly long[] _seenAt = new long[8192];
    private long _renewedAt;

    /// <summary>The names of what an entry is judged by: clears first, then its tags.</summary>
    internal RedisKey[] Names(string key, EntryTags tags) => [layout.Clear(key), .. tags.Keys];

    /// <summary>Reads values, in one round trip.</summary>
    internal static Task<RedisValue[]> FetchAsync(RedisLink link, RedisKey[] names)
    {
        if (link.IsSingle)
        {
            return link.Database.StringGetAsync(names, Flags.Master);
        }

        return Task.WhenAll(Array.ConvertAll(names, name => link.Database.StringGetAsync(name, Flags.Master)));
    }

    /// <summary>What was fetched, once a script that was sent along has ended, too: so both can be waited for under one limit.</summary>
    internal static async Task<RedisValue[]> FetchWithAsync(Task<RedisValue[]> fetching, Task<RedisResult> running)
    {
        await Task.WhenAll(fetching, running).ConfigureAwait(false);
        return await fetching.ConfigureAwait(false);
    }

    /// <summary>Judges an entry by the records that were read.</summary>
    /// <param name="cover">Its cover.</param>
    /// <param name="tags">Its tags.</param>
    /// <param name="records">The values of <see cref="Names"/>.</param>
    /// <param name="verdict">What is left of it.</param>
    /// <param name="latest">The latest stamp in the records.</param>
    /// <returns>Whether there were all records. If not, <see cref="RestoreAsync"/> them.</returns>
    internal static bool TryJudge(long cover, EntryTags tags, ReadOnlySpan<RedisValue> records, out Verdict verdict, out long latest)
    {
        verdict = Verdict.Live;
        latest = 0;
        var isComplete = true;
        for (var i = 0; i <= tags.Tags.Length; i++)
        {
            if (!TagRecord.TryParse(records[i], out var record))
            {
                isComplete = false;
                continue;
            }

            latest = Math.Max(latest, record.Latest);
            var judged = record.Judge(cover, tags);
            if (judged > verdict)
            {
                verdict = judged;
            }
        }

        return isComplete || verdict == Verdict.Removed;
    }

    /// <summary>The latest stamp in records that were read.</summary>
    internal static long Latest(ReadOnlySpan<RedisValue> records)
    {
        var latest = 0L;
        foreach (var value in records)
        {
            if (TagRecord.TryParse(value, out var record))
            {
                latest = Math.Max(latest, record.Latest);
            }
        }

        return latest;
    }

    /// <summary>Puts back the records that are missing.</summary>
    /// <param name="link">Where.</param>
    /// <param name="key">The key of the entry they are for.</param>
    /// <param name="tags">Its tags.</param>
    /// <param name="records">The values of <see cref="Names"/> as they were read; filled in.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <param name="isForWriting">Whether they have to be there afterwards. Else, where the server takes no writes for now, what the journal tells serves this one reader.</param>
    internal async ValueTask RestoreAsync(
        RedisLink link, string key, EntryTags tags, Memory<RedisValue> records, CancellationToken cancellationToken, bool isForWriting = false)
    {
        var names = Names(key, tags);
        var missing = new List<int>();
        for (var i = 0; i < names.Length; i++)
        {
            if (!TagRecord.TryParse(records.Span[i], out _))
            {
                missing.Add(i);
            }
        }

        if (missing.Count == 0)
        {
            return;
        }

        // First the markers …
        var markers = new RedisValue[names.Length];
        var marking = new List<Task<RedisResult>>();
        foreach (var i in missing)
        {
            var there = records.Span[i];
            if (there.IsNull)
            {
                markers[i] = "~" + Convert.ToHexString(RandomNumberGenerator.GetBytes(12));
                marking.Add(link.Database.ExecuteAsync("SET", [names[i], markers[i], "NX", "PX", _markerLifeInMilliseconds], Flags.Master));
            }
            else if (((byte[]?)there)!.AsSpan() is not [(byte)'~', ..]) // not null: just seen
            {
                // Not ours; it is replaced just as a marker is.
                markers[i] = there;
            }
        }

        var isKept = await TryKeepAsync(link, marking, isForWriting, cancellationToken).ConfigureAwait(false);

        // … then the journal …
        var floors = await clock.LookAsync(link, [.. missing.Select(i => i == 0 ? ClearMember : Member(tags.Tags[i - 1]))], cancellationToken).ConfigureAwait(false);

        // … and then the records, where the markers are still there.
        var establishing = new Task<RedisResult>?[missing.Count];
        for (var n = 0; n < missing.Count; n++)
        {
            var (i, record) = (missing[n], TagRecord.Write(floors[n + 1]));
            records.Span[i] = record;
            if (isKept && !markers[i].IsNull)
            {
                establishing[n] = Scripts.Establish.RunAsync(link.Database, [names[i]], [markers[i], record, _lifeInMilliseconds]);
            }
        }

        if (!isKept || !await TryKeepAsync(link, establishing.OfType<Task<RedisResult>>(), isForWriting, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        for (var n = 0; n < missing.Count; n++)
        {
            if (establishing[n] is { } established && (RedisValue)await established.ConfigureAwait(false) is var value && TagRecord.TryParse(value, out _))
            {
                records.Span[missing[n]] = value;
            }
        }

        MarkSeen(tags);
    }

    private async ValueTask<bool> TryKeepAsync(RedisLink link, IEnumerable<Task<RedisResult>> writing, bool isRequired, CancellationToken cancellationToken)
    {
        try
        {
            await connection.RunAsync(link, Task.WhenAll(writing), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (CacheStoreException exception) when (!isRequired && exception.InnerException is { } inner && RedisErrors.TakesNoWrites(inner))
        {
            return false;
        }
    }

    /// <summary>Whether the records of tags were lately there. Where they were not, they should be looked at before entries with the tags are stored.</summary>
    internal bool WereSeen(EntryTags tags)
    {
        foreach (var hash in tags.Hashes)
        {
            if (!WasSeen(hash))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Keeps the records of tags, which were there, from expiring. Costs a command now and then.</summary>
    internal void Renew(RedisLink link, int clearCopy, EntryTags tags)
    {
        for (var i = 0; i < tags.Tags.Length; i++)
        {
            if (!WasSeen(tags.Hashes[i]))
            {
                Renew(link, tags.Keys[i], tags.Hashes[i]);
            }
        }

        var pseudoHash = (ulong)clearCopy + 1;
        if (!WasSeen(pseudoHash))
        {
            Renew(link, layout.Clears[clearCopy], pseudoHash);
        }
    }

    /// <summary>Records an invalidation.</summary>
    /// <returns>Its stamp.</returns>
    internal async ValueTask<long> InvalidateAsync(
        RedisLink link, IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        if (match == TagMatch.Any || tags.Count == 1)
        {
            var stamp = await clock.DrawAsync(link, [.. tags.Select(Member)], cancellationToken).ConfigureAwait(false);
            await RecordAsync(link, tags.Select(layout.Tag), stamp, kind, [], cancellationToken).ConfigureAwait(false);
            return stamp;
        }

        // Kept with one of them, for the same tags the same, so that a repetition takes the place of what it repeats. Entries with all the tags have that one, too.
        var sorted = tags.Order(StringComparer.Ordinal).ToArray();
        var hash = sorted.Aggregate(0UL, static (hash, tag) => (hash * 31) + StableHash.Of(tag));
        var keeper = (int)((hash ^ (hash >> 32)) % (ulong)sorted.Length);
        (sorted[0], sorted[keeper]) = (sorted[keeper], sorted[0]);
        Array.Sort(sorted, 1, sorted.Length - 1, StringComparer.Ordinal);
        var others = new byte[8 * (sorted.Length - 1)];
        for (var i = 1; i < sorted.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(others.AsSpan(8 * (i - 1)), StableHash.Of(sorted[i]));
        }

        await EnsureAsync(link, sorted[0], cancellationToken).ConfigureAwait(false);
        var conjunction = await clock.DrawAsync(link, [Member(sorted[0])], cancellationToken).ConfigureAwait(false);

        // The number of the others is one byte; who has more tags than that may remove more than asked.
        await RecordAsync(link, [layout.Tag(sorted[0])], conjunction, kind, others.Length > 8 * 255 ? [] : others, cancellationToken).ConfigureAwait(false);
        return conjunction;
    }

    /// <summary>Records the removal of everything.</summary>
    /// <returns>Its stamp.</returns>
    internal async ValueTask<long> ClearAsync(RedisLink link, CancellationToken cancellationToken)
    {
        var stamp = await clock.DrawAsync(link, [ClearMember], cancellationToken).ConfigureAwait(false);
        await RecordAsync(link, layout.Clears, stamp, InvalidationKind.Remove, [], cancellationToken).ConfigureAwait(false);
        return stamp;
    }

    private static string Member(string tag) =>
        tag.Length <= 64 ? "t" + tag : "h" + StableHash.Of(tag).ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    // A record that begins with this removal would say nothing of what was before, and so cover also entries that lack one of the tags.
    private async ValueTask EnsureAsync(RedisLink link, string tag, CancellationToken cancellationToken)
    {
        var tags = EntryTags.Of([tag], layout);
        if (!WereSeen(tags))
        {
            var records = await connection.RunAsync(link, FetchAsync(link, Names(tag, tags)), cancellationToken).ConfigureAwait(false);
            await RestoreAsync(link, tag, tags, records, cancellationToken, isForWriting: true).ConfigureAwait(false);
            MarkSeen(tags);
        }
    }

    private async ValueTask RecordAsync(
        RedisLink link, IEnumerable<RedisKey> names, long stamp, InvalidationKind kind, byte[] others, CancellationToken cancellationToken)
    {
        RedisValue letter = kind == InvalidationKind.Remove ? "R" : "E";
        var recording = names
            .Select(name => Scripts.Record.RunAsync(link.Database, [name], [stamp, letter, _lifeInMilliseconds, others, _maximumConjunctions]))
            .ToList();
        await connection.RunAsync(link, Task.WhenAll(recording), cancellationToken).ConfigureAwait(false);
    }

    private void Renew(RedisLink link, RedisKey name, ulong hash)
    {
        var now = _time.GetTimestamp();
        var renewedAt = Volatile.Read(ref _renewedAt);
        if (_time.GetElapsedTime(renewedAt, now) < _betweenRenewals || Interlocked.CompareExchange(ref _renewedAt, now, renewedAt) != renewedAt)
        {
            return;
        }

        _ = link.Database.KeyExpireAsync(name, _life, Flags.Master | CommandFlags.FireAndForget);
        MarkSeen(hash, now);
    }

    private void MarkSeen(EntryTags tags)
    {
        var now = _time.GetTimestamp();
        foreach (var hash in tags.Hashes)
        {
            MarkSeen(hash, now);
        }
    }

    private void MarkSeen(ulong hash, long now)
    {
        var slot = hash % (ulong)_seen.Length;
        _seen[slot] = hash;
        _seenAt[slot] = now;
    }

    private bool WasSeen(ulong hash)
    {
        var slot = hash % (ulong)_seen.Length;
        return _seen[slot] == hash && _time.GetElapsedTime(_seenAt[slot]) < _life / 2;
    }
}
