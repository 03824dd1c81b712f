using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using CacheKit.Memory;
using CacheKit.Serialization;

namespace CacheKit.Engine.Isolation;

/// <summary>Copies values of one type through JSON: written once, when the value is stored, and read for every caller.</summary>
/// <remarks>
/// The JSON never leaves the process, so that it may be of a form only this class reads. Each value is read back and
/// written again before it is stored: what JSON would lose is an error to the one who stores, where it can be mended,
/// not a surprise to those who read. What JSON never shows, such as private state and comparers, is beyond that check.
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
        if (!JsonContract.IsSame(json, JsonSerializer.SerializeToUtf8Bytes(copy, typeInfo))
            && JsonContract.IsSame(json, JsonSerializer.SerializeToUtf8Bytes(value, typeInfo)))
        {
            throw new InvalidOperationException("Its copy, read back from JSON, differs; often because a member can be read but not set.");
        }

        return json;
    }

    internal override object Copy(object captured) =>
        JsonSerializer.Deserialize((byte[])captured, typeInfo) ?? throw new InvalidOperationException("JSON makes null of it.");

    /// <summary>The options to copy with: the user's, or those that lose least, in either case with guards against silent loss.</summary>
    internal static JsonSerializerOptions CreateOptions(JsonSerializerOptions? given) => JsonContract.CreateOptions(given, new TypedObjectConverter());

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
