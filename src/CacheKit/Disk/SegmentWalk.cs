using System.Buffers;

namespace CacheKit.Disk;

/// <summary>Goes through the records of one segment in order, with few large reads, past whatever writers that died have left undone.</summary>
internal ref struct SegmentWalk
{
    private readonly DiskIndex _index;
    private readonly RingLog _log;
    private readonly byte[] _buffer;
    private readonly long _end;
    private long _next;
    private long _bufferStart;
    private int _buffered;

    internal SegmentWalk(DiskIndex index, RingLog log, long segment)
    {
        _index = index;
        _log = log;
        var size = index.Geometry.SegmentBytes;
        _end = Math.Min((segment + 1) * size, Volatile.Read(ref index.Tail));
        _next = _bufferStart = Math.Max((segment * size) + RingLog.SegmentStart, Volatile.Read(ref index.Begin));
        _buffer = ArrayPool<byte>.Shared.Rent(index.Geometry.LargestRecord * 2);
    }

    /// <summary>Goes to the next record.</summary>
    /// <param name="record">It; its header is intact. Valid until the next call.</param>
    /// <param name="bytes">All of its bytes, to be changed at will.</param>
    /// <returns><see langword="false"/> at the end.</returns>
    internal bool TryNext(out Record record, out Span<byte> bytes)
    {
        for (; TryBuffer(RecordLayout.HeaderBytes, out bytes); _next += SlotFormat.UnitBytes)
        {
            if (!RecordLayout.MayBeAt(bytes, _next))
            {
                continue;
            }

            var total = RecordLayout.Measure(bytes).Total;
            if (total <= _index.Geometry.LargestRecord && TryBuffer((int)total, out bytes) && RecordLayout.IsIntact(bytes, _next, _index.StoreId))
            {
                bytes = bytes[..(int)total];
                record = new(bytes, _next);
                _next += total;
                return true;
            }
        }

        record = default;
        return false;
    }

    public readonly void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    private bool TryBuffer(int needed, out Span<byte> bytes)
    {
        var skip = (int)(_next - _bufferStart);
        if (skip + needed > _buffered)
        {
            _bufferStart = _next;
            _buffered = 0;
            skip = 0;
            var wanted = (int)Math.Min(_buffer.Length, _end - _next);
            if (wanted >= needed)
            {
                _buffered = _log.Read(_next, _buffer.AsSpan(0, wanted));
            }
        }

        bytes = _buffer.AsSpan(skip, Math.Max(0, _buffered - skip));
        return bytes.Length >= needed;
    }
}
