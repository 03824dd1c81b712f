using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Several sets by one script, which draws a stamp for each. What is not plain about one of them, that one sees to alone, as if it had not been among the others.</summary>
internal sealed class SharedSet(
    RedisConnection connection, RedisLink? link, SetGatherer gatherer, SetCall?[] calls, int count, StampClock clock, EntryWriter writer, KeyLayout layout, Lifetimes lifetimes)
    : SharedCommand<SetCall, RedisResult, StoreWriteResult>(connection, link, gatherer, calls, count)
{
    private RedisKey[] _keys = [];
    private RedisValue[] _arguments = [];
    private long[] _stamps = [];

    private int Sent => _keys.Length - 1;

    private protected override Task<RedisResult> SendAsync(RedisLink link)
    {
        var sent = 0;
        foreach (var call in Calls)
        {
            call!.At = call.IsOver ? -1 : sent++; // handed out later
        }

        (_keys, _arguments) = (new RedisKey[1 + sent], new RedisValue[2 + (2 * sent)]);
        _keys[0] = layout.Clock;
        (_arguments[0], _arguments[1]) = (clock.Latest, lifetimes.MaximumAge);
        foreach (var call in Calls)
        {
            if (call!.At is >= 0 and var at) // handed out later
            {
                _keys[1 + at] = layout.Entry(call.Key);
                _arguments[2 + (2 * at)] = lifetimes.AtLeastFenceUntil(call.Entry.RetainUntil);
                _arguments[3 + (2 * at)] = call.Record;
            }
        }

        return Scripts.SetMany.SendAsync(link.Database, _keys, _arguments);
    }

    private protected override Task<RedisResult>? Again(Task<RedisResult> failed) =>
        RedisScript.IsUnknown(failed.Exception?.InnerException) ? Scripts.SetMany.SendInFullAsync(Link.Database, _keys, _arguments) : null;

    private protected override void OnAnswer(RedisResult answer)
    {
        // One number, if all is plain.
        _stamps = (long[]?)answer ?? [];
        foreach (var stamp in _stamps)
        {
            if (stamp > 0 || stamp < Scripts.Behind)
            {
                // A refusal, too: who tries again has what he lacked.
                clock.Advance(Math.Abs(stamp));
            }
        }
    }

    private protected override bool TryGetResult(SetCall call, RedisResult answer, out StoreWriteResult result)
    {
        // Drawn in the order of the entries; where there is one number it is the last.
        var stamp = _stamps.Length == Sent ? _stamps[call.At] : _stamps is [> 0 and var last] ? last - Sent + 1 + call.At : Scripts.Aside;
        result = new(StoreWriteOutcome.Stored, stamp);
        return stamp > 0;
    }

    private protected override ValueTask<StoreWriteResult> RunAloneAsync(SetCall call, RedisResult? answer) =>
        writer.SetAlwaysAsync(call.Key, call.Entry, call.Tags, call.CancellationToken);
}
