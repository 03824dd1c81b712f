namespace CacheKit.Memory;

/// <summary>What an <see cref="EntryTable{TRules}"/> goes by, fixed by type so that the compiler folds it away.</summary>
/// <remarks>There is one set of rules, <see cref="TableRules"/>. Tests make others: hashes that clash, and the mistakes their stress must notice.</remarks>
internal interface ITableRules
{
    static abstract uint Hash(string key);

    /// <summary>How many entries of a chain a newcomer may have to pass before the hash is taken for broken.</summary>
    /// <remarks>With a random hash, and no more entries than buckets, 32 are passed once in about 10³⁶ insertions.</remarks>
    static virtual int LongestWalk => 32;

    static virtual bool ValidatesMisses => true;

    static virtual bool ReplacesInPlace => true;

    static virtual bool MindsSharedTags => true;
}

/// <summary>The rules of the memory tier.</summary>
internal readonly struct TableRules : ITableRules
{
    public static uint Hash(string key) => KeyHash.Of(key);
}
