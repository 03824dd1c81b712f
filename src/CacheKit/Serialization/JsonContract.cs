using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>The JSON that values are written in: of all that can be had, what loses least, with guards against losing it silently.</summary>
/// <remarks>
/// References are not preserved: <see cref="ReferenceHandler.Preserve"/> rules out arrays and constructors with parameters, which are more
/// common in cached values than cycles. Options with it can be given.
/// </remarks>
internal static class JsonContract
{
    /// <summary>The options to write and read with.</summary>
    /// <param name="given">The user's, if any; copied.</param>
    /// <param name="objectConverter">For what is declared as <see cref="object"/>, unless the user has a converter for that.</param>
    internal static JsonSerializerOptions CreateOptions(JsonSerializerOptions? given, JsonConverter<object> objectConverter)
    {
        var options = given is null
            ? new JsonSerializerOptions
            {
                PreferredObjectCreationHandling = JsonObjectCreationHandling.Populate, // for collections without a setter
            }
            : new JsonSerializerOptions(given);

        options.NumberHandling |= JsonNumberHandling.AllowNamedFloatingPointLiterals;

        // What goes to a store is not part of a web page: escaping all but ascii would only make it longer.
        options.Encoder = new StrictJsonEncoder(options.Encoder ?? JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
        options.IncludeFields = true; // the fields of tuples, too; a copy without them is no copy
        if (!options.Converters.Any(converter => converter.CanConvert(typeof(object))))
        {
            options.Converters.Add(objectConverter);
        }

        var resolver = options.TypeInfoResolver ?? DefaultResolver();
        resolver = resolver.WithAddedModifier(RefuseLossOfType).WithAddedModifier(RefuseWhatIsNotItself);
        options.TypeInfoResolver = given is null ? resolver.WithAddedModifier(PopulateOnlyWhatHasNoSetter) : resolver;
        options.MakeReadOnly();
        return options;
    }

    /// <summary>Whether two texts are the same value.</summary>
    internal static bool IsSame(ReadOnlySpan<byte> json, ReadOnlySpan<byte> other)
    {
        if (json.SequenceEqual(other))
        {
            return true;
        }

        // The order within a dictionary is not part of its value, and need not survive.
        using var document = JsonDocument.Parse(json.ToArray());
        using var otherDocument = JsonDocument.Parse(other.ToArray());
        return JsonElement.DeepEquals(document.RootElement, otherDocument.RootElement);
    }

    /// <summary>By reflection, or nothing, as the application has it.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the application has JSON by reflection on; trimmed ones have it off, and give a context.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the application has JSON by reflection on; native ones have it off, and give a context.")]
    internal static IJsonTypeInfoResolver DefaultResolver() =>
        JsonSerializer.IsReflectionEnabledByDefault ? new DefaultJsonTypeInfoResolver() : JsonTypeInfoResolver.Combine();

    /// <summary>A member holding a value of a type derived from its own would be written as its own, without a word.</summary>
    private static void RefuseLossOfType(JsonTypeInfo typeInfo)
    {
        // Not where there cannot be one: the callback costs every value of the type.
        if (typeInfo is { Kind: JsonTypeInfoKind.Object, PolymorphismOptions: null, Type.IsSealed: false })
        {
            var declared = typeInfo.Type;
            typeInfo.OnSerializing += value =>
            {
                if (value.GetType() != declared)
                {
                    throw new JsonLossException(
                        $"It holds a {value.GetType()} where {declared} is declared, and would come back as that. Name the one in a [JsonDerivedType] of the other.");
                }
            };
        }
    }

    private static void RefuseWhatIsNotItself(JsonTypeInfo typeInfo)
    {
        if (typeInfo.Kind == JsonTypeInfoKind.Object && UnwritableTypes.ReasonAgainst(typeInfo.Type) is { } reason)
        {
            typeInfo.OnSerializing = _ => throw new JsonLossException(reason);
        }
        else if (typeInfo.Kind == JsonTypeInfoKind.Enumerable && UnwritableTypes.ReasonAgainstSeveral(typeInfo.Type) is { } reasonAgainstSeveral)
        {
            typeInfo.OnSerializing += value =>
            {
                if (((IEnumerable)value).Cast<object?>().Skip(1).Any())
                {
                    throw new JsonLossException(reasonAgainstSeveral);
                }
            };
        }
    }

    /// <summary>What can be set is replaced: filling it would add to what the constructor put in.</summary>
    private static void PopulateOnlyWhatHasNoSetter(JsonTypeInfo typeInfo)
    {
        foreach (var property in typeInfo.Properties)
        {
            if (property.Set is not null)
            {
                property.ObjectCreationHandling ??= JsonObjectCreationHandling.Replace;
            }
        }
    }
}
