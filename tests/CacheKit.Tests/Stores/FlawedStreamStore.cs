using CacheKit.Stores;
using CacheKit.Testing.Stores;

namespace CacheKit.Tests.Stores;

/// <summary>A store that keeps the contract but for one mistake with entries that come and go part by part.</summary>
internal sealed class FlawedStreamStore(IStreamStore inner, StoreFlaw flaw) : DelegatingStore(inner), IStreamStore
{
    private readonly IStreamStore _inner = inner;

    public override string Name => "flawed";

    public async ValueTask<IStoreWriteStream> BeginWriteAsync(string key, CancellationToken cancellationToken) =>
        flaw is StoreFlaw.StampOfTheEnd or StoreFlaw.ShowsWhatIsNotComplete or StoreFlaw.KeepsPartsOfTheCaller or StoreFlaw.LeavesWhatIsOlder
            ? new FlawedWriteStream(_inner, key, flaw, await _inner.BeginWriteAsync(key, cancellationToken))
            : await _inner.BeginWriteAsync(key, cancellationToken);

    public async ValueTask<IStoreReadStream?> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        var stream = await _inner.OpenReadAsync(key, cancellationToken);
        return stream is not null && flaw == StoreFlaw.ReadsTheEntryOfTheMoment ? new FlawedReadStream(_inner, key, stream) : stream;
    }

    private sealed class FlawedWriteStream(IStreamStore store, string key, StoreFlaw flaw, IStoreWriteStream stream) : IStoreWriteStream
    {
        private readonly List<ReadOnlyMemory<byte>> _parts = [];
        private bool _isEnded;

        public long Stamp => stream.Stamp;

        public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            _parts.Add(flaw == StoreFlaw.KeepsPartsOfTheCaller ? bytes : bytes.ToArray());
            if (flaw == StoreFlaw.ShowsWhatIsNotComplete)
            {
                await store.WriteAsync(
                    key, new() { Payload = bytes, ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = [] }, StoreCondition.Always, cancellationToken);
            }

            return true;
        }

        public async ValueTask<StoreWriteResult> CompleteAsync(StoreEntry entry, CancellationToken cancellationToken)
        {
            ObjectDisposedException.ThrowIf(_isEnded, this);
            using var before = await store.ReadAsync(key, default, cancellationToken);
            var older = new StoreEntry { Payload = before.Payload.ToArray(), ExpiresAt = before.ExpiresAt, RetainUntil = before.RetainUntil, Tags = [] };
            var target = flaw == StoreFlaw.StampOfTheEnd ? await store.BeginWriteAsync(key, cancellationToken) : stream;
            foreach (var part in _parts)
                await target.WriteAsync(part, cancellationToken);
            var result = await target.CompleteAsync(entry, cancellationToken);
            if (flaw == StoreFlaw.LeavesWhatIsOlder && before.IsFound && !result.IsStored)
                await store.WriteAsync(key, older, StoreCondition.Always, cancellationToken);
            return result;
        }

        public ValueTask DisposeAsync()
        {
            _isEnded = true;
            return stream.DisposeAsync();
        }
    }

    private sealed class FlawedReadStream(IStreamStore store, string key, IStoreReadStream stream) : IStoreReadStream
    {
        public long Stamp => stream.Stamp;

        public DateTimeOffset ExpiresAt => stream.ExpiresAt;

        public DateTimeOffset RetainUntil => stream.RetainUntil;

        public long Length => stream.Length;

        public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
        {
            await using var now = await store.OpenReadAsync(key, cancellationToken);
            return await (now ?? stream).ReadAsync(offset, destination, cancellationToken);
        }

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
