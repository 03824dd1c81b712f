namespace CacheKit.Memory;

/// <summary>
/// An entry of the memory tier: at once the node of the table's chain and of the policy's queue, so that a hit
/// touches one object.
/// </summary>
/// <remarks>
/// <para>Never pooled or reused: readers may still hold one that has left. All that changes after the entry is published is
/// marked with who may write it.</para>
/// <para>There are many of them, so each field counts. What most entries do not have is in <see cref="EntryDetails"/>, and
/// even the reference to that only in classes of its own.</para>
/// </remarks>
internal abstract class MemoryEntry
{
    /// <summary>How long before its expiration an entry stops being served by the coarse clock alone, in ticks.</summary>
    /// <remarks>
    /// More than the coarse clock lags behind, so that expiration is exact without a precise clock on every hit, unless the whole process was held up for longer.
    /// </remarks>
    internal const long Margin = 2 * CacheClock.CoarseTicks;

    internal readonly string Key;

    /// <summary>While the coarse clock is before this instant, a hit needs no closer look. Written under the key's lock.</summary>
    internal long FreshUntil;

    /// <summary>No removal by tag or of everything, with a stamp up to this one, covers the entry. Raised by whoever has checked.</summary>
    internal long ValidThrough;

    // ---- the table's ----
    internal MemoryEntry? Next;

    /// <summary>The hash of the key; the policy goes by it as well, at every step of its hand. Who knows it may set it before the entry is put.</summary>
    internal uint Hash;

    // ---- the policy's, under its lock ----
    /// <summary>The place in its queue, by which any entry is taken out in O(1). Four bytes, where links would take sixteen.</summary>
    internal uint Slot;

    private uint _weight = 1;

    /// <summary>Which of the policy's queues the entry is in, 0 for none; and <see cref="EntryQueue.Mark"/>.</summary>
    internal byte Region;

    /// <summary>The policy's mark of recent use; written by readers without a lock, where losing a count is harmless.</summary>
    internal byte Frequency;

    /// <summary>Set by the one caller whose removal took the entry out of the table.</summary>
    internal volatile bool HasLeft;

    /// <summary>Whether it is of a class that can have details.</summary>
    private readonly bool _canHaveDetails;

    private protected MemoryEntry(string key, bool canHaveDetails)
    {
        Key = key;
        _canHaveDetails = canHaveDetails;
    }

    /// <summary>What most entries do not have: tags, sliding or stale time, tokens. Set before the entry is published.</summary>
    /// <exception cref="InvalidOperationException">It is set for an entry that was made without room for it.</exception>
    internal EntryDetails? Details
    {
        get => _canHaveDetails ? DetailsHeld : null;
        set
        {
            if (_canHaveDetails)
            {
                if (_weight == uint.MaxValue && value is not null)
                {
                    value.LargeWeight = Weight;
                }

                DetailsHeld = value;
            }
            else if (value is not null)
            {
                throw new InvalidOperationException("The entry was made without room for details.");
            }
        }
    }

    /// <summary>What it counts against the bound. Set before the entry is published.</summary>
    /// <remarks>One too heavy for four bytes has details, which hold it.</remarks>
    internal long Weight
    {
        get => _weight != uint.MaxValue ? _weight : Details!.LargeWeight; // set below
        set
        {
            if (IsLarge(value))
            {
                (Details ??= new()).LargeWeight = value;
            }

            _weight = (uint)Math.Min(value, uint.MaxValue);
        }
    }

    /// <summary>The instant from which the entry is absent, in the cache clock's ticks.</summary>
    internal long ExpiresAt
    {
        get => Details is { } details ? details.ExpiresAt
            : Volatile.Read(ref FreshUntil) is var fresh && fresh == long.MaxValue ? long.MaxValue : fresh + Margin;
    }

    /// <summary>The instant from which it may not even stand in as a stale value, and is let go.</summary>
    internal long DeadAt => Details is { StaleForTicks: > 0 and var staleFor } details
        ? CacheClock.Add(details.ExpiresAt, staleFor)
        : ExpiresAt;

    /// <summary>The type the value was stored as, which may be a base of the value's own.</summary>
    internal abstract Type ValueType { get; }

    /// <summary>What is stored, for observers and size estimates.</summary>
    internal abstract object? StoredValue { get; }

    /// <summary>Whether an entry of this weight must be made with room for details, whatever its options.</summary>
    internal static bool IsLarge(long weight) => weight >= uint.MaxValue;

    private protected virtual EntryDetails? DetailsHeld
    {
        get => null;
        set { }
    }
}

/// <summary>An entry whose value is handed out as it is.</summary>
internal class MemoryEntry<T> : MemoryEntry
{
    internal readonly T Value;

    internal MemoryEntry(string key, T value)
        : this(key, value, canHaveDetails: false)
    {
    }

    private protected MemoryEntry(string key, T value, bool canHaveDetails)
        : base(key, canHaveDetails) => Value = value;

    internal override Type ValueType => typeof(T);

    internal override object? StoredValue => Value;

    /// <summary>Whether an entry is one of these, told by one comparison if it has no details, by two if it has.</summary>
    internal static bool IsClassOf(MemoryEntry entry) => entry.GetType() == typeof(MemoryEntry<T>) || entry.GetType() == typeof(DetailedEntry<T>);
}

/// <summary>The same with room for details: eight bytes that the other does without.</summary>
internal sealed class DetailedEntry<T>(string key, T value) : MemoryEntry<T>(key, value, canHaveDetails: true)
{
    private protected override EntryDetails? DetailsHeld { get; set; }
}
