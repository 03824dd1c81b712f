using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Reads many entries in few round trips. What takes more than one look is read alone.</summary>
internal sealed class EntryBatchReader(
    RedisConnection connection, StampClock clock, TagLedger ledger, TagMemory memory, KeyPresence presence, EntryReader reader, EntryJudge judge, KeyLayout layout)
{
    private const int KeysAtOnce = 250;

    internal async ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken)
    {
        var lookups = new StoreLookup[keys.Count];
        for (var start = 0; start < keys.Count; start += KeysAtOnce)
        {
            await ReadSomeAsync(keys, start, Math.Min(KeysAtOnce, keys.Count - start), options, lookups, cancellationToken).ConfigureAwait(false);
        }

        return lookups;
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
            beginnings = Task.WhenAll(Enumerable.Range(start, count).Select(i => reader.BeginningAsync(link, keys[i])));
        }

        var values = await connection.RunAsync(link, reading, cancellationToken).ConfigureAwait(false);
        var entries = beginnings is null ? null : await connection.RunAsync(link, beginnings, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < count; i++)
        {
            var key = keys[start + i];
            var bytes = (byte[]?)(entries is null ? values[entryPlaces[i]] : entries[i]);
            RedisValue[] records = [.. recordPlaces[i].Select(place => values[place])];
            presence.Note(key, bytes is not null);
            var isWhole = entries is null || bytes is null or { Length: < EntryReader.BeginningLength };
            var judged = await judge.JudgeAsync(
                link, key, tags[i], bytes, isWhole, records, link.IsSingle && entries is null, loadStamp, cancellationToken).ConfigureAwait(false);
            lookups[start + i] = !judged.IsToBeReadAgain && judged.ToLookup(options) is { } lookup
                ? lookup
                : await reader.ReadAsync(key, options, cancellationToken).ConfigureAwait(false);
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
}
