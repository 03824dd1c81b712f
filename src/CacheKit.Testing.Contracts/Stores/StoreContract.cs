using System.Runtime.CompilerServices;
using System.Text;
using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>The base of every contract of a store: makes the stores of a test, checks and disposes them after it, and holds the clock.</summary>
/// <remarks>
/// <para>To prove a store, derive a sealed class from each contract that applies to it and implement <see cref="BuildAsync"/>: all those that are
/// about <see cref="ICacheStore"/>, and one for each capability it has.</para>
/// <para>Time moves only when a test moves <see cref="Clock"/>. So a store must judge <see cref="StoreEntry.RetainUntil"/> by that clock; if a server
/// drops entries by its own, that does no harm, since entries here live for hours and tests run for seconds. The lease of a lock may end by
/// another clock: see <see cref="LetLeaseEndAsync"/>.</para>
/// <para>Instants in the tests are whole seconds, and are moved by whole milliseconds: a store may keep them so coarsely.</para>
/// </remarks>
public abstract class StoreContract : IAsyncLifetime
{
    private readonly List<(ICacheStore Store, StoreContractOptions Options)> _stores = [];

    /// <summary>The clock of every store of the test. It stands still until the test moves it.</summary>
    protected ManualTimeProvider Clock { get; } = new();

    /// <summary>Whether a removal of entries with all of several tags also takes some that have one of them. Default: no.</summary>
    protected virtual bool RemovesMoreThanAsked => false;

    /// <summary>Whether expiring an entry removes it. Default: no, it stays readable as a stale one.</summary>
    protected virtual bool ExpireRemoves => false;

    /// <summary>How long a lock's lease is that a test waits to end. Default: one hour, which passes at once.</summary>
    protected virtual TimeSpan LeaseThatEnds => TimeSpan.FromHours(1);

    /// <summary>
    /// Makes a store. It goes by <see cref="Clock"/>, is empty unless the test has made one of the same name before, and is disposed by the
    /// base class.
    /// </summary>
    /// <param name="options">What the test asks for.</param>
    protected abstract ValueTask<ICacheStore> BuildAsync(StoreContractOptions options);

    /// <summary>
    /// Makes a second store on the data of the one that <see cref="BuildAsync"/> has made, which stays in use: as another process would.
    /// </summary>
    /// <param name="options">The options the first was made with.</param>
    /// <returns>The store; <see langword="null"/>, the default, if there can be only one: then tests use that one for both.</returns>
    protected virtual ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => default;

    /// <summary>Checks a store's integrity; throws if something is wrong. Called for each after its test, when nothing is under way.</summary>
    /// <param name="store">A store that this class has made.</param>
    protected virtual ValueTask VerifyAsync(ICacheStore store) => default;

    /// <summary>Has <see cref="LeaseThatEnds"/> pass. Default: moves <see cref="Clock"/>. A store whose server keeps the leases waits in earnest.</summary>
    protected virtual ValueTask LetLeaseEndAsync()
    {
        Clock.Advance(LeaseThatEnds);
        return default;
    }

    /// <summary>Prepares a test.</summary>
    public virtual ValueTask InitializeAsync() => default;

