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
        var json = Write(value);
        var copy = ReadBack(json);
        if (copy.GetType() != value.GetType())
        {
            throw new JsonLossException($"It would come back from JSON as a {copy.GetType()}.");
        }

        // The third comparison is for what changes by itself, such as a property that tells an age.
        var again = Write(copy);
        if (!JsonContract.IsSame(json, again) && JsonContract.IsSame(json, Write(value)))
        {
            throw JsonDifference.Find(json, again, typeInfo);
        }

        return json;
    }

    internal override object Copy(object captured) =>
        JsonSerializer.Deserialize((byte[])captured, typeInfo) ?? throw new InvalidOperationException("JSON makes null of it.");

    private byte[] Write(object value)
    {
        try
        {
            return JsonSerializer.SerializeToUtf8Bytes(value, typeInfo);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw JsonFault.OfWriting(exception, typeInfo, writer: null);
        }
    }

    private object ReadBack(byte[] json)
    {
        try
        {
            return Copy(json);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw JsonFault.OfReadingBack(exception, typeInfo);
        }
    }

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
                throw new JsonLossException("It holds a bare object, of which a copy would be another one.");
            }

            writer.WriteStartArray();
            writer.WriteNumberValue(_numbers.GetOrAdd(type, NewNumber));
            var typeInfo = options.GetTypeInfo(type);
            try
            {
                JsonSerializer.Serialize(writer, value, typeInfo);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                throw JsonFault.OfWriting(exception, typeInfo, writer); // which knows the rest of the way
            }

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
