using System.Buffers;

namespace CacheKit.Tests.Adapters;

/// <summary>Bytes in several pieces, as a pipe or a pooled writer hands them over.</summary>
internal static class SplitSequence
{
    /// <summary>The bytes in pieces of a given size, each in the middle of a larger array; an empty piece comes first.</summary>
    internal static ReadOnlySequence<byte> Of(ReadOnlyMemory<byte> bytes, int pieceLength)
    {
        var first = new Piece(default, 0);
        var last = first;
        for (var from = 0; from < bytes.Length; from += pieceLength)
        {
            var piece = bytes.Slice(from, Math.Min(pieceLength, bytes.Length - from));
            byte[] padded = [0xAA, 0xAA, .. piece.Span, 0xAA];
            last = last.Append(padded.AsMemory(2, piece.Length));
        }

        return new(first, 0, last, last.Memory.Length);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        internal Piece(ReadOnlyMemory<byte> memory, long runningIndex)
        {
            Memory = memory;
            RunningIndex = runningIndex;
        }

        internal Piece Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Piece(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
