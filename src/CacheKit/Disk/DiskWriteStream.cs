using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>An entry that comes part by part. Collects a piece at a time and appends it to the log; only what is completed is ever pointed to.</summary>
internal sealed class DiskWriteStream(DiskStore store, EntryWrites writes, string key, StreamPlace place, long stamp) : IStoreWriteStream
{
    // A call that was given up may still be under way when the stream is disposed.
    private readonly Lock _turn = new();
    private readonly RentedBytes _piece = new(writes.PieceBytes);
    private readonly List<long> _addresses = [];
    private int _filled;
    private bool _isEnded;

    public long Stamp => stamp;

    public ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        // Appending takes as long as the disk does, and closing must wait for it.
        return TryCollect(bytes.Span) ? new(true) : new(Task.Run(() => store.InsideGate("write", () => TryWrite(bytes.Span)), CancellationToken.None));
    }

    public ValueTask<StoreWriteResult> CompleteAsync(StoreEntry entry, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<StoreWriteResult>(cancellationToken)
            : new(Task.Run(() => store.InsideGate("write", () => Complete(entry)), CancellationToken.None));

    public ValueTask DisposeAsync()
    {
        if (!_turn.TryEnter())
        {
            // Of a disk that hangs: whoever has given up the call does not wait here either.
            _ = Task.Run(EndInTurn);
            return default;
        }

        try
        {
            End();
        }
        finally
        {
            _turn.Exit();
        }

        return default;
    }

    private void EndInTurn()
    {
        lock (_turn)
        {
            End();
        }
    }

    /// <summary>Keeps bytes for the piece they are a part of, if that is all there is to do: nothing is to be appended, and no call that was given up is still under way.</summary>
    private bool TryCollect(ReadOnlySpan<byte> bytes)
    {
        if (!_turn.TryEnter())
        {
            return false;
        }

        try
        {
            if (_isEnded || bytes.Length > writes.PieceBytes - _filled)
            {
                return false;
            }

            bytes.CopyTo(_piece.Array.AsSpan(_filled));
            _filled += bytes.Length;
            return true;
        }
        finally
        {
            _turn.Exit();
        }
    }

    /// <summary>Keeps bytes, and appends each piece that is full. In the gate of the store.</summary>
    private bool TryWrite(ReadOnlySpan<byte> bytes)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_isEnded, this);
            while (!bytes.IsEmpty)
            {
                if (_filled == writes.PieceBytes && !TryAppend())
                {
                    return false;
                }

                var part = bytes[..Math.Min(bytes.Length, writes.PieceBytes - _filled)];
                part.CopyTo(_piece.Array.AsSpan(_filled));
                _filled += part.Length;
                bytes = bytes[part.Length..];
            }

            return true;
        }
    }

    private bool TryAppend()
    {
        if ((_addresses.Count + 1L) * writes.PieceBytes > writes.LargestValue || !writes.TryAppendPiece(_piece.Array.AsSpan(0, _filled), out var address))
        {
            return false;
        }

        _addresses.Add(address);
        _filled = 0;
        return true;
    }

    private StoreWriteResult Complete(in StoreEntry entry)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_isEnded, this);
            try
            {
                return writes.Complete(key, entry, stamp, place, _addresses, _piece.Array.AsSpan(0, _filled));
            }
            finally
            {
                End();
            }
        }
    }

    private void End()
    {
        if (!_isEnded)
        {
            _isEnded = true;
            writes.EndStream(place);
            _piece.Dispose();
            GC.KeepAlive(store); // the index is memory that goes with it
        }
    }
}
