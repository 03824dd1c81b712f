namespace CacheKit.Stores;

/// <summary>A store that does many keys faster at once than one after the other. Each key is atomic; the whole is not.</summary>
public interface IBatchStore : ICacheStore
{
    /// <summary>Reads many entries.</summary>
    /// <param name="keys">The keys, without duplicates.</param>
    /// <param name="options">For all of them; <see cref="StoreReadOptions.KnownStamp"/> is unset.</param>
    /// <param name="cancellationToken">Gives the read up.</param>
    /// <returns>A lookup for each key, in their order. The caller disposes each.</returns>
    ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken);

    /// <summary>Writes many entries.</summary>
    /// <param name="writes">What to write, each key once.</param>
    /// <param name="cancellationToken">Gives the writes up.</param>
    /// <returns>What became of each, in their order.</returns>
    ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken);

    /// <summary>Removes or expires many entries.</summary>
    /// <param name="keys">The keys, without duplicates.</param>
    /// <param name="kind">As for one key.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>What was done for each, in their order.</returns>
    ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(
        IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken);
}

/// <summary>One write of many.</summary>
/// <param name="Key">The key.</param>
/// <param name="Entry">The entry.</param>
/// <param name="Condition">When it takes effect.</param>
public readonly record struct StoreWrite(string Key, StoreEntry Entry, StoreCondition Condition);
