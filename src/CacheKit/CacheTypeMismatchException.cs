namespace CacheKit;

/// <summary>A key was read as another type than its value was stored as.</summary>
public sealed class CacheTypeMismatchException : InvalidOperationException
{
    /// <summary>Names the two types. The message names neither key nor value: both may be confidential.</summary>
    /// <param name="requestedType">The type asked for.</param>
    /// <param name="storedType">The type that is stored.</param>
    public CacheTypeMismatchException(Type requestedType, Type storedType)
        : this(requestedType, storedType?.ToString() ?? string.Empty) => StoredType = storedType;

    /// <summary>The same for a type that is known by its name alone: another process has stored the value.</summary>
    /// <param name="requestedType">The type asked for.</param>
    /// <param name="storedTypeName">The name of the type that is stored.</param>
    public CacheTypeMismatchException(Type requestedType, string storedTypeName)
        : base($"The cache holds a value of type '{storedTypeName}' under this key, but it was asked for as '{requestedType}'. "
            + "Use one type per key, or set CacheKitOptions.TypeMismatch to Miss to treat this as a miss.")
    {
        RequestedType = requestedType;
        StoredTypeName = storedTypeName;
    }

    /// <summary>The type asked for.</summary>
    public Type RequestedType { get; }

    /// <summary>The type that is stored; <see langword="null"/> if this process has not used it.</summary>
    public Type? StoredType { get; }

    /// <summary>The name of the type that is stored.</summary>
    public string StoredTypeName { get; }
}
