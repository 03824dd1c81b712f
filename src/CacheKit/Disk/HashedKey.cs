using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace CacheKit.Disk;

/// <summary>A key as bytes, with its hash. Lives in the stack of one call.</summary>
[SkipLocalsInit]
internal ref struct HashedKey
{
    /// <summary>How much of the stack a caller gives for the bytes of a key.</summary>
    internal const int StackBytes = 512;

    private byte[]? _rented;

    internal HashedKey(string key, Span<byte> stack, ulong seed)
    {
        var bytes = stack;
        if (Encoding.UTF8.GetMaxByteCount(key.Length) > stack.Length)
        {
            bytes = _rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(key.Length));
        }

        Bytes = bytes[..Encoding.UTF8.GetBytes(key, bytes)];
        Hash = Mix64.Of(Bytes, seed);
    }

    internal ReadOnlySpan<byte> Bytes { get; }

    internal ulong Hash { get; }

    /// <summary>Hashes tags.</summary>
    internal static void OfTags(IReadOnlyList<string>? tags, ulong seed, Span<ulong> hashes)
    {
        Span<byte> stack = stackalloc byte[StackBytes];
        for (var i = 0; i < hashes.Length; i++)
        {
            // Tags and keys may be the same text.
            using var tag = new HashedKey(tags![i], stack, ~seed); // as many as there are hashes
            hashes[i] = tag.Hash;
        }
    }

    public void Dispose()
    {
        if (_rented is { } rented)
        {
            _rented = null;
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
