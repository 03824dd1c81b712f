using System.Diagnostics.CodeAnalysis;
using System.Reflection.Metadata;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace CacheKit.Serialization;

/// <summary>Finds the type of a stored value by its name, within what the type asked for allows.</summary>
/// <remarks>
/// A name in a store may have been put there by anybody, and to read a value runs code of its type. So only types of assemblies that are loaded
/// already are found, and only those that are, or are made of, what was asked for; never anything for <see cref="object"/>.
/// Nothing is found where JSON by reflection is off: such applications name their types in the options.
/// </remarks>
internal static class TypeFinder
{
    private static readonly TypeNameParseOptions _limits = new() { MaxNodes = 64 };

    /// <summary>Finds a type that can be given to who asks for another.</summary>
    internal static Type? Find(string name, Type asked, KnownTypes known)
    {
        if (asked == typeof(object))
        {
            return null;
        }

        foreach (var general in GeneralizationsOf(asked))
        {
            if (TypeNames.Of(general) == name)
            {
                return general;
            }
        }

        if (!JsonSerializer.IsReflectionEnabledByDefault || !TypeName.TryParse(name, out var parsed, _limits))
        {
            return null;
        }

        List<Type> mentioned = [];
        AddMentioned(asked, mentioned);
        return Resolve(parsed, asked.IsAssignableFrom, IsAllowedWithin);

        bool IsAllowedWithin(Type part) => known.Find(TypeNames.Of(part)) is not null || mentioned.Any(type => type.IsAssignableFrom(part));
    }

    /// <summary>Whether there is such a type at all in what is loaded.</summary>
    internal static bool Exists(string name) =>
        JsonSerializer.IsReflectionEnabledByDefault && TypeName.TryParse(name, out var parsed, _limits) && Resolve(parsed, static _ => true, static _ => true) is not null;

    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "An interface that was trimmed away is one nothing was stored as.")]
    private static IEnumerable<Type> GeneralizationsOf(Type asked)
    {
        for (var type = asked.BaseType; type is not null && type != typeof(object); type = type.BaseType)
        {
            yield return type;
        }

        foreach (var type in asked.GetInterfaces())
        {
            yield return type;
        }
    }

    private static void AddMentioned(Type type, List<Type> mentioned)
    {
        if (type != typeof(object) && !mentioned.Contains(type))
        {
            mentioned.Add(type);
            if (type.GetElementType() is { } element)
            {
                AddMentioned(element, mentioned);
            }

            foreach (var argument in type.GetGenericArguments())
            {
                AddMentioned(argument, mentioned);
            }
        }
    }

    [UnconditionalSuppressMessage("Trimming", "IL2055", Justification = "Only where JSON by reflection is on; what was trimmed away is not found, and is a miss.")]
    private static Type? Resolve(TypeName name, Func<Type, bool> isAllowed, Func<Type, bool> isAllowedWithin)
    {
        if (name.IsSimple)
        {
            return Load(name, isAllowed);
        }

        if (!RuntimeFeature.IsDynamicCodeSupported)
        {
            return null;
        }

        Type? made = null;
        if (name.IsSZArray)
        {
            made = Resolve(name.GetElementType(), isAllowedWithin, isAllowedWithin)?.MakeArrayType();
        }
        else if (name.IsConstructedGenericType && Load(name.GetGenericTypeDefinition(), static type => type.IsGenericTypeDefinition) is { } definition)
        {
            var arguments = name.GetGenericArguments();
            var types = new Type[arguments.Length];
            for (var i = 0; i < types.Length; i++)
            {
                if (Resolve(arguments[i], isAllowedWithin, isAllowedWithin) is not { } argument)
                {
                    return null;
                }

                types[i] = argument;
            }

            try
            {
                made = definition.MakeGenericType(types);
            }
            catch (ArgumentException)
            {
                return null; // another number of them, or a constraint that does not hold
            }
        }

        return made is not null && isAllowed(made) ? made : null;
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where JSON by reflection is on; what was trimmed away is not found, and is a miss.")]
    private static Type? Load(TypeName name, Func<Type, bool> isAllowed)
    {
        foreach (var assembly in AppDomain.CurrentDomain.GetAssemblies())
        {
            var simpleName = assembly.GetName().Name;
            if (name.AssemblyName is { } wanted ? wanted.Name == simpleName : TypeNames.IsBaseLibrary(simpleName))
            {
                try
                {
                    if (assembly.GetType(name.FullName, throwOnError: false) is { } type && isAllowed(type))
                    {
                        return type;
                    }
                }
                catch (Exception exception) when (exception is ArgumentException or IOException or BadImageFormatException or TypeLoadException)
                {
                    // It is not there, or not whole.
                }
            }
        }

        return null;
    }
}
