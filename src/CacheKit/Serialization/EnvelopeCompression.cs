using System.IO.Compression;

namespace CacheKit.Serialization;

/// <summary>Makes payloads smaller, with Brotli at the level that costs least.</summary>
internal static class EnvelopeCompression
{
    private const int Quality = 1;
    private const int WindowBits = 18;

    /// <summary>From this length on a sample tells first whether it is worth it.</summary>
    private const int SampleFrom = 32 << 10;

    private const int SampleLength = 4 << 10;

    /// <summary>Compresses.</summary>
    /// <returns><see langword="false"/> if it would not fit, which is then the case for being stored as it is.</returns>
    internal static bool TryCompress(ReadOnlySpan<byte> plain, Span<byte> target, out int written)
    {
        written = 0;
        return (plain.Length < SampleFrom || IsCompressible(plain.Slice((plain.Length - SampleLength) / 2, SampleLength)))
            && BrotliEncoder.TryCompress(plain, target, out written, Quality, WindowBits);
    }

    internal static bool TryDecompress(ReadOnlySpan<byte> compressed, Span<byte> plain) =>
        BrotliDecoder.TryDecompress(compressed, plain, out var written) && written == plain.Length;

    /// <summary>Pictures, archives and what is encrypted already are not, and are often large.</summary>
    private static bool IsCompressible(ReadOnlySpan<byte> sample)
    {
        Span<byte> target = stackalloc byte[SampleLength - (SampleLength / 16)];
        return BrotliEncoder.TryCompress(sample, target, out _, Quality, WindowBits);
    }
}
