namespace CacheKit;

/// <summary>A value cannot be written for a store. Thrown to whoever stores it; what was stored before is left as it was.</summary>
/// <remarks>The message names the type, the member if it is known, the reason and what to do, and never the value; that of the inner exception, which a serializer has thrown, may.</remarks>
public sealed class CacheSerializationException : InvalidOperationException
{
    internal CacheSerializationException(Type valueType, string message, Exception? innerException)
        : base(message, innerException) => ValueType = valueType;

    /// <summary>The type of the value.</summary>
    public Type ValueType { get; }
}
