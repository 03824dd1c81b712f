using System.Numerics;
using System.Runtime.CompilerServices;
using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>A store that does what another does, counts its calls, and has them go wrong when a test asks for it.</summary>
/// <remarks>
/// <para><see cref="Wrap"/> makes one with the capabilities of the store it wraps, or with fewer. So a cache finds exactly those when it asks for
/// their interfaces, although this class has the members of all of them.</para>
/// <para>All members are safe for concurrent use.</para>
/// </remarks>
public class FaultyStore : ICacheStore
{
    private readonly Lock _gate = new();
    private readonly List<Injection> _injections = [];
    private readonly int[] _calls = new int[BitOperations.PopCount((uint)StoreOperations.All)];

    /// <summary>For the classes that <see cref="Wrap"/> makes.</summary>
    /// <param name="inner">The store that does the work.</param>
    protected FaultyStore(ICacheStore inner) => Inner = inner;

    /// <summary>The store that does the work.</summary>
    public ICacheStore Inner { get; }

    /// <inheritdoc/>
    public virtual string Name => Inner.Name;

    /// <summary>Wraps a store. Nothing goes wrong until <see cref="Inject"/>.</summary>
    /// <param name="inner">The store that does the work. It is disposed with the wrapper.</param>
    /// <param name="capabilities">Which of its capabilities are shown. Default: all it has.</param>
    /// <returns>A store that implements the interfaces of those capabilities and no others.</returns>
    public static FaultyStore Wrap(ICacheStore inner, StoreCapabilities capabilities = StoreCapabilities.All)
    {
        ArgumentNullException.ThrowIfNull(inner);
        return FaultyStoreTypes.Create(inner, capabilities & FaultyStoreTypes.CapabilitiesOf(inner));
    }

    /// <summary>Has calls go wrong from now on. If several faults concern a call, it meets the one that was injected first.</summary>
    /// <param name="operations">The calls concerned.</param>
    /// <param name="fault">What goes wrong.</param>
    /// <param name="times">How many calls meet it. Default: all, until <see cref="Heal"/>.</param>
    /// <returns>The fault.</returns>
    public StoreFault Inject(StoreOperations operations, StoreFault fault, int times = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(fault);
        ArgumentOutOfRangeException.ThrowIfLessThan(times, 1);
        lock (_gate)
        {
            _injections.Add(new(operations, fault, times));
        }

        return fault;
    }

    /// <summary>Ends all faults: calls that hang go on, and later ones are as they should be.</summary>
    public void Heal()
    {
        Injection[] ended;
        lock (_gate)
        {
            ended = [.. _injections];
            _injections.Clear();
        }

        foreach (var injection in ended)
        {
            injection.Fault.Release();
        }
    }

    /// <summary>How many calls were made, whatever became of them.</summary>
    /// <param name="operations">Which.</param>
    /// <returns>The number since the store was wrapped.</returns>
    public int CountCalls(StoreOperations operations)
    {
        var sum = 0;
        for (var i = 0; i < _calls.Length; i++)
        {
            sum += operations.HasFlag((StoreOperations)(1 << i)) ? Volatile.Read(ref _calls[i]) : 0;
        }

        return sum;
    }

