using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Copies values of one type through JSON: written once, when the value is stored, and read for every caller.</summary>
/// <remarks>
/// The JSON never leaves the process, so that it may be of a form only this class reads. Each value is read back and
/// written again before it is stored: what JSON would lose is an error to the one who stores, where it can be mended,
/// not a surprise to those who read. What JSON never shows, such as private state and comparers, is beyond that check.
/// References are not preserved: <see cref="ReferenceHandler.Preserve"/> rules out arrays and constructors with
/// parameters, which are more common in cached values than cycles. Options with it can be given.
/// </remarks>
internal sealed class JsonCopier(JsonTypeInfo typeInfo) : ValueCopier
{
    internal override object Capture(object value)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(value, typeInfo);
        var copy = Copy(json);
        if (copy.GetType() != value.GetType())
        {
            throw new InvalidOperationException($"JSON makes a {copy.GetType()} of it.");
        }

        // The third comparison is for what changes by itself, such as a property that tells an age.
        if (!IsSame(json, JsonSerializer.SerializeToUtf8Bytes(copy, typeInfo))
            && IsSame(json, JsonSerializer.SerializeToUtf8Bytes(value, typeInfo)))
        {
            throw new InvalidOperationException("Its copy, read back from JSON, differs; often because a member can be read but not set.");
        }

        return json;
    }

    internal override object Copy(object captured) =>
        JsonSerializer.Deserialize((byte[])captured, typeInfo) ?? throw new InvalidOperationException("JSON makes null of it.");

    /// <summary>The options to copy with: the user's, or those that lose least, in either case with guards against silent loss.</summary>
    internal static JsonSerializerOptions CreateOptions(JsonSerializerOptions? given)
    {
        var options = given is null
            ? new JsonSerializerOptions
            {
                NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
                PreferredObjectCreationHandling = JsonObjectCreationHandling.Populate, // for collections without a setter
            }
            : new JsonSerializerOptions(given);

        options.IncludeFields = true; // the fields of tuples, too; a copy without them is no copy
        if (!options.Converters.Any(converter => converter.CanConvert(typeof(object))))
        {
            options.Converters.Add(new TypedObjectConverter());
        }

        var resolver = options.TypeInfoResolver ?? DefaultResolver();
        resolver = resolver.WithAddedModifier(RefuseLossOfType);
        options.TypeInfoResolver = given is null ? resolver.WithAddedModifier(PopulateOnlyWhatHasNoSetter) : resolver;
        options.MakeReadOnly();
        return options;
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the application has JSON by reflection on; trimmed ones have it off, and give a context.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the application has JSON by reflection on; native ones have it off, and give a context.")]
    private static IJsonTypeInfoResolver DefaultResolver() =>
        JsonSerializer.IsReflectionEnabledByDefault ? new DefaultJsonTypeInfoResolver() : JsonTypeInfoResolver.Combine();

    /// <summary>A member holding a value of a type derived from its own would be copied as its own, without a word.</summary>
    private static void RefuseLossOfType(JsonTypeInfo typeInfo)
    {
        if (typeInfo.Kind == JsonTypeInfoKind.Object && typeInfo.PolymorphismOptions is null)
        {
            var declared = typeInfo.Type;
            typeInfo.OnSerializing += value =>
            {
                if (value.GetType() != declared)
                {
                    throw new InvalidOperationException($"It holds a {value.GetType()} where {declared} is declared, without [JsonDerivedType].");
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

    private static bool IsSame(byte[] json, byte[] other)
    {
        if (json.AsSpan().SequenceEqual(other))
        {
            return true;
        }

        // The order within a dictionary is not part of its value, and need not survive.
        using var document = JsonDocument.Parse(json);
        using var otherDocument = JsonDocument.Parse(other);
        return JsonElement.DeepEquals(document.RootElement, otherDocument.RootElement);
    }

    /// <summary>Writes what is declared as <see cref="object"/> with its type, since JSON alone brings a number back as a <see cref="JsonElement"/>.</summary>
    /// <remarks>Types are told by numbers given out here, so that nothing in the JSON is ever resolved by name.</remarks>
    private sealed class TypedObjectConverter : JsonConverter<object>
    {
        private readonly ConcurrentDictionary<Type, int> _numbers = new();
        private readonly ConcurrentDictionary<int, Type> _types = new();
        private int _lastNumber;

        public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            reader.Read();
            var type = _types[reader.GetInt32()];
            reader.Read();
            var value = JsonSerializer.Deserialize(ref reader, options.GetTypeInfo(type));
            reader.Read();
            return value;
        }

        public override void Write(Utf8JsonWriter writer, object value, JsonSerializerOptions options)
        {
            var type = value.GetType();
            if (type == typeof(object))
            {
                throw new InvalidOperationException("It holds a bare object, of which a copy would be another one.");
            }

            writer.WriteStartArray();
            writer.WriteNumberValue(_numbers.GetOrAdd(type, NewNumber));
            JsonSerializer.Serialize(writer, value, options.GetTypeInfo(type));
            writer.WriteEndArray();
        }

        private int NewNumber(Type type)
        {
            // Two threads may give a type two numbers; both are good.
            var number = Interlocked.Increment(ref _lastNumber);
            _types[number] = type;
            return number;
        }
    }
}
