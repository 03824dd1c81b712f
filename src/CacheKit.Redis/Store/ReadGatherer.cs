using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>Reads together what is asked for at about the same time, on a single server; alone what comes alone, and in a cluster, where few entries are in one slot.</summary>
internal sealed class ReadGatherer(RedisConnection connection, StampClock clock, EntryReader reader, KeyLayout layout) : CallGatherer<ReadCall>(mostBytes: 256 << 10)
{
    // A name and the frame around it and its value.
    private const int Overhead = 100;

    private int _averageBytes;

    internal ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        if (options.WithoutPayload || options.KnownStamp is not null || connection.Link is not { IsSingle: true } || !clock.IsUsable)
        {
            return reader.ReadAsync(key, options, cancellationToken);
        }

        if (TryEnterAlone())
        {
            return ReadAloneAsync(key, options, cancellationToken);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreLookup>(cancellationToken);
        }

        var call = ReadCall.Begin(key, options, reader.ExpectedTags(key, options), cancellationToken, out var reading);
        Add(call, Volatile.Read(ref _averageBytes) + Overhead);
        return reading;
    }

    /// <summary>Takes note of how long entries are.</summary>
    internal void Note(int averageBytes)
    {
        var before = Volatile.Read(ref _averageBytes);
        Volatile.Write(ref _averageBytes, before == 0 ? averageBytes : before + ((averageBytes - before) / 8));
    }

    private protected override void Send(ReadCall?[] calls, int count) => new SharedRead(connection, connection.Link, this, calls, count, clock, reader, layout).Run();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreLookup> ReadAloneAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadAsync(key, options, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave();
        }
    }
}
