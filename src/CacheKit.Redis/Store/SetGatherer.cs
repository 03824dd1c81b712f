using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>Sets together what comes at about the same time, on a single server; alone what comes alone, and in a cluster, where a script has the keys of one slot only.</summary>
internal sealed class SetGatherer(
    RedisConnection connection, StampClock clock, TagLedger ledger, TagMemory memory, EntryWriter writer, KeyLayout layout, Lifetimes lifetimes)
    : CallGatherer<SetCall>(mostBytes: 64 << 10) // a server holds all of a command before it begins, which counts as memory in use
{
    // A name and the frame around it and its value.
    private const int Overhead = 100;

    // A script copies what it stores a few times, and to spare a command does not outweigh that for more than this.
    private const int MostBytesOfOne = 16 << 10;

    internal ValueTask<StoreWriteResult> SetAsync(string key, StoreEntry entry, CancellationToken cancellationToken)
    {
        if (connection.Link is not { IsSingle: true } || !clock.IsUsable || entry.Payload.Length > MostBytesOfOne)
        {
            return writer.WriteAsync(key, entry, StoreCondition.Always, cancellationToken);
        }

        if (TryEnterAlone())
        {
            return SetAloneAsync(key, entry, cancellationToken);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreWriteResult>(cancellationToken);
        }

        var tags = EntryTags.Of(entry.Tags, layout);
        if (!ledger.WereSeen(tags))
        {
            return writer.WriteAsync(key, entry, StoreCondition.Always, cancellationToken);
        }

        memory.Remember(key, tags);
        var record = EntryRecord.Write(EntryFlags.None, 0, entry.ExpiresAt, entry.RetainUntil, tags, entry.Payload.Span);
        var call = SetCall.Begin(key, entry, tags, record, cancellationToken, out var writing);
        Add(call, record.Length + Overhead);
        return writing;
    }

    private protected override void Send(SetCall?[] calls, int count) =>
        new SharedSet(connection, connection.Link, this, calls, count, clock, writer, layout, lifetimes).Run();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreWriteResult> SetAloneAsync(string key, StoreEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            return await writer.WriteAsync(key, entry, StoreCondition.Always, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave();
        }
    }
}
