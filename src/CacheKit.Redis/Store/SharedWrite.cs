using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Several writes as one: their bytes by <c>MSET</c> under names of their own, and a script that puts each where it belongs if that is still right.</summary>
/// <remarks>
/// <para>So no value goes through Lua, which would cost the server more than all else. The script sees the beginning of what is there, and gives the bytes the entry's name by
/// <c>RENAME</c>, and what is set its stamps. Both are in one <c>MULTI</c>, so between them there is nothing. Only if
/// the server does not know the script yet are the names left behind; it is sent the same once more then.</para>
/// <para>What is not plain about one of the writes, that one sees to alone, as if it had not been among the others.</para>
/// </remarks>
internal sealed class SharedWrite(
    RedisConnection connection, RedisLink? link, WriteGatherer gatherer, WriteCall?[] calls, int count, StampClock clock, StampForecast forecast, EntryWriter writer, KeyLayout layout, Lifetimes lifetimes)
    : SharedCommand<WriteCall, RedisResult, StoreWriteResult>(connection, link, gatherer, calls, count)
{
    private byte[][] _records = [];
    private int[] _setPlaces = [];
    private RedisKey[] _keys = [];
    private RedisValue[] _arguments = [];
    private long[]? _stamps;

    private int Sent => _records.Length;

    private long[] Stamps => _stamps ?? throw new InvalidCastException("The answer is not made of numbers."); // each call then tries alone

    private protected override Task<RedisResult> SendAsync(RedisLink link)
    {
        var (sent, sets) = (0, 0);
        foreach (var call in Calls)
        {
            if (call!.IsOver) // handed out later
            {
                call.At = -1;
                continue;
            }

            call.At = sent++;
            call.SetsBefore = sets;
            sets += call.IsSet ? 1 : 0;
        }

        if (sent == 0)
        {
            return Task.FromResult<RedisResult>(null!); // nobody asks
        }

        (_records, _setPlaces) = (new byte[sent][], new int[sets]);
        (_keys, _arguments) = (new RedisKey[1 + (2 * sent)], new RedisValue[Scripts.WriteManyFixed + (2 * sent)]);
        _keys[0] = layout.Clock;
        (_arguments[4], _arguments[5]) = lifetimes.Now();
        (_arguments[0], _arguments[1], _arguments[2], _arguments[3]) = (clock.Latest, lifetimes.MaximumAge, lifetimes.Fence, sets);
        foreach (var call in Calls)
        {
            if (call!.At is >= 0 and var at) // handed out later
            {
                // The calls are used again once their callers have gone on, which may be while this is sent a second time.
                _records[at] = call.Record;
                if (call.IsSet)
                {
                    _setPlaces[call.SetsBefore] = at;
                }

                _keys[1 + at] = layout.Entry(call.Key);
                _keys[1 + sent + at] = layout.Waiting(at);
                var place = Scripts.WriteManyFixed + (2 * at);
                _arguments[place] = call.IsSet ? lifetimes.AtLeastFenceUntil(call.Entry.RetainUntil) : lifetimes.Until(call.Entry.RetainUntil);
                _arguments[place + 1] = call.IsSet ? RedisValue.EmptyString : call.Condition.Stamp;
            }
        }

        return SendAsync(link, inFull: false);
    }

    private protected override Task<RedisResult>? Again(Task<RedisResult> failed) =>
        RedisScript.IsUnknown(failed.Exception?.InnerException) ? SendAsync(Link, inFull: true) : null;

    // It has no transactions, say, or is full.
    private protected override void OnRefused(Exception failure) => Link.NoteSharedWrite(isDone: false);

    private protected override void OnAnswer(RedisResult answer)
    {
        if (Sent == 0)
        {
            return;
        }

        // If all are set aside, the ground is not this or that entry: the server renames nothing, say.
        Link.NoteSharedWrite(isDone: Stamps.Count(static stamp => stamp == Scripts.Aside) < Sent);
    }

    private protected override bool TryGetResult(WriteCall call, RedisResult answer, out StoreWriteResult result)
    {
        var stamp = Stamps.Length == Sent + 1 ? Stamps[call.At]
            : Stamps is not [>= 0 and var last] ? Scripts.Aside
            : call.IsSet ? last - _setPlaces.Length + 1 + call.SetsBefore // drawn in the order of the entries
            : call.Condition.Stamp;
        result = new(StoreWriteOutcome.Stored, stamp);
        return stamp > 0;
    }

    private protected override ValueTask<StoreWriteResult> RunAloneAsync(WriteCall call, RedisResult? answer) =>
        writer.WriteAsync(call.Key, call.Entry, call.Condition, call.CancellationToken);

    private async Task<RedisResult> SendAsync(RedisLink link, bool inFull)
    {
        var draws = _setPlaces.Length;
        var underWay = forecast.Begin(link, draws, out var before);
        var latest = 0L;
        try
        {
            _arguments[6] = before;
            for (var i = 0; i < draws; i++)
            {
                EntryRecord.WriteStamps(_records[_setPlaces[i]], before + 1 + i);
            }

            var answer = await ExecuteAsync(link, inFull).ConfigureAwait(false);
            _stamps = StampsOf(answer);
            foreach (var stamp in _stamps ?? [])
            {
                // A refusal has one, too: what was lacking to who tries again.
                latest = stamp is > 0 or < Scripts.Behind ? Math.Max(latest, Math.Abs(stamp)) : latest;
            }

            return answer;
        }
        finally
        {
            forecast.End(underWay, draws, latest);
        }
    }

    private async Task<RedisResult> ExecuteAsync(RedisLink link, bool inFull)
    {
        var transaction = link.Database.CreateTransaction();
        var waiting = new KeyValuePair<RedisKey, RedisValue>[Sent];
        for (var at = 0; at < waiting.Length; at++)
        {
            waiting[at] = new(layout.Waiting(at), _records[at]);
        }

        Abandoned.Observe(transaction.StringSetAsync(waiting, When.Always, Flags.Master));
        var running = inFull ? Scripts.WriteMany.SendInFullAsync(transaction, _keys, _arguments) : Scripts.WriteMany.SendAsync(transaction, _keys, _arguments);
        Abandoned.Observe(running);

        // If the connection breaks, only this is sure to be told.
        if (!await transaction.ExecuteAsync(Flags.Master).ConfigureAwait(false))
        {
            throw new CacheStoreException("Redis has not executed a transaction.", StoreFailure.Transient);
        }

        return await running.ConfigureAwait(false);
    }

    /// <summary>Reads an answer: one number, if all is plain; else one for each, and one more.</summary>
    /// <returns><see langword="null"/> if it is not what was asked for.</returns>
    private static long[]? StampsOf(RedisResult answer)
    {
        try
        {
            return (long[]?)answer ?? [];
        }
        catch (InvalidCastException)
        {
            return null;
        }
    }
}