    /// <summary>Checks and disposes the stores of the test.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var (store, _) in _stores.ToArray())
        {
            await VerifyAsync(store);
            await CloseAsync(store);
        }
    }

    /// <summary>Makes a store for the test.</summary>
    /// <param name="configure">Sets what the test needs to differ from the defaults.</param>
    protected async ValueTask<ICacheStore> CreateAsync(Action<StoreContractOptions>? configure = null)
    {
        var options = new StoreContractOptions();
        configure?.Invoke(options);
        var store = await BuildAsync(options);
        _stores.Add((store, options));
        return store;
    }

    /// <summary>Makes a store for the test that must have a capability.</summary>
    protected async ValueTask<T> CreateAsync<T>(Action<StoreContractOptions>? configure = null)
        where T : class, ICacheStore
    {
        var store = await CreateAsync(configure);
        return store.Should().BeAssignableTo<T>().Which;
    }

    /// <summary>Opens a second store on the data of the first; gives the first back if there can be only one.</summary>
    protected async ValueTask<T> OpenAnotherAsync<T>(T store)
        where T : class, ICacheStore
    {
        var options = _stores.Find(known => known.Store == store).Options;
        if (await BuildAnotherHandleAsync(options) is not { } another)
        {
            return store;
        }

        _stores.Add((another, options));
        return another.Should().BeAssignableTo<T>().Which;
    }

    /// <summary>Disposes a store, as its owner would.</summary>
    protected ValueTask CloseAsync(ICacheStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        _stores.RemoveAll(known => known.Store == store);
        return store.DisposeAsync();
    }

    /// <inheritdoc cref="CacheContract.Soon{T}(Task{T}, string)"/>
    protected static async Task<T> Soon<T>(Task<T> task, [CallerArgumentExpression(nameof(task))] string what = "")
    {
        ArgumentNullException.ThrowIfNull(task);
        await Patience.WaitAsync(task, what);
        return await task;
    }

    /// <inheritdoc cref="CacheContract.Soon{T}(Task{T}, string)"/>
    protected static Task Soon(Task task, [CallerArgumentExpression(nameof(task))] string what = "")
    {
        ArgumentNullException.ThrowIfNull(task);
        return Patience.WaitAsync(task, what);
    }

    /// <inheritdoc cref="CacheContract.Soon{T}(Task{T}, string)"/>
    protected static Task<T> Soon<T>(ValueTask<T> task, [CallerArgumentExpression(nameof(task))] string what = "") => Soon(task.AsTask(), what);

    /// <inheritdoc cref="CacheContract.Soon{T}(Task{T}, string)"/>
    protected static Task Soon(ValueTask task, [CallerArgumentExpression(nameof(task))] string what = "") => Soon(task.AsTask(), what);

    /// <summary>A time span in hours: the unit of lifetimes here.</summary>
    protected static TimeSpan Hours(double hours) => TimeSpan.FromHours(hours);

    /// <summary>An entry that lives for ten hours.</summary>
    protected StoreEntry Entry(string text, params IReadOnlyList<string> tags) => Entry(Encoding.UTF8.GetBytes(text), Hours(10), tags: tags);

    /// <summary>An entry.</summary>
    /// <param name="payload">Its bytes.</param>
    /// <param name="lifetime">How long until it has expired; <see cref="TimeSpan.MaxValue"/> for never.</param>
    /// <param name="staleFor">How long it is kept after that.</param>
    /// <param name="tags">Its tags.</param>
    protected StoreEntry Entry(ReadOnlyMemory<byte> payload, TimeSpan lifetime, TimeSpan staleFor = default, IReadOnlyList<string>? tags = null)
    {
        var expiresAt = lifetime == TimeSpan.MaxValue ? DateTimeOffset.MaxValue : Clock.GetUtcNow() + lifetime;
        return new()
        {
            Payload = payload,
            ExpiresAt = expiresAt,
            RetainUntil = lifetime == TimeSpan.MaxValue ? expiresAt : expiresAt + staleFor,
            Tags = tags ?? [],
        };
    }

    /// <summary>An entry that expires, and is kept as a stale one after that.</summary>
    protected StoreEntry Entry(string text, TimeSpan lifetime, TimeSpan staleFor = default, params IReadOnlyList<string> tags) =>
        Entry(Encoding.UTF8.GetBytes(text), lifetime, staleFor, tags);

    /// <summary>Reads, copies what was read, and gives the buffer back.</summary>
    protected static async Task<ReadResult> ReadAsync(ICacheStore store, string key, StoreReadOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        using var lookup = await Soon(store.ReadAsync(key, options, CancellationToken.None));
        return new(lookup);
    }

    /// <summary>Gets the stamp to make a value under.</summary>
    protected static async Task<long> LoadStampAsync(ICacheStore store, string key) => (await ReadAsync(store, key)).LoadStamp;

    /// <summary>Writes, with a buffer that is spoilt afterwards.</summary>
    protected static async Task<StoreWriteResult> WriteAsync(ICacheStore store, string key, StoreEntry entry, StoreCondition condition)
    {
        ArgumentNullException.ThrowIfNull(store);
        var buffer = entry.Payload.ToArray();
        var lent = new StoreEntry { Payload = buffer, ExpiresAt = entry.ExpiresAt, RetainUntil = entry.RetainUntil, Tags = entry.Tags };
        var result = await Soon(store.WriteAsync(key, lent, condition, CancellationToken.None));
        buffer.AsSpan().Fill(0xEE);
        return result;
    }

    /// <summary>Sets an entry, which must succeed.</summary>
    /// <returns>Its stamp.</returns>
    protected static async Task<long> SetAsync(ICacheStore store, string key, StoreEntry entry)
    {
        var result = await WriteAsync(store, key, entry, StoreCondition.Always);
        result.Outcome.Should().Be(StoreWriteOutcome.Stored, "'{0}' is set", Shown(key));
        return result.Stamp;
    }

    /// <summary>Stores what a factory has made.</summary>
    protected static Task<StoreWriteResult> PopulateAsync(ICacheStore store, string key, StoreEntry entry, long loadStamp) =>
        WriteAsync(store, key, entry, StoreCondition.IfCurrent(loadStamp));

    /// <summary>Invalidates a key.</summary>
    protected static Task<StoreInvalidation> InvalidateAsync(ICacheStore store, string key, InvalidationKind kind = InvalidationKind.Remove)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Soon(store.InvalidateAsync(key, kind, CancellationToken.None));
    }

    /// <summary>Invalidates what carries any of some tags.</summary>
    protected static Task<long> InvalidateTagsAsync(ICacheStore store, params IReadOnlyList<string> tags) =>
        InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Remove, tags);

    /// <summary>Invalidates what carries any, or all, of some tags.</summary>
    protected static Task<long> InvalidateTagsAsync(ICacheStore store, TagMatch match, InvalidationKind kind, params IReadOnlyList<string> tags)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Soon(store.InvalidateTagsAsync(tags, match, kind, CancellationToken.None));
    }

    /// <summary>Asserts that an entry is there, has not expired, and has these bytes.</summary>
    protected async Task ExpectAsync(ICacheStore store, string key, string text)
    {
        var read = await ReadAsync(store, key);
        read.Status.Should().Be(StoreLookupStatus.Found, "there is an entry under '{0}'", Shown(key));
        read.Text.Should().Be(text, "those are the bytes under '{0}'", Shown(key));
        read.ExpiresAt.Should().BeAfter(Clock.GetUtcNow(), "the entry under '{0}' has not expired", Shown(key));
    }

    /// <summary>Asserts that there is no live entry.</summary>
    protected static async Task ExpectMissingAsync(ICacheStore store, string key)
    {
        var read = await ReadAsync(store, key);
        read.Status.Should().Be(StoreLookupStatus.Missing, "there is no entry under '{0}', but {1} was read", Shown(key), read.Text);
        read.Stamp.Should().Be(0);
    }

    /// <summary>Asserts that an entry was expired on request: it is there as a stale one, or gone if the store may do so.</summary>
    protected async Task ExpectExpiredAsync(ICacheStore store, string key, string text)
    {
        var read = await ReadAsync(store, key);
        if (read.Status == StoreLookupStatus.Missing && ExpireRemoves)
        {
            return;
        }

        read.Status.Should().Be(StoreLookupStatus.Found, "there is a stale entry under '{0}'", Shown(key));
        read.Text.Should().Be(text, "those are the bytes under '{0}'", Shown(key));
        read.ExpiresAt.Should().Be(DateTimeOffset.MinValue, "the entry under '{0}' was made to expire, whatever the clock", Shown(key));
    }

    /// <summary>Runs something on many threads at once, and waits for all.</summary>
    protected static async Task RunTogetherAsync(int threads, Func<int, Task> act)
    {
        ArgumentNullException.ThrowIfNull(act);
        using var start = new Barrier(threads);
        var work = Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return act(thread);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToArray();
        await Soon(Task.WhenAll(work));
    }

    /// <summary>A key as a message shows it.</summary>
    private protected static string Shown(string key) => key.Length <= 40 ? key : $"{key[..40]}… ({key.Length} characters)";

    /// <summary>What a read has found, copied from the lookup.</summary>
    protected sealed class ReadResult
    {
        internal ReadResult(StoreLookup lookup)
        {
            (Status, LoadStamp, Stamp, ExpiresAt, RetainUntil, ExpiredAt, Number) =
                (lookup.Status, lookup.LoadStamp, lookup.Stamp, lookup.ExpiresAt, lookup.RetainUntil, lookup.ExpiredAt, lookup.Number);
            Payload = lookup.Payload.ToArray();
        }

        /// <inheritdoc cref="StoreLookup.Status"/>
        public StoreLookupStatus Status { get; }

        /// <inheritdoc cref="StoreLookup.LoadStamp"/>
        public long LoadStamp { get; }

        /// <inheritdoc cref="StoreLookup.Stamp"/>
        public long Stamp { get; }

        /// <inheritdoc cref="StoreLookup.ExpiresAt"/>
        public DateTimeOffset ExpiresAt { get; }

        /// <inheritdoc cref="StoreLookup.RetainUntil"/>
        public DateTimeOffset RetainUntil { get; }

        /// <inheritdoc cref="StoreLookup.ExpiredAt"/>
        public DateTimeOffset? ExpiredAt { get; }

        /// <inheritdoc cref="StoreLookup.Number"/>
        public long? Number { get; }

        /// <summary>A copy of the bytes.</summary>
        public ReadOnlyMemory<byte> Payload { get; }

        /// <summary>The bytes as text.</summary>
        public string Text => Encoding.UTF8.GetString(Payload.Span);
    }
}
