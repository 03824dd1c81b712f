namespace CacheKit.Stores;

/// <summary>What is to be expected of trying again.</summary>
public enum StoreFailure
{
    /// <summary>The store cannot be reached or does not answer. Counts towards opening its circuit.</summary>
    Unavailable,

    /// <summary>It answered that it cannot just now: loading, failing over. Later it can. Counts towards opening its circuit.</summary>
    Transient,

    /// <summary>It answered that it will not: wrong credentials, a key of another kind. Does not open the circuit.</summary>
    Permanent,

    /// <summary>
    /// It answered that it takes no changes for now, being full, say, and can be read all the same. Later it can be told. Does not open the circuit, which would end the reads as well.
    /// </summary>
    WritesRefused,
}

/// <summary>A store could not do what it was asked. The cache goes on without it and does not let the exception through to its callers.</summary>
public sealed class CacheStoreException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What happened, for an operator. Without values; keys and tags only where they are the cause.</param>
    /// <param name="failure">What is to be expected of trying again.</param>
    /// <param name="innerException">The real error.</param>
    public CacheStoreException(string message, StoreFailure failure = StoreFailure.Unavailable, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>What is to be expected of trying again.</summary>
    public StoreFailure Failure { get; }
}
