using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>The calls that end what many entries share: tags, and everything.</summary>
internal sealed class Invalidations(TagClock tags, RemovalSweeper sweeper, CacheCounters counters, StoreStack? stores)
{
    internal ValueTask InvalidateTagsAsync(string[] names, TagMatch match, InvalidationKind kind)
    {
        counters.Removal();
        if (names.Length == 0)
        {
            return ValueTask.CompletedTask;
        }

        if (stores is not null)
        {
            return InvalidateTagsInStoresAsync(stores, names, match, kind);
        }

        InvalidateTagsHere(names, match, kind);
        return ValueTask.CompletedTask;
    }

    internal ValueTask ClearAsync()
    {
        counters.Removal();
        if (stores is not null)
        {
            return ClearInStoresAsync(stores);
        }

        ClearHere();
        return ValueTask.CompletedTask;
    }

    private async ValueTask InvalidateTagsInStoresAsync(StoreStack stores, string[] names, TagMatch match, InvalidationKind kind)
    {
        var stamp = await stores.Invalidator.InvalidateTagsAsync(names, match, kind).ConfigureAwait(false);
        InvalidateTagsHere(names, match, kind);
        await stores.Link.TellTagsAsync(names, match, kind, stamp).ConfigureAwait(false);
    }

    private async ValueTask ClearInStoresAsync(StoreStack stores)
    {
        var stamp = await stores.Invalidator.ClearAsync().ConfigureAwait(false);
        ClearHere();
        await stores.Link.TellClearedAsync(stamp).ConfigureAwait(false);
    }

    private void InvalidateTagsHere(string[] names, TagMatch match, InvalidationKind kind)
    {
        tags.Invalidate(names, match, kind);
        sweeper.PruneIfOverfull();
    }

    private void ClearHere()
    {
        tags.Clear();
        sweeper.TakeOutCleared(); // nothing is served any more; this gives the memory back
    }
}
