namespace CacheKit.Redis.Protocol;

/// <summary>A 64-bit hash that is the same in every process and version: it is part of what is kept in Redis.</summary>
/// <remarks>FNV-1a over whole UTF-16 code units, with the finalizer of MurmurHash3 so that all bits depend on all input.</remarks>
internal static class StableHash
{
    internal static ulong Of(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var unit in text)
        {
            hash = (hash ^ unit) * 1099511628211UL;
        }

        hash ^= hash >> 33;
        hash *= 0xFF51AFD7ED558CCDUL;
        hash ^= hash >> 33;
        hash *= 0xC4CEB9FE1A85EC53UL;
        return hash ^ (hash >> 33);
    }
}
