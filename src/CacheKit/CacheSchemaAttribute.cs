namespace CacheKit;

/// <summary>Numbers what the values of a type mean: entries stored under another number are misses.</summary>
/// <remarks>
/// The names and types of a type's members are looked after without it. Raise the number when those stay and the meaning changes: cents
/// become euros, say. It counts wherever the type occurs within a stored value. For values of a serializer of your own it counts on the stored type itself.
/// </remarks>
/// <param name="version">The number; any other than before. A type without the attribute has 0.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Enum | AttributeTargets.Interface, Inherited = false)]
public sealed class CacheSchemaAttribute(int version) : Attribute
{
    /// <summary>The number.</summary>
    public int Version { get; } = version;
}
