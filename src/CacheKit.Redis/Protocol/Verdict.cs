namespace CacheKit.Redis.Protocol;

/// <summary>What invalidations have left of an entry. A greater one outweighs a smaller one.</summary>
internal enum Verdict
{
    Live,
    Expired,
    Removed,
}
