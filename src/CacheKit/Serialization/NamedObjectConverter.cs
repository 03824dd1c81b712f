using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CacheKit.Serialization;

/// <summary>Writes what is declared as <see cref="object"/> with the name of its type, since JSON alone brings a number back as a <see cref="JsonElement"/>.</summary>
/// <remarks>
/// In an array of two: the name, with the fingerprint of the type's shape if it has one, and the value. Read are only types that are known here: nothing is
/// ever loaded by a name that stands in a store.
/// </remarks>
internal sealed class NamedObjectConverter(KnownTypes types) : JsonConverter<object>
{
    private const char FingerprintMark = '\n'; // in no type's name

    public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray || !reader.Read() || reader.GetString() is not { } named)
        {
            throw new JsonException("What is declared as object is written as the name of its type and its value.");
        }

        var mark = named.IndexOf(FingerprintMark, StringComparison.Ordinal);
        var type = types.Find(mark < 0 ? named : named[..mark])?.Type
            ?? throw new JsonException($"A member declared as object holds a value of a type that is not known here. {nameof(SerializationOptions)}.{nameof(SerializationOptions.Know)} makes it known.");
        var typeInfo = options.GetTypeInfo(type);
        if (named != NameOf(type, typeInfo))
        {
            throw new JsonException($"The shape of {type} has changed.");
        }

        reader.Read();
        var value = JsonSerializer.Deserialize(ref reader, typeInfo);
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

        var typeInfo = options.GetTypeInfo(type);
        writer.WriteStartArray();
        writer.WriteStringValue(NameOf(type, typeInfo));
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

    private string NameOf(Type type, System.Text.Json.Serialization.Metadata.JsonTypeInfo typeInfo) => types.JsonNames.GetOrAdd(type, static (type, from) =>
    {
        var name = from.types.OfRuntimeType(type).Name;
        return TypeNames.IsBaseLibrary(type.Assembly.GetName().Name) && !type.IsGenericType && !type.IsArray
            ? name
            : string.Create(CultureInfo.InvariantCulture, $"{name}{FingerprintMark}{SchemaFingerprint.OfJson(from.typeInfo):x}");
    }, (types, typeInfo));
}
