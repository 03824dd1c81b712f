using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>An entry on its way into an <see cref="InMemoryStreamStore"/>.</summary>
internal sealed class InMemoryWriteStream(InMemoryStore store, string key, long stamp) : IStoreWriteStream
{
    private readonly MemoryStream _bytes = new();
    private bool _isEnded;

    public long Stamp => stamp;

    public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isEnded, this);
        if (!await store.TakeAsync(_bytes.Length + bytes.Length, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        _bytes.Write(bytes.Span);
        return true;
    }

    public ValueTask<StoreWriteResult> CompleteAsync(StoreEntry entry, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isEnded, this);
        _isEnded = true;
        var payload = new byte[entry.Payload.Length + _bytes.Length];
        entry.Payload.Span.CopyTo(payload);
        _bytes.ToArray().CopyTo(payload, entry.Payload.Length);
        var whole = new StoreEntry { Payload = payload, ExpiresAt = entry.ExpiresAt, RetainUntil = entry.RetainUntil, Tags = entry.Tags };
        return store.CompleteAsync(key, whole, stamp, cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _isEnded = true;
        return default;
    }
}
