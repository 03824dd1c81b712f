namespace CacheKit.Engine;

/// <summary>Mistakes that tests have the engine make, to see that the checkers of the promises find them.</summary>
[Flags]
internal enum Faults
{
    None = 0,

    /// <summary>The stamp of a value is taken when it is stored, not before its factory ran.</summary>
    StampTakenLate = 1,

    /// <summary>Callers join a flight that is older than a removal, and its value is stored.</summary>
    JoinAfterRemoval = 2,

    /// <summary>That messages of other nodes may have been lost makes nothing suspect.</summary>
    TrustAfterLoss = 4,
}
