using System.Buffers;
using System.Text.Json;
using CacheKit.Serialization;

namespace CacheKit;

/// <summary>How values are written for the stores of a cache. Without effect on a cache that has memory alone.</summary>
/// <remarks>
/// <para>Without further ado, numbers, texts, instants, enums, byte arrays and arrays of numbers are written as they are, all else as JSON, with
/// public fields. A value is written as its own type, also if it is stored as a base or an interface, and read back as such.</para>
/// <para>A serializer for a type wins over the one for all, which wins over that default.</para>
/// </remarks>
public sealed class SerializationOptions
{
    internal const int LeastMaximumDecompressedBytes = 1_024;

    /// <summary>
    /// How JSON is written and read. Set its <see cref="JsonSerializerOptions.TypeInfoResolver"/> to a source-generated context in
    /// applications that are trimmed or compiled ahead of time. Default: public properties and fields, by reflection.
    /// </summary>
    public JsonSerializerOptions? JsonSerializerOptions { get; set; }

    /// <summary>Whether payloads are compressed where the entry does not say, if they get smaller by it. Default: no.</summary>
    public bool Compress { get; set; }

    /// <summary>Payloads of fewer bytes are not compressed, whatever the entry says. Default: 1,024.</summary>
    /// <value>Zero or more.</value>
    public int CompressionThreshold { get; set; } = 1_024;

    /// <summary>A compressed payload that would come to more bytes is a miss, so that a few forged bytes cannot use up memory; nor is one made. Default: 256 MiB.</summary>
    /// <value>At least 1,024.</value>
    public int MaximumDecompressedBytes { get; set; } = 256 << 20;

    /// <summary>
    /// The keys to encrypt with. What is in a store unencrypted, or encrypted with a key that is not here, is a miss. Default: entries are not encrypted.
    /// </summary>
    public KeyRing? Encryption { get; set; }

    internal ICacheSerializer? Serializer { get; private set; }

    /// <summary>Whose serializers write values of types that have none here.</summary>
    internal ISerializerSource? Serializers { get; set; }

    internal Dictionary<Type, TypeRegistration> Types { get; } = [];

    /// <summary>Has a serializer write all values, but those of types that have one of their own.</summary>
    /// <param name="serializer">The serializer.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">Its name is not possible.</exception>
    public SerializationOptions Use(ICacheSerializer serializer)
    {
        CheckName(serializer);
        Serializer = serializer;
        return this;
    }

    /// <summary>Has a serializer write values that are stored as <typeparamref name="T"/>, or are of that very type.</summary>
    /// <param name="serializer">The serializer.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">Its name is not possible.</exception>
    public SerializationOptions UseFor<T>(ICacheSerializer serializer)
    {
        CheckName(serializer);
        Types[typeof(T)] = new TypeRegistration<T>(new CustomFormat<T>(serializer));
        return this;
    }

    /// <summary>Has two functions write and read values that are stored as <typeparamref name="T"/>, or are of that very type.</summary>
    /// <param name="name">See <see cref="ICacheSerializer.Name"/>.</param>
    /// <param name="serialize">See <see cref="ICacheSerializer.Serialize"/>.</param>
    /// <param name="deserialize">See <see cref="ICacheSerializer.Deserialize"/>.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The name is not possible.</exception>
    public SerializationOptions UseFor<T>(string name, Action<T, IBufferWriter<byte>> serialize, Func<ReadOnlyMemory<byte>, T> deserialize)
    {
        CustomFormat.CheckName(name, nameof(name));
        ArgumentNullException.ThrowIfNull(serialize);
        ArgumentNullException.ThrowIfNull(deserialize);
        Types[typeof(T)] = new TypeRegistration<T>(new CustomFormat<T>(name, serialize, deserialize));
        return this;
    }

    /// <summary>
    /// Makes a type known by its name, so that a value of it can be read as <see cref="object"/>, or in a member declared as that, before this process
    /// has stored one. Types are never loaded by a name that stands in a store.
    /// </summary>
    /// <returns>These options.</returns>
    public SerializationOptions Know<T>()
    {
        Types.TryAdd(typeof(T), new TypeRegistration<T>(null));
        return this;
    }

    private static void CheckName(ICacheSerializer serializer)
    {
        ArgumentNullException.ThrowIfNull(serializer);
        CustomFormat.CheckName(serializer.Name, nameof(serializer));
    }
}
