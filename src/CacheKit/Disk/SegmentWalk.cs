using System.Buffers;

namespace CacheKit.Disk;

/// <summary>Goes through the records of one segment in order, past whatever writers that died have left undone.</summary>
/// <remarks>Many small records are read at once; of large ones the headers, and the rest only of those that somebody asks for.</remarks>
internal ref struct SegmentWalk
{
    private const int Chunk = 128 << 10;
    private const int LargeRecord = 8 << 10;
    private const int HeaderGuess = 1024;

    private readonly DiskIndex _index;
    private readonly RingLog _log;
    private readonly byte[] _buffer;
    private readonly long _end;
    private long _current;
    private long _next;
    private long _bufferStart;
    private int _buffered;

    internal SegmentWalk(DiskIndex index, RingLog log, long segment)
    {
        _index = index;
        _log = log;
        var size = index.Geometry.SegmentBytes;
        _end = Math.Min((segment + 1) * size, Volatile.Read(ref index.Tail));
        _current = _next = _bufferStart = Math.Max((segment * size) + RingLog.SegmentStart, Volatile.Read(ref index.Begin));
        _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(index.Geometry.LargestRecord, Chunk));
    }

    /// <summary>Goes to the next record.</summary>
    /// <param name="record">It; its header is intact, its instants may be not. Valid until the next call of a member.</param>
    /// <returns><see langword="false"/> at the end.</returns>
    internal bool TryNext(out Record record)
    {
        var chunk = _next - _current >= LargeRecord ? HeaderGuess : Chunk;
        for (; TryBuffer(RecordLayout.HeaderBytes, chunk, out var bytes); _next += SlotFormat.UnitBytes, chunk = Chunk)
        {
            if (!RecordLayout.MayBeAt(bytes, _next))
            {
                continue;
            }

            var (beforeValue, total) = RecordLayout.Measure(bytes);
            if (total <= Math.Min(_index.Geometry.LargestRecord, _end - _next)
                && TryBuffer(beforeValue, chunk, out bytes) && RecordLayout.IsIntact(bytes, _next, _index.StoreId))
            {
                record = new(bytes, _next);
                _current = _next;
                _next += total;
                return true;
            }
        }

        record = default;
        return false;
    }

    /// <summary>Reads all of the record gone to, if that has not been done.</summary>
    /// <param name="bytes">Its bytes, to be changed at will; its header is intact. Valid until the next call of a member.</param>
    internal bool TryReadAll(out Span<byte> bytes)
    {
        var total = (int)(_next - _current);
        var skip = (int)(_current - _bufferStart);
        if (skip + total > _buffered)
        {
            (_bufferStart, skip) = (_current, 0);
            _buffered = _log.Read(_current, _buffer.AsSpan(0, total));
        }

        bytes = _buffer.AsSpan(skip, total);
        return _buffered >= skip + total && RecordLayout.IsIntact(bytes, _current, _index.StoreId);
    }

    public readonly void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    private bool TryBuffer(int needed, int chunk, out Span<byte> bytes)
    {
        var skip = (int)(_next - _bufferStart);
        if (skip + needed > _buffered)
        {
            _bufferStart = _next;
            _buffered = 0;
            skip = 0;
            var wanted = (int)Math.Min(Math.Max(needed, chunk), _end - _next);
            if (wanted >= needed)
            {
                _buffered = _log.Read(_next, _buffer.AsSpan(0, wanted));
            }
        }

        bytes = _buffer.AsSpan(skip, Math.Max(0, _buffered - skip));
        return bytes.Length >= needed;
    }
}
