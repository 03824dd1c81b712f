namespace CacheKit.Engine;

/// <summary>What a store is asked to do: decides how long it may take and how it is counted.</summary>
internal enum StoreOperation
{
    Read,

    /// <summary>Looks whether the store answers. Not counted as a read.</summary>
    Probe,

    /// <summary>Lists keys. Not counted as a read.</summary>
    Enumerate,

    Write,
    Increment,
    SetExpiration,
    Invalidate,
    InvalidateTags,
    Clear,
    Lock,
    Publish,

    /// <summary>Takes part of an entry that is readable only once all of it is there.</summary>
    Stream,
}

internal static class StoreOperations
{
    /// <summary>Whether it only asks: it may take the time of a read, and nothing is lost if it fails.</summary>
    internal static bool IsRead(this StoreOperation operation) => operation <= StoreOperation.Enumerate;

    /// <summary>Its name in metrics: permanent, unlike that of the member.</summary>
    internal static string MetricName(this StoreOperation operation) => operation switch
    {
        StoreOperation.Read => "read",
        StoreOperation.Probe => "probe",
        StoreOperation.Enumerate => "enumerate",
        StoreOperation.Write => "write",
        StoreOperation.Increment => "increment",
        StoreOperation.SetExpiration => "set_expiration",
        StoreOperation.Invalidate => "invalidate",
        StoreOperation.InvalidateTags => "invalidate_tags",
        StoreOperation.Clear => "clear",
        StoreOperation.Lock => "lock",
        StoreOperation.Stream => "stream",
        _ => "publish",
    };
}
