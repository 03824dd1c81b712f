namespace CacheKit.Serialization;

/// <summary>The sum of a payload that comes part by part: that of each block depends on those before it.</summary>
internal static class StreamedSum
{
    /// <summary>All blocks but the last have so many bytes.</summary>
    internal const int BlockBytes = 64 << 10;

    /// <summary>Takes in the next block.</summary>
    /// <param name="sum">The sum of the blocks before; zero at first.</param>
    /// <param name="block">The block.</param>
    internal static ulong Add(ulong sum, ReadOnlySpan<byte> block)
    {
        if (block.Length >= Checksum.MinimumLength)
        {
            return Checksum.Of(block, sum);
        }

        // The header has the length, so zeros that were there and zeros that were not cannot be taken for each other.
        Span<byte> padded = stackalloc byte[Checksum.MinimumLength];
        padded.Clear();
        block.CopyTo(padded);
        return Checksum.Of(padded, sum);
    }

    /// <summary>Sums up a payload that is there as a whole.</summary>
    internal static ulong Of(ReadOnlySpan<byte> payload)
    {
        ulong sum = 0;
        for (; !payload.IsEmpty; payload = payload[Math.Min(payload.Length, BlockBytes)..])
        {
            sum = Add(sum, payload[..Math.Min(payload.Length, BlockBytes)]);
        }

        return sum;
    }
}
