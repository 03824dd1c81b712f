using System.Buffers;

namespace CacheKit;

/// <summary>Writes values to bytes and reads them back, for the stores of a cache. For a format of your own in place of JSON.</summary>
/// <remarks>
/// Registered with <see cref="SerializationOptions.Use"/> or <see cref="SerializationOptions.UseFor{T}(ICacheSerializer)"/>. Never asked for
/// <see langword="null"/>. Members are called concurrently, and under no lock.
/// </remarks>
public interface ICacheSerializer
{
    /// <summary>Names the format. Stored with every value: one written under another name is a miss. Give it a number, and raise that when the format changes.</summary>
    /// <value>Always the same, 1 to 255 bytes of UTF-8; such as <c>"messagepack-1"</c>.</value>
    string Name { get; }

    /// <summary>Writes a value.</summary>
    /// <typeparam name="T">The type it is stored as; the value may be of a derived one.</typeparam>
    /// <param name="value">The value.</param>
    /// <param name="target">Where to write. Not to be used after the call.</param>
    void Serialize<T>(T value, IBufferWriter<byte> target);

    /// <summary>Reads a value, of which nobody else has any part.</summary>
    /// <typeparam name="T">The type it was stored as.</typeparam>
    /// <param name="source">Exactly what was written. Not to be used after the call: the memory is somebody else's then.</param>
    /// <returns>The value. An exception counts as a miss.</returns>
    T Deserialize<T>(ReadOnlyMemory<byte> source);
}
