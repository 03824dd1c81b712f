using System.Text.Json;
using CacheKit.Serialization;

namespace CacheKit;

/// <summary>
/// Which values are copied for every caller. A shared value is the very object that was stored: whoever changes it
/// changes it for all.
/// </summary>
/// <remarks>
/// Never copied, since nobody can change them: strings, numbers, enums and other primitives, value types and sealed
/// records made only of such, types marked <c>[ImmutableObject(true)]</c>, and those declared with
/// <see cref="Share{T}"/>. Copied, where isolation is on: by the function given with <see cref="CopyWith{T}"/>, arrays
/// of immutable elements by cloning, all else through JSON, which is taken once, when the value is stored. A value that
/// JSON would not bring back as it was is refused then, with an <see cref="InvalidOperationException"/> that says why. Read once, when the cache is created.
/// </remarks>
public sealed class IsolationOptions
{
    internal Dictionary<Type, bool> Types { get; } = [];

    internal Dictionary<Type, Func<object, object>> Copiers { get; } = [];

    /// <summary>Whose serializers copy values before JSON does.</summary>
    internal ISerializerSource? Serializers { get; set; }

    /// <summary>Whether a class is immutable only if it says so, by <c>[ImmutableObject(true)]</c>, and is sealed; else also by what it is made of.</summary>
    internal bool TrustsOnlySealedMarkedClasses { get; set; }

    /// <summary>Whether values of types not named below are isolated. Default: no.</summary>
    public bool IsolateAll { get; set; }

    /// <summary>
    /// How values are written to and read from JSON to copy them. Set its <see cref="JsonSerializerOptions.TypeInfoResolver"/>
    /// to a source-generated context in applications compiled ahead of time. Default: public properties and fields, by reflection.
    /// </summary>
    public JsonSerializerOptions? JsonSerializerOptions { get; set; }

    /// <summary>Gives every caller a copy of its own of values stored as <typeparamref name="T"/>.</summary>
    /// <typeparam name="T">The type; its own settings count before those of the type it is stored as.</typeparam>
    /// <returns>These options.</returns>
    public IsolationOptions Isolate<T>()
    {
        Types[typeof(T)] = true;
        return this;
    }

    /// <summary>Declares that values stored as <typeparamref name="T"/> are not changed by anyone, and may be shared, also where an entry asks for isolation.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <returns>These options.</returns>
    public IsolationOptions Share<T>()
    {
        Types[typeof(T)] = false;
        return this;
    }

    /// <summary>Isolates values stored as <typeparamref name="T"/>, copying them with <paramref name="copy"/>.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="copy">Makes an independent copy, not <see langword="null"/>. Called when a value is stored and for every caller who gets it, concurrently and under no lock.</param>
    /// <returns>These options.</returns>
    public IsolationOptions CopyWith<T>(Func<T, T> copy)
    {
        ArgumentNullException.ThrowIfNull(copy);
        Copiers[typeof(T)] = value => copy((T)value)
            ?? throw new InvalidOperationException($"The function given with {nameof(CopyWith)} to copy values of type {typeof(T)} returned null.");
        return Isolate<T>();
    }
}
