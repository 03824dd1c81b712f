using System.Buffers;

namespace CacheKit.Stores;

/// <summary>How a read ended.</summary>
public enum StoreLookupStatus
{
    /// <summary>There is no live entry.</summary>
    Missing,

    /// <summary>There is one.</summary>
    Found,

    /// <summary>The entry the reader knows is live and still there; the payload is empty.</summary>
    NotModified,
}

/// <summary>What a read has found: perhaps an entry, and in any case the stamp to create a value under.</summary>
/// <remarks>Dispose it once the payload has been used; that gives a rented buffer back. Copies of it share the buffer: dispose one of them.</remarks>
public readonly struct StoreLookup : IDisposable
{
    private readonly IMemoryOwner<byte>? _owner;

    // Every layer hands this on by value: instants as ticks of UTC, and the rarer of them plus one, so that none is zero, make two thirds of the bytes.
    private readonly long _expiresAt, _retainUntil, _expiredAtPlusOne, _number;
    private readonly byte _status;
    private readonly bool _hasNumber;

    private StoreLookup(
        StoreLookupStatus status, long loadStamp, long stamp, ReadOnlyMemory<byte> payload, DateTimeOffset expiresAt, DateTimeOffset retainUntil,
        long? number, IMemoryOwner<byte>? owner)
    {
        _status = (byte)status;
        LoadStamp = loadStamp;
        Stamp = stamp;
        Payload = payload;
        _expiresAt = expiresAt.UtcTicks;
        _retainUntil = retainUntil.UtcTicks;
        _number = number.GetValueOrDefault();
        _hasNumber = number.HasValue;
        _owner = owner;
    }

    /// <summary>How the read ended.</summary>
    public StoreLookupStatus Status => (StoreLookupStatus)_status;

    /// <summary>
    /// The stamp the store's clock showed no later than the read began to look: a value whose making begins now is written under it. Too
    /// old a stamp costs a refusal, never a wrong value.
    /// </summary>
    public long LoadStamp { get; }

    /// <summary>The entry's stamp; 0 for a miss.</summary>
    public long Stamp { get; }

    /// <summary>The entry's bytes, as they were stored. Valid until the lookup is disposed. Empty for a counter.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>
    /// The instant from which the entry has expired: as stored, or as set since. <see cref="DateTimeOffset.MinValue"/> if it was expired on request, by its key
    /// or a tag, so that no clock that is set back revives it.
    /// </summary>
    public DateTimeOffset ExpiresAt => new(_expiresAt, TimeSpan.Zero);

    /// <summary>The instant from which the entry is not returned any more.</summary>
    public DateTimeOffset RetainUntil => new(_retainUntil, TimeSpan.Zero);

    /// <summary>When the entry was expired on request, if it was and the store knows: its value may stand in for its stale time from then on.</summary>
    public DateTimeOffset? ExpiredAt
    {
        get => _expiredAtPlusOne == 0 ? null : new(_expiredAtPlusOne - 1, TimeSpan.Zero);
        init => _expiredAtPlusOne = value is { } instant ? instant.UtcTicks + 1 : 0;
    }

    /// <summary>Whether a read that found nothing has come upon something that should be there and could not be read: damaged bytes. It is counted as a miss, and logged.</summary>
    public bool IsUnreadable { get; init; }

    /// <summary>The number, if the entry is a counter of an <see cref="ICounterStore"/>; else <see langword="null"/>.</summary>
    public long? Number => _hasNumber ? _number : null;

    /// <summary>Whether there is a live entry.</summary>
    public bool IsFound => Status != StoreLookupStatus.Missing;

    /// <summary>A read that found nothing.</summary>
    /// <param name="loadStamp">See <see cref="LoadStamp"/>.</param>
    /// <returns>The lookup.</returns>
    public static StoreLookup Missing(long loadStamp) =>
        new(StoreLookupStatus.Missing, loadStamp, 0, default, default, default, null, null);

    /// <summary>A read that found an entry.</summary>
    /// <param name="loadStamp">See <see cref="LoadStamp"/>.</param>
    /// <param name="stamp">The entry's stamp.</param>
    /// <param name="payload">Its bytes.</param>
    /// <param name="expiresAt">See <see cref="ExpiresAt"/>.</param>
    /// <param name="retainUntil">See <see cref="RetainUntil"/>.</param>
    /// <param name="owner">Disposed with the lookup: a rented buffer. <see langword="null"/> if the bytes belong to nobody else.</param>
    /// <returns>The lookup.</returns>
    public static StoreLookup Found(
        long loadStamp, long stamp, ReadOnlyMemory<byte> payload, DateTimeOffset expiresAt, DateTimeOffset retainUntil, IMemoryOwner<byte>? owner = null) =>
        new(StoreLookupStatus.Found, loadStamp, stamp, payload, expiresAt, retainUntil, null, owner);

    /// <summary>A read that found a counter.</summary>
    /// <param name="loadStamp">See <see cref="LoadStamp"/>.</param>
    /// <param name="stamp">The counter's stamp, which each step changes.</param>
    /// <param name="number">Its number.</param>
    /// <param name="expiresAt">See <see cref="ExpiresAt"/>.</param>
    /// <param name="retainUntil">See <see cref="RetainUntil"/>.</param>
    /// <returns>The lookup.</returns>
    public static StoreLookup Counter(long loadStamp, long stamp, long number, DateTimeOffset expiresAt, DateTimeOffset retainUntil) =>
        new(StoreLookupStatus.Found, loadStamp, stamp, default, expiresAt, retainUntil, number, null);

    /// <summary>A read that found the entry the reader knows.</summary>
    /// <param name="loadStamp">See <see cref="LoadStamp"/>.</param>
    /// <param name="stamp">The entry's stamp.</param>
    /// <param name="expiresAt">See <see cref="ExpiresAt"/>.</param>
    /// <param name="retainUntil">See <see cref="RetainUntil"/>.</param>
    /// <returns>The lookup.</returns>
    public static StoreLookup NotModified(long loadStamp, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil) =>
        new(StoreLookupStatus.NotModified, loadStamp, stamp, default, expiresAt, retainUntil, null, null);

    /// <summary>Gives the payload's buffer back, if it was rented.</summary>
    public void Dispose() => _owner?.Dispose();
}
