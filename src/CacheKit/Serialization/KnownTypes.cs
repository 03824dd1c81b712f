using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>The types that one cache has to do with, and how their values are written.</summary>
/// <remarks>
/// Known are the base library's plain types, those the options name, those that were written or asked for, and such as turned out to be what
/// somebody asked for. Per cache, so that nothing holds the types of an unloadable assembly for ever.
/// </remarks>
internal sealed class KnownTypes
{
    private readonly ConcurrentDictionary<Type, TypeCodec> _byType = new();
    private readonly ConcurrentDictionary<string, TypeCodec> _byName = new(StringComparer.Ordinal);
    private readonly ICacheSerializer? _serializer;
    private readonly Lazy<JsonSerializerOptions> _json;
    private readonly Lazy<JsonWriters> _writers;

    internal KnownTypes(SerializationOptions options)
    {
        _serializer = options.Serializer;

        // Copied at once, as everything is, but looked into only if a value ever needs it.
        var given = options.JsonSerializerOptions is { } json ? new JsonSerializerOptions(json) : null;
        _json = new(() => JsonContract.CreateOptions(given, new NamedObjectConverter(this)));
        _writers = new(() => new(_json.Value));
        foreach (var registration in options.Types.Values)
        {
            registration.AddTo(this);
        }

        RawFormats.AddTo(this);
    }

    /// <summary>Whether the user's serializer writes whatever has none of its own.</summary>
    internal bool HasSerializer => _serializer is not null;

    /// <summary>What JSON calls the types of values that are declared as <see cref="object"/>.</summary>
    internal ConcurrentDictionary<Type, string> JsonNames { get; } = new();

    /// <summary>Adds a type, with the format that the options give it, if any.</summary>
    internal void Add<T>(ValueFormat<T>? format)
    {
        var codec = new TypeCodec<T>(this, format);
        if (_byType.TryAdd(typeof(T), codec))
        {
            _byName.TryAdd(codec.Name, codec);
        }
    }

    /// <summary>The codec of a type, which is known from now on.</summary>
    internal TypeCodec<T> For<T>()
    {
        if (_byType.TryGetValue(typeof(T), out var codec) && codec is TypeCodec<T> typed)
        {
            return typed;
        }

        // In place of one that knew the type at run time only, if there was one.
        typed = new(this, null);
        codec = _byType.AddOrUpdate(typeof(T), typed, (_, there) => there as TypeCodec<T> ?? typed);
        _byName[codec.Name] = codec;
        return (TypeCodec<T>)codec;
    }

    /// <summary>The codec of a type that is only known at run time.</summary>
    internal TypeCodec OfRuntimeType(Type type)
    {
        if (!_byType.TryGetValue(type, out var codec))
        {
            codec = _byType.GetOrAdd(type, new RuntimeTypeCodec(this, type));
            _byName.TryAdd(codec.Name, codec);
        }

        return codec;
    }

    /// <summary>A known type by its name.</summary>
    internal TypeCodec? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>How values of a type are written that the options do not name.</summary>
    internal ValueFormat<T> CreateFormat<T>() =>
        _serializer is { } serializer ? new CustomFormat<T>(serializer)
        : RawFormats.For<T>() ?? (ValueFormat<T>)new JsonFormat<T>(_json.Value.GetTypeInfo(typeof(T)), _writers.Value);

    /// <summary>The same for a type that is only known at run time.</summary>
    internal ValueFormat<object> CreateFormat(Type type) =>
        type.IsEnum ? new EnumFormat<object>(type) : new JsonFormat<object>(_json.Value.GetTypeInfo(type), _writers.Value);

    /// <summary>Whether JSON writes a value of the one type, stored as the other, with a mark of what it is.</summary>
    internal bool IsPolymorphic(Type declared, Type own) =>
        TryGetTypeInfo(declared) is { PolymorphismOptions: { } options } && options.DerivedTypes.Any(derived => derived.DerivedType == own);

    /// <summary>Whether values of a type can be made from what is written of them, as far as one can tell without a value.</summary>
    internal bool CanRead(TypeCodec codec)
    {
        if (RawFormats.Has(codec.Type))
        {
            return true;
        }

        if (TryGetTypeInfo(codec.Type) is not { } typeInfo)
        {
            return false;
        }

        try
        {
            return typeInfo.Kind switch
            {
                JsonTypeInfoKind.Object => !typeInfo.Type.IsAbstract || typeInfo.PolymorphismOptions is not null,

                // Many collections can be written, and only some be read; JSON itself knows best.
                JsonTypeInfoKind.Enumerable => JsonSerializer.Deserialize("[]"u8, typeInfo) is not null,
                JsonTypeInfoKind.Dictionary => JsonSerializer.Deserialize("{}"u8, typeInfo) is not null,
                _ => true,
            };
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException or JsonException)
        {
            return false;
        }
    }

    private JsonTypeInfo? TryGetTypeInfo(Type type)
    {
        try
        {
            return _json.Value.TryGetTypeInfo(type, out var typeInfo) ? typeInfo : null;
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException)
        {
            return null;
        }
    }
}
