using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>Lists the keys of a cache by their beginning, through all its tiers. Costs a walk through all of them.</summary>
internal sealed class KeyListing(
    string cacheName, Flights flights, MemoryTier memory, EntryLife life, CacheReporter reporter, StoreStack? stores)
{
    /// <summary>Lists the keys of unexpired entries, each once.</summary>
    internal async IAsyncEnumerable<string> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Those of memory are as many as fit there; those of the stores may be far more, and are handed on as they come.
        var seen = new HashSet<string>(StringComparer.Ordinal);
        Collect(prefix, seen, freshOnly: true);
        foreach (var key in seen)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return key;
        }

        if (stores is null)
        {
            yield break;
        }

        foreach (var tier in stores.Tiers)
        {
            // What a near store holds may have been removed at the last one, if messages may have been lost.
            if (!tier.IsFar && (tier.Store is not IEnumerableStore || tier.TrustedSince != 0))
            {
                continue;
            }

            await foreach (var key in ListAsync(tier, prefix, seen, cancellationToken).ConfigureAwait(false))
            {
                if (!tier.IsFar)
                {
                    seen.Add(key);
                }

                yield return key;
            }
        }
    }

    /// <summary>Lists the keys that a removal concerns: whatever any tier holds, and what is being created here.</summary>
    internal async ValueTask<string[]> FindAllAsync(string prefix, CancellationToken cancellationToken)
    {
        // In this order: what lands meanwhile has left the flights only once it is in the tiers.
        var found = new HashSet<string>(flights.KeysWith(prefix), StringComparer.Ordinal);
        Collect(prefix, found, freshOnly: false);
        foreach (var tier in stores?.Tiers ?? [])
        {
            found.UnionWith(tier.Recovery.KeysWith(prefix)); // a value still to be sent is removed before it comes
            if (tier.IsFar || tier.Store is IEnumerableStore)
            {
                await foreach (var key in EnumerateAsync(tier, prefix, cancellationToken, reporter).ConfigureAwait(false))
                {
                    found.Add(key);
                }
            }
        }

        return [.. found];
    }

    /// <exception cref="NotSupportedException">The last store cannot list what it holds.</exception>
    internal void ThrowIfImpossible()
    {
        if (stores is not null && stores.Tiers[^1].Store is not IEnumerableStore)
        {
            throw new NotSupportedException(
                $"The store '{stores.Tiers[^1].Name}' of the cache '{cacheName}' cannot list its keys. Give entries that are to be removed together a tag, and remove that.");
        }
    }

    private void Collect(string prefix, HashSet<string> found, bool freshOnly)
    {
        memory.Sweep(entry =>
        {
            if (entry.Key.StartsWith(prefix, StringComparison.Ordinal) && (!freshOnly || life.Peek(entry) == EntryState.Fresh))
            {
                found.Add(entry.Key);
            }

            return null;
        });
    }

    /// <summary>Lists what a store holds, as far as it answers; if it does not to the end, tells the reporter, if there is one.</summary>
    private static async IAsyncEnumerable<string> EnumerateAsync(
        StoreTier tier, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken, CacheReporter? reporter = null)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var keys = ((IEnumerableStore)tier.Store).EnumerateKeysAsync(prefix, source.Token).GetAsyncEnumerator(source.Token); // as its callers have seen
        var step = Task.FromResult(true);
        Func<ICacheStore, int, CancellationToken, ValueTask<bool>> goOn = (_, _, _) => new(step = keys.MoveNextAsync().AsTask());
        try
        {
            while (true)
            {
                var next = await tier.Guard.RunAsync(StoreOperation.Enumerate, null, 0, goOn, cancellationToken).ConfigureAwait(false);
                if (!next.IsAnswered)
                {
                    reporter?.KeysNotListed(tier.Name);
                    yield break;
                }

                if (!next.Result)
                {
                    yield break;
                }

                yield return keys.Current;
            }
        }
        finally
        {
            await source.CancelAsync().ConfigureAwait(false);

            // One that has not answered, or was not waited for, is still at its last step, and may not be disposed before that ends.
            var end = EndAsync(keys, step);
            if (step.IsCompleted)
            {
                await end.ConfigureAwait(false);
            }
            else
            {
                StoreGuard.Observe(end);
            }
        }
    }

    private static async Task EndAsync(IAsyncEnumerator<string> keys, Task step)
    {
        await step.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await keys.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Lists the unexpired entries of a store: it lists as well what it keeps beyond that.</summary>
    private async IAsyncEnumerable<string> ListAsync(
        StoreTier tier, string prefix, HashSet<string> seen, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var pages = EnumerateAsync(tier, prefix, cancellationToken).Where(key => !seen.Contains(key)).Chunk(StoreTier.MaximumBatch);
        await foreach (var page in pages.ConfigureAwait(false))
        {
            foreach (var fresh in await FreshOfAsync(tier, [.. page], cancellationToken).ConfigureAwait(false))
            {
                yield return fresh;
            }
        }
    }

    private async ValueTask<List<string>> FreshOfAsync(StoreTier tier, List<string> page, CancellationToken cancellationToken)
    {
        var fresh = new List<string>(page.Count);
        if (!tier.Recovery.IsEmpty)
        {
            // The store still has to be told of some removals, and these may cover what it lists.
            foreach (var key in page)
            {
                if (await stores!.Life.ExistsAsync(key, cancellationToken).ConfigureAwait(false)) // a tier is of a store
                {
                    fresh.Add(key);
                }
            }

            return fresh;
        }

        var answers = await tier.ReadManyAsync(page, new() { WithoutPayload = true }, cancellationToken, StoreOperation.Enumerate).ConfigureAwait(false);
        for (var i = 0; i < answers.Length; i++)
        {
            if (answers[i].TryGet(out var lookup))
            {
                using (lookup)
                {
                    if (lookup.IsFound && lookup.ExpiresAt > tier.Time.UtcNow)
                    {
                        fresh.Add(page[i]);
                    }
                }
            }
        }

        return fresh;
    }
}
