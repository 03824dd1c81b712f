namespace CacheKit;

/// <summary>What a cache knows of one key at this moment, tier by tier: for a person who asks why it was a miss, or why it was not.</summary>
public sealed class CacheExplanation
{
    /// <summary>The key asked about.</summary>
    public required string Key { get; init; }

    /// <summary>
    /// Whether some tier has an unexpired entry that is served: so whether a get would be a hit now, if it asks for a type that the value can be had as.
    /// <see cref="CacheTierExplanation.TypeName"/> says as what it was stored. What a store has of a type that has another shape by now is no hit, if this process has stored or asked for that type.
    /// </summary>
    public required bool IsHit { get; init; }

    /// <summary>Whether a factory is making a value for the key now, in this process.</summary>
    public required bool IsBeingCreated { get; init; }

    /// <summary>Each tier, in the order in which it is asked.</summary>
    public required IReadOnlyList<CacheTierExplanation> Tiers { get; init; }

    /// <summary>
    /// Why the entry that memory held last is not there any more, which is why the next look-up missed. <see langword="null"/> if it is there, was never
    /// there, or left so long ago that others have taken its place in the record, which keeps some thousand departures.
    /// </summary>
    public CacheEntryEndReason? LeftMemoryBecause { get; init; }

    /// <summary>How long ago that was, to the second.</summary>
    public TimeSpan? LeftMemoryAgo { get; init; }

    /// <summary>
    /// How long ago, to the second, memory did not take in what it was last given under the key, because that is heavier than all it holds, or was not worth
    /// what it would have displaced. <see langword="null"/> if memory has the key, if something else came after, or if it was so long ago that it is not known any more.
    /// </summary>
    public TimeSpan? RefusedByMemoryAgo { get; init; }

    /// <summary>
    /// How long a factory for the key is not called again, because one has just failed and a value past its time stands in:
    /// <see cref="CacheEntryOptions.RetryAfterFailure"/>. <see langword="null"/> if it may be called.
    /// </summary>
    public TimeSpan? RetryIn { get; init; }

    /// <summary>
    /// The tags of the entry, and how long ago each was last removed or expired in this process or by a message of another node;
    /// <see langword="null"/> if it was not, as far as is recorded.
    /// </summary>
    public required IReadOnlyDictionary<string, TimeSpan?> Tags { get; init; }

    /// <summary>A few lines to read. Never the value.</summary>
    public override string ToString()
    {
        // While its factory is not called, whoever would call it is given what is past its time.
        var standsIn = RetryIn is not null && Tiers.Any(static tier => tier.Finding is CacheTierFinding.Stale);
        var lines = new List<string> { IsHit ? "hit" : IsBeingCreated ? "miss, being created" : standsIn ? "miss, but a value past its time stands in" : "miss" };
        lines.AddRange(Tiers.Select(static tier => $"  {tier}"));
        if (LeftMemoryBecause is { } reason)
        {
            lines.Add($"  left memory {LeftMemoryAgo} ago: {reason}");
        }

        if (RefusedByMemoryAgo is { } refused)
        {
            lines.Add($"  refused by memory {refused} ago: too heavy, or not worth what it would have displaced");
        }

        if (RetryIn is { } pause)
        {
            lines.Add($"  its factory has failed and is tried again in {CacheTierExplanation.Readable(pause)}");
        }

        // What is a hit was made after whatever was removed.
        var isOlder = IsHit ? ", before the entry was made" : null;
        lines.AddRange(Tags.Select(tag => tag.Value is { } ago
            ? $"  tag '{tag.Key}', last removed or expired {CacheTierExplanation.Readable(ago)} ago{isOlder}" : $"  tag '{tag.Key}'"));
        return string.Join(Environment.NewLine, lines);
    }
}
