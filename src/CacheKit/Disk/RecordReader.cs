using System.Buffers;
using System.Runtime.CompilerServices;

namespace CacheKit.Disk;

/// <summary>Reads what slots point to, and believes only records that belong there and are whole.</summary>
[SkipLocalsInit]
internal sealed class RecordReader(DiskIndex index, RingLog log, bool verifySums)
{
    /// <summary>How much is read where the value is not needed: most keys and tags are shorter.</summary>
    private const int HeaderGuess = 512;

    private const int MostTries = 16;

    internal long AddressOf(ulong slot) => index.Slots.Address(slot, Volatile.Read(ref index.Tail));

    /// <summary>Whether a slot shows an entry, as far as memory tells.</summary>
    internal bool IsUsed(ulong slot) => slot != 0 && !index.Slots.IsPending(slot) && index.IsInLog(AddressOf(slot));

    /// <summary>Reads the record of a slot up to its key.</summary>
    /// <returns>None if it is not there, or damaged.</returns>
    internal Record ReadHeader(ulong slot, ref HeaderBuffer buffer)
    {
        var address = AddressOf(slot);
        var wanted = Math.Min(index.Slots.RecordBound(slot), HeaderGuess);

        // The instants may be read in the middle of a change. A change takes no time worth waiting for.
        for (var tries = 0; tries < MostTries && index.IsInLog(address); tries++)
        {
            var bytes = buffer.Take(wanted);
            bytes = bytes[..log.Read(address, bytes)];
            if (bytes.Length < RecordLayout.HeaderBytes || !RecordLayout.MayBeAt(bytes, address))
            {
                return default;
            }

            var needed = RecordLayout.Measure(bytes).BeforeValue;
            if (needed > bytes.Length)
            {
                if (needed <= wanted)
                {
                    return default;
                }

                wanted = needed;
                continue;
            }

            if (!IsIntact(bytes, address))
            {
                return default;
            }

            if (RecordLayout.IsLifeIntact(bytes, address, index.StoreId))
            {
                return new(bytes, address);
            }
        }

        return default;
    }

    /// <summary>Reads the whole record of a slot into a buffer of its bound.</summary>
    /// <returns>None if it is not there, or damaged up to its key. The value has yet to be checked.</returns>
    internal Record ReadAll(ulong slot, Span<byte> buffer)
    {
        var address = AddressOf(slot);
        if (!index.IsInLog(address))
        {
            return default;
        }

        ReadOnlySpan<byte> bytes = buffer[..log.Read(address, buffer[..Math.Min(buffer.Length, index.Slots.RecordBound(slot))])];
        if (!IsIntact(bytes, address) || RecordLayout.Measure(bytes).Total > bytes.Length)
        {
            return default;
        }

        return HasLife(buffer, address) ? new(bytes, address) : default;
    }

    /// <summary>Makes sure that the instants of a record that was read are whole; they are read again if they were just being changed.</summary>
    internal bool HasLife(Span<byte> record, long address)
    {
        for (var tries = 0; !RecordLayout.IsLifeIntact(record, address, index.StoreId); tries++)
        {
            var life = record.Slice(RecordLayout.LifeOffset, RecordLayout.LifeBytes);
            if (tries == MostTries || log.Read(address + RecordLayout.LifeOffset, life) < life.Length)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether the bytes of a value are those that were stored.</summary>
    internal bool IsValueIntact(in Record record, ReadOnlySpan<byte> value) => !verifySums || Mix64.Of(value, index.StoreId) == record.ValueSum;

    /// <summary>Whether there is more than a header: who is told that an entry is there must find it, though its bytes are damaged or some of its pieces gone.</summary>
    internal bool IsReadable(ulong slot)
    {
        using var bytes = new RentedBytes(index.Slots.RecordBound(slot));
        var record = ReadAll(slot, bytes.Array);
        if (record.IsNone)
        {
            return false;
        }

        var value = bytes.Array.AsSpan(record.ValueOffset, record.ValueLength);
        return IsValueIntact(record, value) && AreAllPiecesThere(record, value);
    }

    /// <summary>Whether the log still has all the pieces that the value of a record lists, if it is such a list.</summary>
    internal bool AreAllPiecesThere(in Record record, ReadOnlySpan<byte> value) =>
        record.Kind != RecordKind.Head || (PieceList.TryRead(value, index.Geometry, out var pieces) && Array.TrueForAll(pieces.Addresses, index.IsInLog));

    /// <summary>Reads a piece of a value.</summary>
    internal bool TryReadPiece(long address, Span<byte> value) =>
        TryReadPieceHeader(address, value.Length, out var sum)
        && log.Read(address + RecordLayout.HeaderBytes, value) == value.Length && (!verifySums || Mix64.Of(value, index.StoreId) == sum);

    /// <summary>Whether every piece of a value is where it should be, as far as can be told without reading them.</summary>
    internal bool AreThere(in PieceList pieces)
    {
        for (var i = 0; i < pieces.Addresses.Length; i++)
        {
            if (!TryReadPieceHeader(pieces.Addresses[i], pieces.Extent(i).Bytes, out _))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryReadPieceHeader(long address, int bytes, out ulong sum)
    {
        sum = 0;
        Span<byte> header = stackalloc byte[RecordLayout.HeaderBytes];
        if (!index.IsInLog(address) || log.Read(address, header) < header.Length || !IsIntact(header, address))
        {
            return false;
        }

        var record = new Record(header, address);
        sum = record.ValueSum;
        return record.Kind == RecordKind.Piece && record.ValueLength == bytes;
    }

    private bool IsIntact(ReadOnlySpan<byte> bytes, long address) => verifySums
        ? RecordLayout.IsIntact(bytes, address, index.StoreId)
        : bytes.Length >= RecordLayout.HeaderBytes && RecordLayout.MayBeAt(bytes, address) && RecordLayout.Measure(bytes).BeforeValue <= bytes.Length;
}

/// <summary>Room for the header of a record: on the stack, or rented if that is not enough.</summary>
internal ref struct HeaderBuffer(Span<byte> stack)
{
    internal const int StackBytes = 512;

    private readonly Span<byte> _stack = stack;
    private byte[]? _rented;

    internal Span<byte> Take(int bytes)
    {
        if (bytes <= _stack.Length)
        {
            return _stack[..bytes];
        }

        if (_rented is null || _rented.Length < bytes)
        {
            Dispose();
            _rented = ArrayPool<byte>.Shared.Rent(bytes);
        }

        return _rented.AsSpan(0, bytes);
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
