using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>The table by rules a test chooses.</summary>
internal sealed class TestedTable<TRules>(int expectedCount = 0) : EntryTable<TRules>(expectedCount)
    where TRules : struct, ITableRules;

/// <summary>The hash where the processor has no AES.</summary>
internal readonly struct PortableHash : ITableRules
{
    public static uint Hash(string key) => KeyHash.OfByMultiplying(key);
}

/// <summary>Keys that differ in ones and twos at the end have the same hash: clashes, but no long chains of them.</summary>
internal readonly struct ClashingHash : ITableRules
{
    public static uint Hash(string key) => KeyHash.Of(key.TrimEnd('1', '2'));
}

/// <summary>Every key has the same hash, and nobody minds.</summary>
internal readonly struct OneHash : ITableRules
{
    public static uint Hash(string key) => 7;

    public static int LongestWalk => int.MaxValue;
}

/// <summary>Good hashes, all of one segment.</summary>
internal readonly struct OneSegment : ITableRules
{
    public static uint Hash(string key) => KeyHash.Of(key) & ~63u;
}

/// <summary>An attack: every key has the same hash.</summary>
internal readonly struct BrokenHash : ITableRules
{
    public static uint Hash(string key) => 7;
}

/// <summary>An attack on some keys only: those that begin with an x have one hash.</summary>
internal readonly struct HalfBrokenHash : ITableRules
{
    public static uint Hash(string key) => key.StartsWith('x') ? 7 : KeyHash.Of(key);
}

/// <summary>Mistake: a miss is believed although the table grew meanwhile.</summary>
internal readonly struct BelievesMisses : ITableRules
{
    public static uint Hash(string key) => KeyHash.Of(key);

    public static bool ValidatesMisses => false;
}

/// <summary>Long chains, as in <see cref="ReplacesAtHead"/>, but without its mistake.</summary>
internal readonly struct FewHashes : ITableRules
{
    public static uint Hash(string key) => KeyHash.Of(key) & 7;

    public static int LongestWalk => int.MaxValue;
}

/// <summary>Long chains of good hashes, eight of them to a segment: all tags, and most of them shared.</summary>
internal readonly struct FewBuckets : ITableRules
{
    public static uint Hash(string key) => KeyHash.Of(key) & 0xFE00_0007;

    public static int LongestWalk => int.MaxValue;
}

/// <summary>Mistake: an entry that leaves takes its tag with it, although another in the bucket has the same.</summary>
internal readonly struct ForgetsSharedTags : ITableRules
{
    public static uint Hash(string key) => FewBuckets.Hash(key);

    public static int LongestWalk => int.MaxValue;

    public static bool MindsSharedTags => false;
}

/// <summary>Mistake: a replacement goes to the head of its chain and then the old entry leaves. Chains are long, so that readers are in the middle of one.</summary>
internal readonly struct ReplacesAtHead : ITableRules
{
    public static uint Hash(string key) => FewHashes.Hash(key);

    public static int LongestWalk => int.MaxValue;

    public static bool ReplacesInPlace => false;
}

/// <summary>An attack on a table in use: from each writer's thousandth new key on, all have the same hash.</summary>
internal readonly struct HashBrokenLate : ITableRules
{
    public static uint Hash(string key) => key.Length >= "new:0:1000".Length && key.StartsWith("new:", StringComparison.Ordinal) ? 7 : KeyHash.Of(key);
}
