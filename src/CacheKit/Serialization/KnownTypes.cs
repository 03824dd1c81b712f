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
    private readonly ISerializerSource? _serializers;
    private readonly Lazy<JsonSerializerOptions> _json;
    private readonly Lazy<JsonWriters> _writers;

    internal KnownTypes(SerializationOptions options)
    {
        _serializer = options.Serializer;
        _serializers = options.Serializers;

        // Copied at once, as everything is, but looked into only if a value ever needs it.
        var given = options.JsonSerializerOptions is { } json ? new JsonSerializerOptions(json) : null;
        _json = new(() => JsonContract.CreateOptions(given, new NamedObjectConverter(this)));
        _writers = new(() => new(_json.Value));
        foreach (var registration in options.Types.Values.OrderByDescending(registration => registration.HasFormat))
        {
            registration.AddTo(this);
        }
    }

    /// <summary>Whether the user's serializer writes whatever has none of its own.</summary>
    internal bool HasSerializer => _serializer is not null;

    /// <summary>What JSON calls the types of values that are declared as <see cref="object"/>.</summary>
    internal ConcurrentDictionary<Type, string> JsonNames { get; } = new();

    /// <summary>Adds a type, with the format that the options give it, if any.</summary>
    internal void Add<T>(ValueFormat<T>? format) => Add(new TypeCodec<T>(this, format));

    /// <summary>Adds a type whose values are written as they are, unless the options say otherwise.</summary>
    internal void AddRaw<T>(ValueFormat<T> format) => Add(new TypeCodec<T>(this, FindFormat<T>(), _serializer is null ? format : null));

    /// <summary>The codec of a type, which is known from now on.</summary>
    internal TypeCodec<T> For<T>() => _byType.TryGetValue(typeof(T), out var codec) && codec is TypeCodec<T> typed ? typed : AddFor<T>();

    private CustomFormat<T>? FindFormat<T>() =>
        _serializers?.Find<T>() is { } found ? new(found.Name, found.Serialize, found.Deserialize) : null;

    /// <summary>The codec of a type that is only known at run time.</summary>
    internal TypeCodec OfRuntimeType(Type type)
    {
        TypeCodec? codec;
        while (!_byType.TryGetValue(type, out codec))
        {
            if (!PlainTypes.TryAdd(type, this))
            {
                Add(new RuntimeTypeCodec(this, type));
            }
        }

        return codec;
    }

    /// <summary>A known type by its name.</summary>
    internal TypeCodec? Find(string name) =>
        _byName.TryGetValue(name, out var codec) || (PlainTypes.TryAdd(name, this) && _byName.TryGetValue(name, out codec)) ? codec : null;

    /// <summary>How values of a type are written that the options do not name.</summary>
    internal ValueFormat<T> CreateFormat<T>() =>
        _serializer is { } serializer ? new CustomFormat<T>(serializer)
        : (Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T)) is { IsEnum: true } enumType ? new EnumFormat<T>(enumType)
        : new JsonFormat<T>(_json.Value.GetTypeInfo(typeof(T)), _writers.Value);

    /// <summary>The same for a type that is only known at run time.</summary>
    internal ValueFormat<object> CreateFormat(Type type) =>
        type.IsEnum ? new EnumFormat<object>(type) : new JsonFormat<object>(_json.Value.GetTypeInfo(type), _writers.Value);

    /// <summary>Whether JSON writes a value of the one type, stored as the other, with a mark of what it is.</summary>
    internal bool IsPolymorphic(Type declared, Type own) =>
        TryGetTypeInfo(declared) is { PolymorphismOptions: { } options } && options.DerivedTypes.Any(derived => derived.DerivedType == own);

    /// <summary>Whether values of a type can be made from what is written of them, as far as one can tell without a value.</summary>
    internal bool CanRead(TypeCodec codec)
    {
        if (codec.Type.IsEnum || codec.IsRaw)
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

    private TypeCodec<T> AddFor<T>()
    {
        var found = FindFormat<T>();
        if (found is not null || !PlainTypes.TryAdd(typeof(T), this) || _byType[typeof(T)] is not TypeCodec<T> typed)
        {
            // In place of one that knew the type at run time only, if there is one.
            var added = new TypeCodec<T>(this, found);
            typed = (TypeCodec<T>)_byType.AddOrUpdate(typeof(T), added, (_, there) => there as TypeCodec<T> ?? added);
            _byName[typed.Name] = typed;
        }

        return typed;
    }

    private void Add(TypeCodec codec)
    {
        // The name in any case: who came first may not have come to it yet, and the type is known once this returns.
        codec = _byType.GetOrAdd(codec.Type, codec);
        _byName.TryAdd(codec.Name, codec);
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
