using System.Buffers;
using System.Security.Cryptography;

namespace CacheKit.Samples;

/// <summary>What is worth remembering of a file, since it takes reading all of it.</summary>
internal sealed record FileDigest(string Sha256, long Bytes, long Lines, long Words)
{
    /// <summary>Reads a file once, whatever its size, in pieces of 64 KiB.</summary>
    public static async ValueTask<FileDigest> ComputeAsync(string path, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1, useAsync: true);
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            long bytes = 0, lines = 0, words = 0;
            var isInWord = false;
            int read;
            while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            {
                var piece = buffer.AsMemory(0, read);
                hash.AppendData(piece.Span);
                bytes += read;
                lines += piece.Span.Count((byte)'\n');
                words += CountWords(piece.Span, ref isInWord);
            }

            return new(Convert.ToHexStringLower(hash.GetHashAndReset()), bytes, lines, words);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static long CountWords(ReadOnlySpan<byte> piece, ref bool isInWord)
    {
        long words = 0;
        foreach (var value in piece)
        {
            var isSpace = value is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r');
            if (!isSpace && !isInWord)
            {
                words++;
            }

            isInWord = !isSpace;
        }

        return words;
    }
}
