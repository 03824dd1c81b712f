using System.Buffers;

namespace CacheKit.Serialization;

/// <summary>Serializers that are looked for when a type is first met: they come from the services, and nobody has listed their types.</summary>
internal interface ISerializerSource
{
    /// <summary>The serializer of values stored as <typeparamref name="T"/>; <see langword="null"/> if there is none. The same every time.</summary>
    FoundSerializer<T>? Find<T>();
}

/// <summary>Somebody's serializer for one type.</summary>
/// <param name="Name">Names the format; see <see cref="ICacheSerializer.Name"/>.</param>
/// <param name="Serialize">Writes a value.</param>
/// <param name="Deserialize">Reads one.</param>
internal sealed record FoundSerializer<T>(string Name, Action<T, IBufferWriter<byte>> Serialize, Func<ReadOnlyMemory<byte>, T> Deserialize);
