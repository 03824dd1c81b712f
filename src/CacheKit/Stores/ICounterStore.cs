namespace CacheKit.Stores;

/// <summary>A store that counts on its own side, in one round trip. Without it the cache counts by <see cref="StoreConditionKind.IfUnchanged"/>.</summary>
/// <remarks>A counter is an entry: it is read (<see cref="StoreLookup.Number"/>), removed, tagged and replaced like any other.</remarks>
public interface ICounterStore : ICacheStore
{
    /// <summary>Adds to a counter, atomically, creating it if there is no live entry that has not expired.</summary>
    /// <param name="key">The key.</param>
    /// <param name="step">What to add, and how to create the counter.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The new number; <see langword="null"/>, and nothing is changed, if the entry under the key is not a counter.</returns>
    ValueTask<StoreCount?> IncrementAsync(string key, StoreCounterStep step, CancellationToken cancellationToken);
}

/// <summary>What to add to a counter, and how to create it.</summary>
public readonly struct StoreCounterStep
{
    /// <summary>What to add.</summary>
    public long Delta { get; init; }

    /// <summary>What an absent counter starts from, before the delta is added.</summary>
    public long InitialValue { get; init; }

    /// <summary>The least the result is kept at.</summary>
    public long Minimum { get; init; }

    /// <summary>The most the result is kept at. A sum beyond 64 bits is kept at the bound it passes.</summary>
    public long Maximum { get; init; }

    /// <summary>For a new counter: the instant from which it has expired. One that exists keeps its own.</summary>
    public DateTimeOffset ExpiresAt { get; init; }

    /// <summary>For a new counter: its tags.</summary>
    public IReadOnlyList<string> Tags { get; init; }
}

/// <summary>What a step of a counter has come to.</summary>
/// <param name="Value">The new number.</param>
/// <param name="Stamp">The counter's stamp. Invalidations of the key or its tags after its creation or the step before cover it as any entry.</param>
public readonly record struct StoreCount(long Value, long Stamp);
