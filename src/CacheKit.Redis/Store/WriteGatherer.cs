using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>
/// Writes together what comes at about the same time, on a single server: what is set, and what factories have made. Alone what comes alone, and in a cluster, where a
/// script has the keys of one slot only.
/// </summary>
internal sealed class WriteGatherer(
    RedisConnection connection, StampClock clock, StampForecast forecast, TagLedger ledger, TagMemory memory, EntryWriter writer, KeyLayout layout, Lifetimes lifetimes)
    : CallGatherer<WriteCall>(mostBytes: 64 << 10) // a server holds all of a command before it begins, which counts as memory in use
{
    // A name and the frame around it and its value.
    private const int Overhead = 100;

    // To spare a command does not outweigh what a large one holds up.
    private const int MostBytesOfOne = 16 << 10;

    internal ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        if (condition.Kind == StoreConditionKind.IfUnchanged || (condition.Kind == StoreConditionKind.IfCurrent && condition.Stamp <= 0)
            || connection.Link is not { IsSingle: true, SharesWrites: true } || !clock.IsUsable || entry.Payload.Length > MostBytesOfOne)
        {
            return writer.WriteAsync(key, entry, condition, cancellationToken);
        }

        if (TryEnterAlone())
        {
            return WriteAloneAsync(key, entry, condition, cancellationToken);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreWriteResult>(cancellationToken);
        }

        var tags = EntryTags.Of(entry.Tags, layout);
        if (!ledger.WereSeen(tags))
        {
            return writer.WriteAsync(key, entry, condition, cancellationToken);
        }

        memory.Remember(key, tags);
        var stamp = condition.Kind == StoreConditionKind.Always ? 0 : condition.Stamp;
        var record = EntryRecord.Write(EntryFlags.None, stamp, entry.ExpiresAt, entry.RetainUntil, tags, entry.Payload.Span);
        var call = WriteCall.Begin(key, entry, condition, record, cancellationToken, out var writing);
        Add(call, record.Length + Overhead);
        return writing;
    }

    private protected override void Send(WriteCall?[] calls, int count)
    {
        if (count > 1)
        {
            new SharedWrite(connection, connection.Link, this, calls, count, clock, forecast, writer, layout, lifetimes).Run();
        }
        else if (calls[0] is { IsOver: false } call) // it has been taken out by nobody
        {
            // Nobody has come along after all: three commands for one write would cost more than they spare.
            call.Await(WriteAloneAsync(call.Key, call.Entry, call.Condition, call.CancellationToken));
        }
        else
        {
            Leave();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreWriteResult> WriteAloneAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        try
        {
            return await writer.WriteAsync(key, entry, condition, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave();
        }
    }
}
