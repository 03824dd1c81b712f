using System.Runtime.CompilerServices;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>The base of every contract: makes the caches of a test, checks and disposes them after it, and holds the clock.</summary>
/// <remarks>
/// <para>To prove a cache, derive a sealed class from each contract that applies to it and implement <see cref="BuildAsync"/>.
/// The tests know <see cref="ICache"/> and nothing of what stands behind it.</para>
/// <para>Nothing here depends on luck or on real time: factories are held until the test lets them go
/// (<see cref="HeldFactory{T}"/>), time moves when the test moves <see cref="Clock"/>, and what is awaited is guarded by
/// <see cref="Soon{T}(Task{T}, string)"/>, so that a hang is a failed test with a message.</para>
/// </remarks>
public abstract class CacheContract : IAsyncLifetime
{
    private readonly List<ICache> _caches = [];

    /// <summary>The clock of every cache of the test. It stands still until the test moves it.</summary>
    protected ManualTimeProvider Clock { get; } = new();

    /// <summary>Makes an empty cache that goes by <see cref="Clock"/>. Disposed by the base class if it is disposable.</summary>
    /// <param name="options">What the test asks for.</param>
    protected abstract ValueTask<ICache> BuildAsync(CacheContractOptions options);

    /// <summary>
    /// Whether stores stand behind the cache's memory. What memory declines or forgets may then be there all the same, and expiration in them goes by
    /// the wall clock, which all of their processes share.
    /// </summary>
    protected virtual bool HasStores => false;

    /// <summary>Whether a removal by all of several tags may also take what has one of them from a store, as <see cref="CacheKit.Stores.ICacheStore.InvalidateTagsAsync"/> allows.</summary>
    protected virtual bool RemovesMoreThanAsked => false;

    /// <summary>Whether expiring on request removes, as a store may have it that holds what memory does not.</summary>
    protected virtual bool ExpireRemoves => false;

    /// <summary>
    /// Whether the last store removes what it is asked to expire, and memory is compared with it in the meantime: then an expired entry is stale for no
    /// longer than that.
    /// </summary>
    protected virtual bool ExpireRemovesAtStore => ExpireRemoves;

    /// <summary>Whether values are kept in memory at all.</summary>
    protected virtual bool HasMemory => true;

    /// <summary>Whether a store has to be waited for before it is known that a value must be made, so that no factory begins on its caller's thread.</summary>
    protected virtual bool AsksStoresFirst => false;

    /// <summary>How many rounds a test of very many makes; fewer, where each call takes its time.</summary>
    /// <param name="wanted">How many it makes on a cache in memory.</param>
    protected virtual int Rounds(int wanted) => wanted;

    /// <summary>Checks a cache's integrity; throws if something is wrong. Called for each after its test, when nothing is under way.</summary>
    /// <param name="cache">A cache that <see cref="BuildAsync"/> has made.</param>
    protected virtual ValueTask VerifyAsync(ICache cache) => default;

    /// <summary>Prepares a test.</summary>
    public virtual ValueTask InitializeAsync() => default;

    /// <summary>Checks and disposes the caches of the test.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var cache in _caches.ToArray())
        {
            await VerifyAsync(cache);
            await CloseAsync(cache);
        }
    }

    /// <summary>Makes a cache for the test.</summary>
    /// <param name="configure">Sets what the test needs to differ from the defaults.</param>
    protected async ValueTask<ICache> CreateAsync(Action<CacheContractOptions>? configure = null)
    {
        var options = new CacheContractOptions();
        configure?.Invoke(options);
        var cache = await BuildAsync(options);
        _caches.Add(cache);
        return cache;
    }

    /// <summary>Disposes a cache, as its owner would.</summary>
    protected async ValueTask CloseAsync(ICache cache)
    {
        _caches.Remove(cache);
        switch (cache)
        {
            case IAsyncDisposable disposable:
                await disposable.DisposeAsync();
                break;
            case IDisposable disposable:
                disposable.Dispose();
                break;
        }
    }

    /// <summary>Waits for something that needs no more than the processor's time; fails the test if it does not come.</summary>
    /// <param name="task">What to wait for.</param>
    /// <param name="what">What the message calls it.</param>
    protected static async Task<T> Soon<T>(Task<T> task, [CallerArgumentExpression(nameof(task))] string what = "")
    {
        await Soon((Task)task, what);
        return await task;
    }

    /// <inheritdoc cref="Soon{T}(Task{T}, string)"/>
    protected static Task Soon(Task task, [CallerArgumentExpression(nameof(task))] string what = "")
    {
        ArgumentNullException.ThrowIfNull(task);
        return Patience.WaitAsync(task, what);
    }

    /// <inheritdoc cref="Soon{T}(Task{T}, string)"/>
    protected static Task<T> Soon<T>(ValueTask<T> task, [CallerArgumentExpression(nameof(task))] string what = "") => Soon(task.AsTask(), what);

    /// <inheritdoc cref="Soon{T}(Task{T}, string)"/>
    protected static Task Soon(ValueTask task, [CallerArgumentExpression(nameof(task))] string what = "") => Soon(task.AsTask(), what);

    /// <summary>Asserts that an unexpired value is there, and is this one.</summary>
    protected static async Task ExpectAsync<T>(ICache cache, string key, T value)
    {
        var lookup = await Soon(cache.GetAsync<T>(key));
        lookup.IsHit.Should().BeTrue("there is a value under '{0}'", key);
        lookup.IsStale.Should().BeFalse("the value under '{0}' has not expired", key);
        lookup.Value.Should().Be(value, "that is the value under '{0}'", key);
    }

    /// <summary>Asserts that there is no unexpired value.</summary>
    protected static async Task ExpectMissAsync(ICache cache, string key)
    {
        ArgumentNullException.ThrowIfNull(cache);
        (await Soon(cache.GetAsync<object>(key))).IsHit.Should().BeFalse("there is no value under '{0}'", key);
        (await Soon(cache.ExistsAsync(key))).Should().BeFalse("there is no entry under '{0}'", key);
    }

    /// <summary>Gets or creates without waiting longer than a factory needs that returns at once.</summary>
    protected static Task<T> CreateOrGet<T>(ICache cache, string key, T value, CacheEntryOptions? options = null) =>
        Soon(cache.GetOrCreateAsync(key, _ => ValueTask.FromResult(value), options));

    /// <summary>A time span in seconds, since tests are full of them.</summary>
    protected static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}
