using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>Stands for the shape of a type in 64 bits: the names and types of what is written of it, and so on within those.</summary>
/// <remarks>
/// Taken from what JSON knows of the type, so that it is the same with and without reflection, and says what is in fact written. Of a
/// collection only the elements count: where it is written, a list is as good as an array. Of an enum the names with their numbers count.
/// </remarks>
internal static class SchemaFingerprint
{
    /// <summary>Of a type whose members are somebody else's business.</summary>
    internal static ulong OfType(Type type)
    {
        var shape = new StringBuilder();
        AppendName(shape, type);
        return Sum(shape);
    }

    /// <summary>Of a type with all that JSON writes of it.</summary>
    internal static ulong OfJson(JsonTypeInfo typeInfo)
    {
        var shape = new StringBuilder();
        Append(shape, typeInfo, []);
        return Sum(shape);
    }

    private static void Append(StringBuilder shape, JsonTypeInfo typeInfo, Dictionary<Type, int> met)
    {
        var type = typeInfo.Type;
        switch (typeInfo.Kind)
        {
            case JsonTypeInfoKind.Enumerable:
                AppendSchemaNumber(shape.Append('['), type);
                AppendMember(shape, typeInfo, typeInfo.ElementType, met);
                shape.Append(']');
                return;
            case JsonTypeInfoKind.Dictionary:
                AppendSchemaNumber(shape.Append('{'), type);
                AppendMember(shape, typeInfo, typeInfo.KeyType, met);
                AppendMember(shape.Append(':'), typeInfo, typeInfo.ElementType, met);
                shape.Append('}');
                return;
            case JsonTypeInfoKind.None:
                AppendName(shape, Nullable.GetUnderlyingType(type) ?? type);
                return;
        }

        if (!met.TryAdd(type, met.Count))
        {
            shape.Append('#').Append(met[type]);
            return;
        }

        AppendName(shape, type);
        shape.Append('(');
        foreach (var property in typeInfo.Properties.OrderBy(property => property.Name, StringComparer.Ordinal))
        {
            if (property.Get is not null || property.Set is not null)
            {
                shape.Append(property.Name).Append(' ');
                AppendMember(shape, typeInfo, property.PropertyType, met);
                shape.Append(';');
            }
        }

        foreach (var derived in typeInfo.PolymorphismOptions?.DerivedTypes ?? [])
        {
            shape.Append('|').Append(CultureInfo.InvariantCulture, $"{derived.TypeDiscriminator}").Append(' ');
            if (derived.DerivedType != type)
            {
                AppendMember(shape, typeInfo, derived.DerivedType, met);
            }
        }

        shape.Append(')');
    }

    private static void AppendMember(StringBuilder shape, JsonTypeInfo owner, Type? type, Dictionary<Type, int> met)
    {
        if (type is null)
        {
            return;
        }

        JsonTypeInfo? typeInfo;
        try
        {
            owner.Options.TryGetTypeInfo(type, out typeInfo);
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException)
        {
            typeInfo = null; // of a member that cannot be written either
        }

        if (typeInfo is not null)
        {
            Append(shape, typeInfo, met);
        }
        else
        {
            AppendName(shape, type);
        }
    }

    private static void AppendName(StringBuilder shape, Type type)
    {
        shape.Append(TypeNames.Of(type));
        AppendSchemaNumber(shape, type);
        if ((Nullable.GetUnderlyingType(type) ?? type) is { IsEnum: true } enumType)
        {
            var names = Enum.GetNames(enumType);
            var numbers = Enum.GetValuesAsUnderlyingType(enumType);
            for (var i = 0; i < names.Length; i++)
            {
                shape.Append(i == 0 ? '=' : ',').Append(names[i]).Append(CultureInfo.InvariantCulture, $" {numbers.GetValue(i)}");
            }
        }
    }

    private static void AppendSchemaNumber(StringBuilder shape, Type type)
    {
        if (type.GetCustomAttribute<CacheSchemaAttribute>(inherit: false) is { Version: not 0 } schema)
        {
            shape.Append('!').Append(schema.Version);
        }
    }

    private static ulong Sum(StringBuilder shape)
    {
        var bytes = Encoding.UTF8.GetBytes(shape.Append(' ', Checksum.MinimumLength).ToString());
        return Checksum.Of(bytes, seed: 0);
    }
}
