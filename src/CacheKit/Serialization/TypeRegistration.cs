namespace CacheKit.Serialization;

/// <summary>A type that the options name, and the serializer for it, if there is one.</summary>
internal abstract class TypeRegistration
{
    /// <summary>Whether there is a serializer for it. Those come first: a type without may bring others with it.</summary>
    internal abstract bool HasFormat { get; }

    internal abstract void AddTo(KnownTypes types);
}

/// <inheritdoc cref="TypeRegistration"/>
internal sealed class TypeRegistration<T>(ValueFormat<T>? format) : TypeRegistration
{
    internal override bool HasFormat => format is not null;

    internal override void AddTo(KnownTypes types)
    {
        if (format is not null)
        {
            types.Add(format);
        }
        else
        {
            types.For<T>();
        }
    }
}