    /// <inheritdoc/>
    public virtual ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.Read, token => Inner.ReadAsync(key, options, token), cancellationToken, spoil: SpoilAsync);

    /// <inheritdoc/>
    public virtual ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        DoAsync(
            StoreOperations.Write, token => Inner.WriteAsync(key, entry, condition, token), cancellationToken, () => DeclineAsync(new(key, entry, condition)));

    /// <inheritdoc/>
    public virtual ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.Invalidate, token => Inner.InvalidateAsync(key, kind, token), cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<long> InvalidateTagsAsync(
        IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.InvalidateTags, token => Inner.InvalidateTagsAsync(tags, match, kind, token), cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<long> ClearAsync(CancellationToken cancellationToken) => DoAsync(StoreOperations.Clear, Inner.ClearAsync, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.SetExpiration, token => Inner.SetExpirationAsync(key, stamp, expiresAt, retainUntil, token), cancellationToken);

    /// <inheritdoc cref="IBatchStore.ReadManyAsync"/>
    public virtual ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(
        IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.ReadMany, token => Capable<IBatchStore>().ReadManyAsync(keys, options, token), cancellationToken, spoil: SpoilAllAsync);

    /// <inheritdoc cref="IBatchStore.WriteManyAsync"/>
    public virtual ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.WriteMany, token => Capable<IBatchStore>().WriteManyAsync(writes, token), cancellationToken, () => DeclineAllAsync(writes));

    /// <inheritdoc cref="IBatchStore.InvalidateManyAsync"/>
    public virtual ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(
        IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.InvalidateMany, token => Capable<IBatchStore>().InvalidateManyAsync(keys, kind, token), cancellationToken);

    /// <inheritdoc cref="ICounterStore.IncrementAsync"/>
    public virtual ValueTask<StoreCount?> IncrementAsync(string key, StoreCounterStep step, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.Increment, token => Capable<ICounterStore>().IncrementAsync(key, step, token), cancellationToken);

    /// <inheritdoc cref="ILockStore.TryLockAsync"/>
    public virtual ValueTask<IStoreLock?> TryLockAsync(string key, TimeSpan lease, CancellationToken cancellationToken) =>
        DoAsync<IStoreLock?>(
            StoreOperations.TryLock,
            async token => await Capable<ILockStore>().TryLockAsync(key, lease, token).ConfigureAwait(false) is { } held ? new FaultyLock(this, held) : null,
            cancellationToken);

    /// <inheritdoc cref="IInvalidationTransport.SubscribeAsync"/>
    public virtual ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.Subscribe, token => Capable<IInvalidationTransport>().SubscribeAsync(receiver, token), cancellationToken);

    /// <inheritdoc cref="IInvalidationTransport.PublishAsync"/>
    public virtual ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        var published = DoAsync(
            StoreOperations.Publish,
            async token =>
            {
                await Capable<IInvalidationTransport>().PublishAsync(message, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken);
        return published.IsCompletedSuccessfully ? default : new(published.AsTask());
    }

    /// <inheritdoc cref="IEnumerableStore.EnumerateKeysAsync"/>
    /// <remarks>What goes wrong does so before the first key.</remarks>
    public virtual async IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var keys = await DoAsync(
            StoreOperations.EnumerateKeys,
            token => new ValueTask<IAsyncEnumerable<string>>(Capable<IEnumerableStore>().EnumerateKeysAsync(prefix, token)),
            cancellationToken).ConfigureAwait(false);
        await foreach (var key in keys.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            yield return key;
        }
    }

    /// <inheritdoc cref="IEnumerableStore.GetApproximateCountAsync"/>
    public virtual ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken) =>
        DoAsync(StoreOperations.GetApproximateCount, token => Capable<IEnumerableStore>().GetApproximateCountAsync(token), cancellationToken);

    /// <summary>Ends all faults, and disposes the store that does the work.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        try
        {
            await Inner.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            Heal(); // only now, so that what hung finds the store disposed
        }
    }

    private T Capable<T>()
        where T : class, ICacheStore =>
        Inner as T ?? throw new InvalidOperationException($"The store '{Name}' is no {typeof(T).Name}.");

    private ValueTask<T> DoAsync<T>(
        StoreOperations operation,
        Func<CancellationToken, ValueTask<T>> call,
        CancellationToken cancellationToken,
        Func<ValueTask<T>>? decline = null,
        Func<T, StoreFault.Spoiler, ValueTask<T>>? spoil = null)
    {
        Interlocked.Increment(ref _calls[BitOperations.TrailingZeroCount((uint)operation)]);
        return TakeFault(operation) is { } fault ? fault.MeetAsync(call, decline, spoil, cancellationToken) : call(cancellationToken);
    }

    private StoreFault? TakeFault(StoreOperations operation)
    {
        lock (_gate)
        {
            if (_injections.Find(it => it.Operations.HasFlag(operation)) is not { } injection)
            {
                return null;
            }

            if (--injection.TimesLeft == 0)
            {
                _injections.Remove(injection);
            }

            return injection.Fault;
        }
    }

    private async ValueTask<StoreWriteResult> DeclineAsync(StoreWrite write)
    {
        var stamp = write.Condition.Kind == StoreConditionKind.Always
            ? (await Inner.InvalidateAsync(write.Key, InvalidationKind.Remove, CancellationToken.None).ConfigureAwait(false)).Stamp
            : 0;
        return new(StoreWriteOutcome.Declined, stamp);
    }

    private async ValueTask<IReadOnlyList<StoreWriteResult>> DeclineAllAsync(IReadOnlyList<StoreWrite> writes)
    {
        var results = new List<StoreWriteResult>();
        foreach (var write in writes)
        {
            results.Add(await DeclineAsync(write).ConfigureAwait(false));
        }

        return results;
    }

    private async ValueTask<StoreLookup> SpoilAsync(StoreLookup lookup, StoreFault.Spoiler spoiler)
    {
        if (lookup.Status != StoreLookupStatus.Found || lookup.Number is not null)
        {
            return lookup;
        }

        using (lookup)
        {
            var bytes = await spoiler(Inner, lookup.Payload.ToArray()).ConfigureAwait(false);
            return StoreLookup.Found(lookup.LoadStamp, lookup.Stamp, bytes, lookup.ExpiresAt, lookup.RetainUntil) with { ExpiredAt = lookup.ExpiredAt };
        }
    }

    private async ValueTask<IReadOnlyList<StoreLookup>> SpoilAllAsync(IReadOnlyList<StoreLookup> lookups, StoreFault.Spoiler spoiler)
    {
        var results = new List<StoreLookup>();
        foreach (var lookup in lookups)
        {
            results.Add(await SpoilAsync(lookup, spoiler).ConfigureAwait(false));
        }

        return results;
    }

    private sealed class Injection(StoreOperations operations, StoreFault fault, int times)
    {
        internal StoreOperations Operations => operations;

        internal StoreFault Fault => fault;

        internal int TimesLeft { get; set; } = times;
    }

    private sealed class FaultyLock(FaultyStore store, IStoreLock inner) : IStoreLock
    {
        public ValueTask<bool> ExtendAsync(TimeSpan lease, CancellationToken cancellationToken) =>
            store.DoAsync(StoreOperations.ExtendLock, token => inner.ExtendAsync(lease, token), cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
