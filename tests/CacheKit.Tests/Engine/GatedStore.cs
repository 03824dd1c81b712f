using System.Threading.Channels;
using CacheKit.Stores;

namespace CacheKit.Tests.Engine;

/// <summary>How a held call of a <see cref="GatedStore"/> ends.</summary>
internal enum CallEnd
{
    Done,

    /// <summary>It fails, and nothing was done.</summary>
    Failed,

    /// <summary>It fails, but what was asked was done.</summary>
    DoneButFailed,

    /// <summary>The store says that it will not.</summary>
    Denied,
}

/// <summary>A store whose changes wait for the test to say how each ends. Reads go through.</summary>
internal sealed class GatedStore(ICacheStore inner) : ICacheStore
{
    private readonly Channel<TaskCompletionSource<CallEnd>> _calls = Channel.CreateUnbounded<TaskCompletionSource<CallEnd>>();

    public string Name => "gated";

    /// <summary>If set, no call is held: each ends like this.</summary>
    internal CallEnd? Always { get; set; }

    /// <summary>The next change that has come and is held.</summary>
    internal Task<TaskCompletionSource<CallEnd>> NextCallAsync() => _calls.Reader.ReadAsync().AsTask();

    /// <summary>Ends the next change, which must come.</summary>
    internal async Task EndNextAsync(CallEnd end) => (await NextCallAsync().WaitAsync(TimeSpan.FromSeconds(30))).SetResult(end);

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        inner.ReadAsync(key, options, cancellationToken);

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        HoldAsync(() => inner.WriteAsync(key, entry, condition, cancellationToken));

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) =>
        HoldAsync(() => inner.InvalidateAsync(key, kind, cancellationToken));

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        HoldAsync(() => inner.InvalidateTagsAsync(tags, match, kind, cancellationToken));

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) => HoldAsync(() => inner.ClearAsync(cancellationToken));

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        HoldAsync(() => inner.SetExpirationAsync(key, stamp, expiresAt, retainUntil, cancellationToken));

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask<T> HoldAsync<T>(Func<ValueTask<T>> call)
    {
        var end = Always ?? await HoldAsync();
        if (end is CallEnd.Done or CallEnd.DoneButFailed && await call() is var result && end == CallEnd.Done)
        {
            return result;
        }

        throw new CacheStoreException("no", end == CallEnd.Denied ? StoreFailure.Permanent : StoreFailure.Unavailable);
    }

    private Task<CallEnd> HoldAsync()
    {
        var gate = new TaskCompletionSource<CallEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
        _calls.Writer.TryWrite(gate);
        return gate.Task;
    }
}
