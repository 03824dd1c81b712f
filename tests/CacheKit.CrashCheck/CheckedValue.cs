using System.Buffers.Binary;

namespace CacheKit.CrashCheck;

/// <summary>The bytes of a value: whose it is, when it was made, and a pattern that follows from that to its last byte.</summary>
internal readonly record struct CheckedValue(int Key, bool IsLoaded, long Origin, int Length)
{
    internal const int HeaderBytes = 32;

    /// <summary>Writes it.</summary>
    internal byte[] ToBytes()
    {
        var bytes = new byte[Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, Key);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), IsLoaded ? 1 : 0);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), Origin);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), Length);
        Span<byte> word = stackalloc byte[8];
        for (var at = HeaderBytes; at < Length; at += 8)
        {
            BinaryPrimitives.WriteInt64LittleEndian(word, Pattern(at));
            word[..Math.Min(8, Length - at)].CopyTo(bytes.AsSpan(at));
        }

        return bytes;
    }

    /// <summary>Reads it; <see langword="null"/> if any byte is not as it was written.</summary>
    internal static CheckedValue? Read(ReadOnlySpan<byte> bytes, int key)
    {
        if (bytes.Length < HeaderBytes)
        {
            return null;
        }

        var value = new CheckedValue(
            BinaryPrimitives.ReadInt32LittleEndian(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) == 1,
            BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]));
        if (value.Key != key || value.Length != bytes.Length)
        {
            return null;
        }

        return bytes.SequenceEqual(value.ToBytes()) ? value : null;
    }

    private long Pattern(int at) => unchecked((Origin + 1) * (long)0x9E37_79B9_7F4A_7C15 ^ (at * 0x1234_5678_9ABCL) ^ Key);
}
