namespace CacheKit.Serialization;

/// <summary>A type that the options name, and the serializer for it, if there is one.</summary>
internal abstract class TypeRegistration
{
    internal abstract void AddTo(KnownTypes types);
}

/// <inheritdoc cref="TypeRegistration"/>
internal sealed class TypeRegistration<T>(ValueFormat<T>? format) : TypeRegistration
{
    internal override void AddTo(KnownTypes types) => types.Add(format);
}
