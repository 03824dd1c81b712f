using System.Buffers.Binary;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Counts, by one script a step that refuses where it comes too late.</summary>
internal sealed class EntryCounters(
    RedisConnection connection, StampClock clock, WriteStamps stamps, TagLedger ledger, TagMemory memory, EntryJudge judge, KeyLayout layout, Lifetimes lifetimes)
{
    /// <summary>Makes a step of a counter, or begins one.</summary>
    /// <returns><see langword="null"/> if what is there is no counter.</returns>
    internal async ValueTask<StoreCount?> CountAsync(string key, StoreCounterStep step, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var entryName = layout.Entry(key);
        var newTags = EntryTags.Of(step.Tags, layout);
        var tail = EntryRecord.WriteTail(step.ExpiresAt, step.ExpiresAt, newTags, default);
        var floor = 0L;
        long? drawn = null;
        for (var attempt = 1; ; attempt++)
        {
            var isSingle = link.IsSingle;
            var known = drawn ?? await clock.GetUsableAsync(link, cancellationToken).ConfigureAwait(false);
            RedisValue stamp = drawn is { } own && !isSingle ? own : WriteStamps.DrawThere;
            drawn = null;
            var (high, low) = lifetimes.Now();
            RedisValue[] arguments =
            [
                known, stamp, lifetimes.MaximumAge, floor, High(step.Delta), Low(step.Delta), High(step.InitialValue), Low(step.InitialValue),
                High(step.Minimum), Low(step.Minimum), High(step.Maximum), Low(step.Maximum), high, low, lifetimes.AtLeastFenceUntil(step.ExpiresAt), tail,
            ];
            var tags = memory.Find(key) ?? newTags;
            var running = Scripts.Count.RunAsync(link.Database, layout.KeysOf(entryName, isSingle), arguments);
            var fetching = TagLedger.FetchAsync(link, ledger.Names(key, tags));
            var fetched = await connection.RunAsync(link, TagLedger.FetchWithAsync(fetching, running), cancellationToken, key).ConfigureAwait(false);
            var answer = (RedisResult[])(await running.ConfigureAwait(false))!; // the script returns an array
            var result = (long)answer[0];
            if (result > 0)
            {
                clock.Advance(result); // a counter's stamps go on by themselves
            }

            if (result == Scripts.NeedsStamp)
            {
                drawn = await clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (result is Scripts.Outdated or < Scripts.Behind)
            {
                await stamps.CatchUpAsync(link, result, attempt, cancellationToken).ConfigureAwait(false);
                continue;
            }

            // The counter that was stepped, or the entry that is none, may have been dead: then it is begun anew.
            if (EntryRecord.TryParse((byte[]?)answer[2], out var record))
            {
                var (verdict, latest) = await judge.JudgeFoundAsync(link, key, record, tags, fetched, cancellationToken).ConfigureAwait(false);
                if (verdict != Verdict.Live)
                {
                    if (attempt >= WriteStamps.MaximumAttempts)
                    {
                        throw WriteStamps.TooContended(key);
                    }

                    floor = latest;
                    continue;
                }
            }

            if (result == Scripts.Differs)
            {
                return null;
            }

            return new(BinaryPrimitives.ReadInt64BigEndian((byte[]?)answer[1]), result);
        }
    }

    private static RedisValue High(long number) => number >> 32;

    private static RedisValue Low(long number) => number & 0xFFFF_FFFF;
}
