namespace CacheKit;

/// <summary>Which entries a removal by several tags covers.</summary>
public enum TagMatch
{
    /// <summary>Entries that carry at least one of the tags.</summary>
    Any,

    /// <summary>Entries that carry every one of the tags.</summary>
    All,
}
