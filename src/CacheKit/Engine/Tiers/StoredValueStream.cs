using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>A value of bytes in a store, opened: reads it part by part, from any place.</summary>
internal sealed class StoredValueStream(IStoreReadStream source, long start, Action onDamage) : Stream
{
    private long _position;
    private bool _isDisposed;

    public override bool CanRead => !_isDisposed;

    public override bool CanSeek => !_isDisposed;

    public override bool CanWrite => false;

    public override long Length => source.Length - start;

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override long Seek(long offset, SeekOrigin origin)
    {
        var place = offset + origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin), origin, "There is no such place to seek from."),
        };
        return _position = place >= 0 ? place : throw new IOException("A place before the beginning cannot be sought.");
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_position >= Length)
        {
            return 0;
        }

        try
        {
            var count = await source.ReadAsync(start + _position, buffer, cancellationToken).ConfigureAwait(false);
            _position += count;
            return count;
        }
        catch (CacheStoreException exception)
        {
            if (exception.Failure == StoreFailure.Permanent)
            {
                onDamage();
            }

            throw new IOException("The rest of the cached value cannot be read any more: it has been evicted, is damaged, or its store fails.", exception);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();
    }

    public override void Flush()
    {
        // There is nothing to be written.
    }

    public override void SetLength(long value) => throw new NotSupportedException("A cached value cannot be changed through a stream that reads it.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A cached value cannot be changed through a stream that reads it.");

    public override async ValueTask DisposeAsync()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            await source.DisposeAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_isDisposed)
        {
            _isDisposed = true;
            source.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        base.Dispose(disposing);
    }
}
