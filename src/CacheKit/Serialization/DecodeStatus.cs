namespace CacheKit.Serialization;

/// <summary>How reading the value of an envelope ended.</summary>
internal enum DecodeStatus
{
    /// <summary>There is a value, and the receiver has it.</summary>
    Decoded,

    /// <summary>
    /// The value was stored as a type that is not one asked for, and cannot be given without more: the caller's mistake. Of a type that converts,
    /// or that this process has used before, the value is decoded, and whether it is what was asked for is for the receiver to tell.
    /// </summary>
    TypeMismatch,

    /// <summary>It was asked for as object, and is of a type of the application's that this process has not been told of: a miss.</summary>
    UnknownType,

    /// <summary>The type, its shape, its number or its serializer is not what it was: a miss.</summary>
    SchemaChanged,

    /// <summary>Encrypted with a key that is not there, or not for this entry; or not encrypted although it should be: a miss.</summary>
    Undecryptable,

    /// <summary>The value is at another store: here a miss.</summary>
    Elsewhere,

    /// <summary>The serializer could not read what is there: a miss.</summary>
    Corrupt,
}
