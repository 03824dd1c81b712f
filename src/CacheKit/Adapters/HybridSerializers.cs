using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using CacheKit.Serialization;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Adapters;

/// <summary>The serializers that an application has registered for <see cref="HybridCache"/>.</summary>
/// <remarks>
/// Those registered under the cache's name win over those without a key, a serializer for the type over the factories, and of these the one
/// registered last that has one. Where none has, JSON is written with the options registered for the type, or for all types, if there are any.
/// </remarks>
internal sealed class HybridSerializers(IServiceProvider services, string cacheName) : ISerializerSource
{
    private const int LongestTypeName = 200;

    // With null for types that have none.
    private readonly ConcurrentDictionary<Type, object?> _found = new();
    private readonly Lazy<IHybridCacheSerializerFactory[]> _factories = new(() =>
    [
        .. services.GetKeyedServices<IHybridCacheSerializerFactory>(cacheName).Reverse(),
        .. services.GetServices<IHybridCacheSerializerFactory>().Reverse(),
    ]);

    public FoundSerializer<T>? Find<T>()
    {
        if (!_found.TryGetValue(typeof(T), out var found))
        {
            found = _found.GetOrAdd(typeof(T), static (_, source) => source.Create<T>(), this);
        }

        return (FoundSerializer<T>?)found;
    }

    private FoundSerializer<T>? Create<T>()
    {
        var serializer = services.GetKeyedService<IHybridCacheSerializer<T>>(cacheName) ?? services.GetService<IHybridCacheSerializer<T>>();
        foreach (var factory in serializer is null ? _factories.Value : [])
        {
            if (factory.TryCreateSerializer(out serializer))
            {
                break;
            }
        }

        return serializer is null
            ? CreateJson<T>()
            : new(NameOf(serializer.GetType()), serializer.Serialize, bytes => serializer.Deserialize(new ReadOnlySequence<byte>(bytes)));
    }

    /// <summary>As applications set JSON for this interface: options whose key is the type of the serializers that they are for.</summary>
    private FoundSerializer<T>? CreateJson<T>()
    {
        var given = services.GetKeyedService<JsonSerializerOptions>(typeof(IHybridCacheSerializer<T>));
        if (given is null && !HasFormOfItsOwn(typeof(T)))
        {
            given = services.GetKeyedService<JsonSerializerOptions>(typeof(IHybridCacheSerializer<>));
        }

        if (given is null)
        {
            return null;
        }

        var options = new JsonSerializerOptions(given) { IncludeFields = true }; // as always here: a tuple without them is lost
        options.TypeInfoResolver ??= JsonContract.DefaultResolver();
        return options.TryGetTypeInfo(typeof(T), out var info) && info is JsonTypeInfo<T> typed
            ? new($"hybrid:json:{SchemaFingerprint.OfJson(typed):x16}", (value, target) => WriteJson(value, target, typed), bytes => JsonSerializer.Deserialize(bytes.Span, typed)!) // null, if that was written
            : null;

        static void WriteJson(T value, IBufferWriter<byte> target, JsonTypeInfo<T> typed)
        {
            using var writer = new Utf8JsonWriter(target);
            JsonSerializer.Serialize(writer, value, typed);
        }

        // Options for all types are about the shape of objects.
        static bool HasFormOfItsOwn(Type type) => type == typeof(string) || type == typeof(byte[]);
    }

    /// <summary>The format is known by the serializer's type: bytes that another one wrote are a miss.</summary>
    private static string NameOf(Type type)
    {
        var name = type.ToString();
        return name.Length <= LongestTypeName && Ascii.IsValid(name)
            ? $"hybrid:{name}"
            : $"hybrid:{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name)))}";
    }
}
