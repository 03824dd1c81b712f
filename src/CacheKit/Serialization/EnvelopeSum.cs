using System.Buffers.Binary;
using Layout = CacheKit.Serialization.EnvelopeLayout;

namespace CacheKit.Serialization;

/// <summary>The two sums of an envelope: of its stamp, and of all else.</summary>
internal static class EnvelopeSum
{
    internal static ulong Of(ReadOnlySpan<byte> envelope) => Checksum.Of(envelope[Layout.Flags..], BinaryPrimitives.ReadUInt64LittleEndian(envelope));

    /// <summary>The sum of an envelope whose payload came part by part.</summary>
    /// <param name="header">All that comes before the payload.</param>
    /// <param name="payloadSum">The <see cref="StreamedSum"/> of that.</param>
    internal static ulong OfStreamed(ReadOnlySpan<byte> header, ulong payloadSum) =>
        Checksum.Of(header[Layout.Flags..], Checksum.Of(BinaryPrimitives.ReadUInt64LittleEndian(header), payloadSum));

    internal static ulong OfStamp(long stamp, ulong sum) => Checksum.Of((ulong)stamp, sum);

    internal static void WriteStamp(Span<byte> envelope, long stamp)
    {
        BinaryPrimitives.WriteInt64LittleEndian(envelope[Layout.Stamp..], stamp);
        BinaryPrimitives.WriteUInt64LittleEndian(envelope[Layout.StampSum..], OfStamp(stamp, BinaryPrimitives.ReadUInt64LittleEndian(envelope[Layout.Sum..])));
    }
}
