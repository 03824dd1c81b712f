using System.Globalization;

namespace CacheKit;

/// <summary>What one tier has under a key.</summary>
public sealed class CacheTierExplanation
{
    /// <summary>The tier: <c>"memory"</c>, or what the store calls itself.</summary>
    public required string Name { get; init; }

    /// <summary>Whether there is an entry, and of what worth.</summary>
    public required CacheTierFinding Finding { get; init; }

    /// <summary>How long ago the entry was made, if the tier knows.</summary>
    public TimeSpan? Age { get; init; }

    /// <summary>How long it has still to live; zero or less if it has expired; <see cref="TimeSpan.MaxValue"/> if it never does.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>Its stamp at the last store, or for memory alone, how far it was compared with removals; see the documentation of stores.</summary>
    public long? Stamp { get; init; }

    /// <summary>The name of the type it was stored as.</summary>
    public string? TypeName { get; init; }

    /// <summary>The bytes it takes in a store.</summary>
    public long? Bytes { get; init; }

    /// <summary>
    /// Why what the tier has cannot be read here, if it cannot: it is damaged, encrypted with keys that are not there, written by another serializer, or of a type that has another shape by now. The last two are told of
    /// types that this process has stored or asked for.
    /// </summary>
    public string? UnreadableBecause { get; init; }

    /// <summary>Whether the entry, by the options it was stored with, was given to memory and to no store.</summary>
    public bool IsOfMemoryAlone { get; init; }

    /// <summary>
    /// Whether a value, a removal or an expiration of the key, or a removal of everything, is still to be sent to the tier, because it did not answer when that was
    /// made: <see cref="CacheStoreOptions.RecoveryQueueSize"/>. What the tier has under the key is not served until then.
    /// </summary>
    public bool IsChangePending { get; init; }

    /// <summary>One line to read. Never the value.</summary>
    public override string ToString()
    {
        var parts = new List<string> { $"{Name}: {Finding}" };
        if (Age is { } age)
        {
            parts.Add($"made {Readable(age)} ago");
        }

        if (TimeToLive is { } time)
        {
            parts.Add(
                time == TimeSpan.MaxValue ? "never expires"
                : time > TimeSpan.Zero ? $"expires in {Readable(time)}"
                : $"expired {Readable(-time)} ago");
        }

        Add("stamp", Stamp);
        Add("type", TypeName);
        Add("bytes", Bytes);
        if (UnreadableBecause is not null)
        {
            parts.Add(UnreadableBecause);
        }

        if (IsOfMemoryAlone)
        {
            parts.Add("stored in no other tier");
        }

        if (IsChangePending)
        {
            parts.Add("a change of the key is still to be sent");
        }

        return string.Join(", ", parts);

        void Add(string name, object? value)
        {
            if (value is not null)
            {
                parts.Add($"{name} {value}");
            }
        }
    }

    /// <summary>A length of time without the digits nobody reads: to the millisecond below a minute, else to the second.</summary>
    internal static string Readable(TimeSpan time)
    {
        return time < TimeSpan.FromMinutes(1)
            ? time.ToString(@"hh\:mm\:ss\.FFF", CultureInfo.InvariantCulture).TrimEnd('.')
            : new TimeSpan(time.Ticks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond).ToString("c", CultureInfo.InvariantCulture);
    }
}
