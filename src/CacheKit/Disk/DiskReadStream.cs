using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>An entry that was opened: its one record, or piece after piece, each checked before any of it is given.</summary>
internal sealed class DiskReadStream : IStoreReadStream
{
    // What is being read into is not given back.
    private readonly Lock _turn = new();
    private readonly DiskStore _store;
    private readonly EntryReads _reads;
    private readonly PieceList _pieces;
    private readonly ReadOnlyMemory<byte> _value;
    private readonly EntryLifetime _lifetime;
    private RentedBytes? _bytes;
    private int _buffered = -1;
    private bool _isDisposed;

    /// <summary>Opens an entry of one record.</summary>
    internal DiskReadStream(DiskStore store, EntryReads reads, EntryLifetime lifetime, RentedBytes bytes, ReadOnlyMemory<byte> value)
    {
        (_store, _reads, _lifetime, _bytes, _value) = (store, reads, lifetime, bytes, value);
        Length = value.Length;
    }

    /// <summary>Opens an entry in pieces.</summary>
    internal DiskReadStream(DiskStore store, EntryReads reads, EntryLifetime lifetime, PieceList pieces)
    {
        (_store, _reads, _lifetime, _pieces) = (store, reads, lifetime, pieces);
        Length = pieces.Length;
    }

    public long Stamp => _lifetime.Stamp;

    public DateTimeOffset ExpiresAt => _lifetime.ExpiresAt;

    public DateTimeOffset RetainUntil => _lifetime.RetainUntil;

    public long Length { get; }

    /// <summary>Whether it holds the buffer it was made with.</summary>
    internal bool IsOneRecord => _pieces.Addresses is null;

    public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        if (_isDisposed)
        {
            return ValueTask.FromException<int>(new ObjectDisposedException(GetType().FullName));
        }

        if (destination.IsEmpty || offset == Length)
        {
            return new(0);
        }

        var piece = IsOneRecord ? _buffered : _pieces.PieceOf(offset);
        return piece == _buffered ? new(Read(piece, offset, destination)) : new(Task.Run(() => Read(piece, offset, destination), cancellationToken));
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        if (_turn.TryEnter())
        {
            _bytes?.Dispose();
            _turn.Exit();
        }

        return default;
    }

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var count = Math.Min(from.Length, to.Length);
        from[..count].CopyTo(to);
        return count;
    }

    private int CopyFromBuffer(long offset, Span<byte> destination)
    {
        var (start, length) = _pieces.Extent(_buffered);
        return Copy(_bytes!.Array.AsSpan((int)(offset - start)..length), destination); // there since something was buffered
    }

    private int Read(int piece, long offset, Memory<byte> destination)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return IsOneRecord ? Copy(_value.Span[(int)offset..], destination.Span)
                : piece == _buffered ? CopyFromBuffer(offset, destination.Span)
                : ReadPiece(piece, offset, destination);
        }
    }

    private int ReadPiece(int piece, long offset, Memory<byte> destination)
    {
        var (start, length) = _pieces.Extent(piece);
        if (offset == start && destination.Length >= length)
        {
            ReadPiece(piece, destination[..length]);
            return length;
        }

        _buffered = -1;
        _bytes ??= new(_reads.PieceBytes);
        ReadPiece(piece, _bytes.Memory[..length]);
        _buffered = piece;
        return CopyFromBuffer(offset, destination.Span);
    }

    private void ReadPiece(int piece, Memory<byte> into)
    {
        var isInLog = true;
        if (!_store.InsideGate("read", () => _reads.TryReadPiece(_pieces.Addresses[piece], into.Span, out isInLog)))
        {
            throw isInLog
                ? new CacheStoreException("The rest of the entry is damaged.", StoreFailure.Permanent)
                : new CacheStoreException("The rest of the entry is not on the disk any more.", StoreFailure.Transient);
        }
    }
}

/// <summary>What is told of an entry beside its bytes.</summary>
internal readonly record struct EntryLifetime(long Stamp, DateTimeOffset ExpiresAt, DateTimeOffset RetainUntil);
