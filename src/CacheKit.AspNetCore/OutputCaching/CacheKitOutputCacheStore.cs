using System.Buffers;
using System.IO.Pipelines;
using CacheKit.Adapters;
using Microsoft.AspNetCore.OutputCaching;

namespace CacheKit.AspNetCore.OutputCaching;

/// <summary>Keeps the responses of ASP.NET Core's output caching in a cache.</summary>
/// <remarks>
/// Tags are those of the cache: evicting one is O(1) whatever the number of responses, and a removal by tag through <see cref="ICache"/> takes the
/// responses with it. A response stored again forgets the tags it had.
/// </remarks>
internal sealed class CacheKitOutputCacheStore(ICache cache, CacheEntryOptions defaults) : IOutputCacheBufferStore
{
    private static readonly CacheEntryOptions _read = new() { AllowStale = false };

    public async ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return await FindAsync(key, cancellationToken).ConfigureAwait(false) is { } value ? [.. value] : null;
    }

    public async ValueTask<bool> TryGetAsync(string key, PipeWriter destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(destination);
        if (await FindAsync(key, cancellationToken).ConfigureAwait(false) is not { } value)
        {
            return false;
        }

        destination.Write(value);
        await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    public ValueTask SetAsync(string key, byte[] value, string[]? tags, TimeSpan validFor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        return StoreAsync(key, (byte[])value.Clone(), tags, validFor, cancellationToken);
    }

    public ValueTask SetAsync(
        string key, ReadOnlySequence<byte> value, ReadOnlyMemory<string> tags, TimeSpan validFor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return StoreAsync(key, value.ToArray(), tags.Span, validFor, cancellationToken);
    }

    public ValueTask EvictByTagAsync(string tag, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tag);
        return cache.RemoveByTagAsync(AdapterKey.ForTag(tag), cancellationToken);
    }

    private ValueTask StoreAsync(string key, byte[] value, ReadOnlySpan<string> tags, TimeSpan validFor, CancellationToken cancellationToken)
    {
        var own = new List<string>(tags.Length + (defaults.Tags?.Count ?? 0));
        own.AddRange(defaults.Tags ?? []);
        foreach (var tag in tags)
        {
            own.Add(AdapterKey.ForTag(tag ?? throw new ArgumentException("One of the tags is null.", nameof(tags))));
        }

        return cache.SetAsync(AdapterKey.For(key), value, new CacheEntryOptions
        {
            Expiration = validFor,
            SlidingExpiration = defaults.SlidingExpiration is null ? null : TimeSpan.MaxValue, // the time a response is valid does not slide
            Jitter = TimeSpan.Zero,
            StaleFor = TimeSpan.Zero,
            Isolate = false,
            Tags = own,
        }, cancellationToken);
    }

    private async ValueTask<byte[]?> FindAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            return (await cache.GetAsync<byte[]>(AdapterKey.For(key), _read, cancellationToken).ConfigureAwait(false)).GetValueOrDefault();
        }
        catch (CacheTypeMismatchException)
        {
            return null; // something else of the application's is there
        }
    }
}
