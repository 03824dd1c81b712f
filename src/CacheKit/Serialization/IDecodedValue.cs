namespace CacheKit.Serialization;

/// <summary>Is given a value as the type it was stored as.</summary>
internal interface IDecodedValue
{
    /// <summary>Takes the value, of which nobody else has any part.</summary>
    /// <typeparam name="TStored">The type it was stored as; if that is not known here, the type asked for.</typeparam>
    void Accept<TStored>(TStored value);
}
