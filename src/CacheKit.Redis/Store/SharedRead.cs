using System.Numerics;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>One <c>MGET</c> of several entries and all they are judged by, each record once: they are read at one instant, as those of a single entry are.</summary>
internal sealed class SharedRead(
    RedisConnection connection, RedisLink? link, ReadGatherer gatherer, ReadCall?[] calls, int count, StampClock clock, EntryReader reader, KeyLayout layout)
    : SharedCommand<ReadCall, RedisValue[], StoreLookup>(connection, link, gatherer, calls, count)
{
    [ThreadStatic]
    private static RedisValue[]? _scratch;

    private int[] _tagPlaces = [];
    private int _entries;
    private bool _isAtOnce;
    private long _loadStamp;
    private Task<long>? _look;
    private bool _isRecent;

    private protected override Task<RedisValue[]> SendAsync(RedisLink link)
    {
        _isRecent = clock.IsFresh;
        _loadStamp = clock.Latest;
        _look = clock.BeginLook(link);
        _isAtOnce = link.IsSingle;
        return TagLedger.FetchAsync(link, Place());
    }

    private protected override void OnAnswer(RedisValue[] answer)
    {
        var seen = EntryReader.Seen(Link, _look);
        _loadStamp = Math.Max(_loadStamp, seen);
        _isRecent |= seen > 0;
        var bytes = 0L;
        foreach (var value in answer.AsSpan(0, _entries))
        {
            bytes += ((byte[]?)value)?.Length ?? 0;
        }

        if (_entries > 0)
        {
            gatherer.Note((int)(bytes / _entries));
        }
    }

    private protected override bool TryGetResult(ReadCall call, RedisValue[] answer, out StoreLookup result)
    {
        ReadOnlySpan<RedisValue> records;
        if (call.Tags.Keys.Length == 0)
        {
            records = answer.AsSpan(call.ClearAt, 1);
        }
        else
        {
            var length = 1 + call.Tags.Keys.Length;
            if (_scratch is null || _scratch.Length < length)
            {
                _scratch = new RedisValue[Math.Max(8, length)];
            }

            CopyRecords(call, answer, _scratch);
            records = _scratch.AsSpan(0, length);
        }

        return reader.TryFinish(Link, call.Key, call.Options, call.Tags, answer[call.EntryAt], records, _isAtOnce, _loadStamp, out result)
            && (_isRecent || !reader.IsToBeLoaded(result));
    }

    private protected override ValueTask<StoreLookup> RunAloneAsync(ReadCall call, RedisValue[]? answer)
    {
        if (answer is null)
        {
            return reader.ReadAloneAsync(call.Key, call.Options, call.CancellationToken);
        }

        var values = new RedisValue[2 + call.Tags.Keys.Length];
        values[0] = answer[call.EntryAt];
        CopyRecords(call, answer, values.AsSpan(1));
        return reader.FinishAsync(call.Key, call.Options, call.Tags, values, _loadStamp, _isRecent, _look, call.CancellationToken);
    }

    private void CopyRecords(ReadCall call, RedisValue[] answer, Span<RedisValue> records)
    {
        records[0] = answer[call.ClearAt];
        for (var i = 0; i < call.Tags.Keys.Length; i++)
        {
            records[i + 1] = answer[_tagPlaces[call.TagsFrom + i]];
        }
    }

    /// <summary>Gives everything that is to be read its place: the entries first, then the records.</summary>
    private RedisKey[] Place()
    {
        var (clears, tags) = (0u, 0);
        foreach (var call in Calls)
        {
            if (call!.IsOver) // handed out later
            {
                call.EntryAt = -1;
                continue;
            }

            call.EntryAt = _entries++;
            clears |= 1u << KeyLayout.ClearCopy(call.Key);
            tags += call.Tags.Keys.Length;
        }

        var clearsAt = _entries;
        var tagsAt = clearsAt + BitOperations.PopCount(clears);
        var tagNames = PlaceTags(tags, tagsAt);
        var names = new RedisKey[tagsAt + tagNames.Count];
        foreach (var call in Calls)
        {
            if (call!.EntryAt < 0)
            {
                continue;
            }

            names[call.EntryAt] = layout.Entry(call.Key);
            var copy = KeyLayout.ClearCopy(call.Key);
            call.ClearAt = clearsAt + BitOperations.PopCount(clears & ((1u << copy) - 1));
            names[call.ClearAt] = layout.Clears[copy];
        }

        tagNames.CopyTo(names, tagsAt);
        return names;
    }

    private List<RedisKey> PlaceTags(int count, int from)
    {
        if (count == 0)
        {
            return [];
        }

        _tagPlaces = new int[count];
        var names = new List<RedisKey>(count);
        var places = new Dictionary<string, int>(count, StringComparer.Ordinal);
        var next = 0;
        foreach (var call in Calls)
        {
            if (call!.EntryAt < 0)
            {
                continue;
            }

            call.TagsFrom = next;
            for (var i = 0; i < call.Tags.Keys.Length; i++)
            {
                if (!places.TryGetValue(call.Tags.Tags[i], out var place))
                {
                    places.Add(call.Tags.Tags[i], place = from + names.Count);
                    names.Add(call.Tags.Keys[i]);
                }

                _tagPlaces[next++] = place;
            }
        }

        return names;
    }
}
