namespace CacheKit.NodeCheck;

/// <summary>What a node does wrong on purpose.</summary>
public enum Mistake
{
    None,

    /// <summary>The stamp of a value is taken when it is stored, not before its factory ran.</summary>
    StampLate,

    /// <summary>The same, of those that are made many at a time.</summary>
    LoadManyLate,

    /// <summary>Of several values that are set at once the last one is not.</summary>
    SetManyButOne,

    /// <summary>Of several keys that are removed at once the last one is not.</summary>
    RemoveManyButOne,

    /// <summary>Who adds a value replaces what is there.</summary>
    AddOver,

    /// <summary>Now and then what is counted is counted twice, as if a call without an answer were repeated.</summary>
    CountTwice,

    /// <summary>Now and then what is counted is not.</summary>
    CountNothing,

    /// <summary>Everybody gets a lock.</summary>
    LockAlways,
}
