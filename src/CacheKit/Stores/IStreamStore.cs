namespace CacheKit.Stores;

/// <summary>A store that takes and gives large entries part by part, so that nobody has to hold one whole in memory.</summary>
/// <remarks>An entry is the same however it was written: what came part by part can be read whole, and the other way round.</remarks>
public interface IStreamStore : ICacheStore
{
    /// <summary>Begins an entry whose bytes come one after the other, under a stamp drawn now: before the first of them.</summary>
    /// <param name="key">The key. What is there stays readable until the entry is complete.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Where to write them. The caller disposes it; if it is not complete by then, nothing of it is left to be read.</returns>
    ValueTask<IStoreWriteStream> BeginWriteAsync(string key, CancellationToken cancellationToken);

    /// <summary>Opens an entry to read its bytes.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The entry, as <see cref="ICacheStore.ReadAsync"/> would have found it; <see langword="null"/> for a miss. The caller disposes it.</returns>
    ValueTask<IStoreReadStream?> OpenReadAsync(string key, CancellationToken cancellationToken);
}

/// <summary>An entry on its way into an <see cref="IStreamStore"/>. For one caller at a time.</summary>
public interface IStoreWriteStream : IAsyncDisposable
{
    /// <summary>The stamp of the entry: whatever is written or invalidated after it was drawn is later.</summary>
    long Stamp { get; }

    /// <summary>Writes what comes next.</summary>
    /// <param name="bytes">The bytes. They are valid until the call has ended.</param>
    /// <param name="cancellationToken">Gives the call up, and with it the entry.</param>
    /// <returns><see langword="false"/> if the store does not take so much, or has no room: the entry cannot become complete.</returns>
    ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Makes the entry readable, unless its key or one of its tags was invalidated, or its key written, since its stamp was drawn.</summary>
    /// <param name="entry">The entry. Its payload comes <em>before</em> what was written: a header can say what is known only in the end.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>
    /// <see cref="StoreWriteOutcome.Stored"/>; <see cref="StoreWriteOutcome.Overtaken"/>, and then there is nothing fresh under the key that is older than the stamp; or
    /// <see cref="StoreWriteOutcome.Declined"/>, and then nothing was changed.
    /// </returns>
    ValueTask<StoreWriteResult> CompleteAsync(StoreEntry entry, CancellationToken cancellationToken);
}

/// <summary>An entry of an <see cref="IStreamStore"/>, opened. For one caller at a time.</summary>
/// <remarks>What it gives is of one entry, whatever becomes of that meanwhile: the bytes that were stored, each checked before it is given, or an exception.</remarks>
public interface IStoreReadStream : IAsyncDisposable
{
    /// <summary>See <see cref="StoreLookup.Stamp"/>.</summary>
    long Stamp { get; }

    /// <summary>See <see cref="StoreLookup.ExpiresAt"/>.</summary>
    DateTimeOffset ExpiresAt { get; }

    /// <summary>See <see cref="StoreLookup.RetainUntil"/>.</summary>
    DateTimeOffset RetainUntil { get; }

    /// <summary>How many bytes the entry has.</summary>
    long Length { get; }

    /// <summary>Reads bytes of the entry.</summary>
    /// <param name="offset">Where they begin: from zero to <see cref="Length"/>.</param>
    /// <param name="destination">Where to put them.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many were read, which may be fewer than asked for; zero only at the end, or if none were asked for.</returns>
    /// <exception cref="CacheStoreException">
    /// They are not there any more, or cannot be read; or they are damaged, which is <see cref="StoreFailure.Permanent"/>, and is logged.
    /// </exception>
    ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken);
}
