namespace CacheKit.Serialization;

/// <summary>Has the format of a type, or throws: some types have none.</summary>
internal interface IFormatSource<T>
{
    ValueFormat<T> TypedFormat { get; }
}
