namespace CacheKit;

/// <summary>Handed to the factory of a get-or-create of many keys: which are missing, and a context for each.</summary>
public sealed class CacheBatchContext
{
    private readonly Func<string, CacheEntryContext> _create;
    private readonly Dictionary<string, CacheEntryContext> _contexts = new(StringComparer.Ordinal);

    internal CacheBatchContext(IReadOnlyList<string> keys, Func<string, CacheEntryContext> create)
    {
        Keys = keys;
        _create = create;
    }

    /// <summary>The keys to create values for, each once.</summary>
    public IReadOnlyList<string> Keys { get; }

    /// <summary>The context of one key's entry, to set its expiration or tags by; also for a key beyond those asked for.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The same context at every call; one for a key beyond those asked for has no effect.</returns>
    /// <remarks>Safe for concurrent use; each context by one thread at a time.</remarks>
    public CacheEntryContext For(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        lock (_contexts)
        {
            if (!_contexts.TryGetValue(key, out var context))
            {
                _contexts.Add(key, context = _create(key));
            }

            return context;
        }
    }
}
