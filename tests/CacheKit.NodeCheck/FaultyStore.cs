using CacheKit.Redis.Store;
using CacheKit.Stores;

namespace CacheKit.NodeCheck;

/// <summary>A store that loses some of the messages it should deliver, and makes one mistake on purpose, to see that the check finds it.</summary>
internal sealed class FaultyStore(RedisStore store, Mistake mistake, int lostPercent, Action onLost) : IBatchStore, ICounterStore, IEnumerableStore, ILockStore, IInvalidationTransport
{
    private const long LateMicroseconds = 20_000;

    public string Name => store.Name;

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) => store.ReadAsync(key, options, cancellationToken);

    public async ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken)
    {
        var lookups = await store.ReadManyAsync(keys, options, cancellationToken);
        return mistake == Mistake.LoadManyLate ? [.. lookups.Select(lookup => lookup.IsFound ? lookup : StoreLookup.Missing(lookup.LoadStamp + LateMicroseconds))] : lookups;
    }

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        store.WriteAsync(key, entry, mistake == Mistake.AddOver && condition.Kind == StoreConditionKind.IfAbsent ? StoreCondition.Always : condition, cancellationToken);

    public async ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken)
    {
        if (mistake != Mistake.SetManyButOne || writes.Count < 2 || writes[0].Condition.Kind != StoreConditionKind.Always)
        {
            return await store.WriteManyAsync(writes, cancellationToken);
        }

        var written = await store.WriteManyAsync([.. writes.SkipLast(1)], cancellationToken);
        return [.. written, written[^1]];
    }

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) => store.InvalidateAsync(key, kind, cancellationToken);

    public async ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken)
    {
        if (mistake != Mistake.RemoveManyButOne || keys.Count < 2)
        {
            return await store.InvalidateManyAsync(keys, kind, cancellationToken);
        }

        var done = await store.InvalidateManyAsync([.. keys.SkipLast(1)], kind, cancellationToken);
        return [.. done, done[^1]];
    }

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        store.InvalidateTagsAsync(tags, match, kind, cancellationToken);

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) => store.ClearAsync(cancellationToken);

    public ValueTask<bool> SetExpirationAsync(string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        store.SetExpirationAsync(key, stamp, expiresAt, retainUntil, cancellationToken);

    public async ValueTask<StoreCount?> IncrementAsync(string key, StoreCounterStep step, CancellationToken cancellationToken)
    {
        if (mistake == Mistake.CountTwice && Random.Shared.Next(10) == 0)
        {
            await store.IncrementAsync(key, step, cancellationToken);
        }

        return await store.IncrementAsync(
            key, mistake == Mistake.CountNothing && Random.Shared.Next(10) == 0 ? new() { ExpiresAt = step.ExpiresAt, Tags = step.Tags, Minimum = step.Minimum, Maximum = step.Maximum } : step, cancellationToken);
    }

    public IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, CancellationToken cancellationToken) => store.EnumerateKeysAsync(prefix, cancellationToken);

    public ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken) => store.GetApproximateCountAsync(cancellationToken);

    public async ValueTask<IStoreLock?> TryLockAsync(string key, TimeSpan lease, CancellationToken cancellationToken) =>
        await store.TryLockAsync(key, lease, cancellationToken) ?? (mistake == Mistake.LockAlways ? new NoLock() : null);

    public ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken) =>
        store.SubscribeAsync(new ForgetfulReceiver(receiver, lostPercent, onLost), cancellationToken);

    public ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => store.PublishAsync(message, cancellationToken);

    public ValueTask DisposeAsync() => store.DisposeAsync();

    private sealed class ForgetfulReceiver(IInvalidationReceiver receiver, int lostPercent, Action onLost) : IInvalidationReceiver
    {
        public void OnMessage(ReadOnlyMemory<byte> message)
        {
            if (Random.Shared.Next(100) < lostPercent)
            {
                onLost();
                return;
            }

            receiver.OnMessage(message);
        }

        public void OnInterrupted() => receiver.OnInterrupted();

        public void OnConnected(bool isComplete) => receiver.OnConnected(isComplete);
    }

    private sealed class NoLock : IStoreLock
    {
        public ValueTask<bool> ExtendAsync(TimeSpan lease, CancellationToken cancellationToken) => new(true);

        public ValueTask DisposeAsync() => default;
    }
}
