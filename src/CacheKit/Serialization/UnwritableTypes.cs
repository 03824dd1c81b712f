using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace CacheKit.Serialization;

/// <summary>Types that JSON writes without complaint, and that are something else afterwards.</summary>
internal static class UnwritableTypes
{
    /// <summary>Why values of a type cannot be written; <see langword="null"/> if there is nothing against it.</summary>
    internal static string? ReasonAgainst(Type type) =>
        typeof(Stream).IsAssignableFrom(type) ? "A stream cannot be written as JSON. Store what it holds, as an array of bytes, or with SetStreamAsync."
        : typeof(Task).IsAssignableFrom(type) || type == typeof(ValueTask) || IsMadeFrom(type, typeof(ValueTask<>)) ? "A task is not its result. Await it, and store that."
        : null;

    /// <summary>Why values of a type cannot be written that have more than one element; <see langword="null"/> if there is nothing against it.</summary>
    internal static string? ReasonAgainstSeveral(Type type) =>
        IsStack(type) ? $"A {type} comes back from JSON in reverse order. Use a list." : null;

    private static bool IsStack(Type type) =>
        type == typeof(Stack) || IsMadeFrom(type, typeof(Stack<>)) || IsMadeFrom(type, typeof(ConcurrentStack<>)) || IsMadeFrom(type, typeof(ImmutableStack<>))
        || IsMadeFrom(type, typeof(IImmutableStack<>));

    private static bool IsMadeFrom(Type? type, Type definition)
    {
        for (; type is not null; type = type.BaseType)
        {
            if (type.IsGenericType && type.GetGenericTypeDefinition() == definition)
            {
                return true;
            }
        }

        return false;
    }
}
