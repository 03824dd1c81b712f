namespace CacheKit.Stores;

/// <summary>When a write takes effect, and under which stamp.</summary>
public enum StoreConditionKind
{
    /// <summary>Always, under a stamp drawn now: a value somebody has set. Values made from before are refused from then on.</summary>
    Always,

    /// <summary>
    /// If nothing has overtaken the value: the key has no invalidation and no write (live or not) later than
    /// <see cref="StoreCondition.Stamp"/>, and no live entry of that very stamp. It is stored under that stamp, so that an
    /// invalidation of one of its tags since then covers it. What a factory has made.
    /// </summary>
    IfCurrent,

    /// <summary>If there is no live entry that has not expired, under a stamp drawn now. Exactly one of several concurrent ones succeeds.</summary>
    IfAbsent,

    /// <summary>
    /// If the live entry under the key has just the stamp <see cref="StoreCondition.Stamp"/> (expired on request since then or not). The new entry
    /// is covered by every invalidation of its tags after that stamp, and gets a stamp that differs. A counter's step.
    /// </summary>
    IfUnchanged,
}

/// <summary>When a write takes effect, and under which stamp.</summary>
/// <param name="Kind">The condition.</param>
/// <param name="Stamp">What it compares with; 0 for those that compare nothing.</param>
public readonly record struct StoreCondition(StoreConditionKind Kind, long Stamp)
{
    /// <summary>See <see cref="StoreConditionKind.Always"/>.</summary>
    public static StoreCondition Always => default;

    /// <summary>See <see cref="StoreConditionKind.IfAbsent"/>.</summary>
    public static StoreCondition IfAbsent => new(StoreConditionKind.IfAbsent, 0);

    /// <summary>See <see cref="StoreConditionKind.IfCurrent"/>.</summary>
    /// <param name="loadStamp">The <see cref="StoreLookup.LoadStamp"/> of the read before the value was made.</param>
    /// <returns>The condition.</returns>
    public static StoreCondition IfCurrent(long loadStamp) => new(StoreConditionKind.IfCurrent, loadStamp);

    /// <summary>See <see cref="StoreConditionKind.IfUnchanged"/>.</summary>
    /// <param name="stamp">The <see cref="StoreLookup.Stamp"/> of the entry the new one is made from.</param>
    /// <returns>The condition.</returns>
    public static StoreCondition IfUnchanged(long stamp) => new(StoreConditionKind.IfUnchanged, stamp);
}
