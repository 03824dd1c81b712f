namespace CacheKit;

/// <summary>What becomes of a read that asks for another type than was stored.</summary>
public enum TypeMismatch
{
    /// <summary>It throws <see cref="CacheTypeMismatchException"/>: a key used for two types is a mistake in the program.</summary>
    Throw,

    /// <summary>It is a miss, and a get-or-create replaces the value.</summary>
    Miss,
}
