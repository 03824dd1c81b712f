using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>An entry of an <see cref="InMemoryStreamStore"/>, opened. As strict as a lookup: its bytes are spoilt when it is disposed.</summary>
internal sealed class InMemoryReadStream(StoreLookup lookup) : IStoreReadStream
{
    private bool _isDisposed;

    public long Stamp => lookup.Stamp;

    public DateTimeOffset ExpiresAt => lookup.ExpiresAt;

    public DateTimeOffset RetainUntil => lookup.RetainUntil;

    public long Length => lookup.Payload.Length;

    public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        var count = (int)Math.Min(destination.Length, Length - offset);
        lookup.Payload.Slice((int)offset, count).CopyTo(destination);
        return new(count);
    }

    public ValueTask DisposeAsync()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            lookup.Dispose();
        }

        return default;
    }
}
