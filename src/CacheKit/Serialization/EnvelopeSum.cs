using System.Buffers.Binary;
using Layout = CacheKit.Serialization.EnvelopeLayout;

namespace CacheKit.Serialization;

/// <summary>The two sums of an envelope: of its stamp, and of all else.</summary>
internal static class EnvelopeSum
{
    internal static ulong Of(ReadOnlySpan<byte> envelope) => Checksum.Of(envelope[Layout.Flags..], BinaryPrimitives.ReadUInt64LittleEndian(envelope));

    internal static ulong OfStamp(long stamp, ulong sum) => Checksum.Of((ulong)stamp, sum);

    internal static void WriteStamp(Span<byte> envelope, long stamp)
    {
        BinaryPrimitives.WriteInt64LittleEndian(envelope[Layout.Stamp..], stamp);
        BinaryPrimitives.WriteUInt64LittleEndian(envelope[Layout.StampSum..], OfStamp(stamp, BinaryPrimitives.ReadUInt64LittleEndian(envelope[Layout.Sum..])));
    }
}
