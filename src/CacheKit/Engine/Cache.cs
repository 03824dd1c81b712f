using System.Diagnostics.CodeAnalysis;

namespace CacheKit.Engine;

internal abstract class Cache
{
    internal abstract bool TryGetHit<T>(string key, CancellationToken cancellationToken, [MaybeNullWhen(false)] out T value);
    internal abstract ValueTask<CacheLookup<T>> GetPastHitAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken);
}
