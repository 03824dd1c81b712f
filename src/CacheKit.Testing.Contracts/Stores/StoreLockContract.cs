using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>A lock has one holder, until it is released or its lease ends.</summary>
public abstract class StoreLockContract : StoreContract
{
    [Fact]
    public async Task A_lock_has_one_holder()
    {
        var store = await CreateAsync<ILockStore>();
        var other = await OpenAnotherAsync(store);
        await using (var held = await TakeAsync(store, "k"))
        {
            (await Soon(store.TryLockAsync("k", Hours(1), default))).Should().BeNull();
            (await Soon(other.TryLockAsync("k", Hours(1), default))).Should().BeNull();
        }

        await using var next = await TakeAsync(other, "k");
        (await Soon(store.TryLockAsync("k", Hours(1), default))).Should().BeNull();
    }

    [Fact]
    public async Task Locks_of_different_keys_and_caches_are_different_locks()
    {
        var store = await CreateAsync<ILockStore>();
        var another = await CreateAsync<ILockStore>(options => options.CacheName = "another");
        await using var first = await TakeAsync(store, "k");
        await using var second = await TakeAsync(store, "K");
        await using var third = await TakeAsync(store, new string('k', 5_000));
        await using var fourth = await TakeAsync(another, "k");
    }

    [Fact]
    public async Task A_lock_has_nothing_to_do_with_the_entry()
    {
        var store = await CreateAsync<ILockStore>();
        await using var held = await TakeAsync(store, "k");
        await ExpectMissingAsync(store, "k");
        await SetAsync(store, "k", Entry("value"));
        await ExpectAsync(store, "k", "value");
        await InvalidateAsync(store, "k");
        (await Soon(store.TryLockAsync("k", Hours(1), default))).Should().BeNull();
    }

    [Fact]
    public async Task A_lock_is_free_when_its_lease_has_ended()
    {
        var store = await CreateAsync<ILockStore>();
        var lost = await TakeAsync(store, "k", LeaseThatEnds);
        await LetLeaseEndAsync();
        await using var held = await TakeAsync(await OpenAnotherAsync(store), "k");
        await Soon(lost.DisposeAsync());
    }

    [Fact]
    public async Task A_former_holder_neither_releases_nor_extends_the_lock_of_another()
    {
        var store = await CreateAsync<ILockStore>();
        var lost = await TakeAsync(store, "k", LeaseThatEnds);
        await LetLeaseEndAsync();
        await using var held = await TakeAsync(store, "k", Hours(10));
        (await Soon(lost.ExtendAsync(Hours(10), default))).Should().BeFalse();
        await Soon(lost.DisposeAsync());
        (await Soon(store.TryLockAsync("k", Hours(1), default))).Should().BeNull();
        (await Soon(held.ExtendAsync(Hours(10), default))).Should().BeTrue();
    }

    [Fact]
    public async Task An_extended_lock_is_held_for_longer()
    {
        var store = await CreateAsync<ILockStore>();
        await using var held = await TakeAsync(store, "k", LeaseThatEnds);
        (await Soon(held.ExtendAsync(Hours(10), default))).Should().BeTrue();
        await LetLeaseEndAsync();
        (await Soon(store.TryLockAsync("k", Hours(1), default))).Should().BeNull();
        (await Soon(held.ExtendAsync(Hours(10), default))).Should().BeTrue();
    }

    [Fact]
    public async Task A_lock_that_was_released_cannot_be_extended_and_is_released_once()
    {
        var store = await CreateAsync<ILockStore>();
        var released = await TakeAsync(store, "k");
        await Soon(released.DisposeAsync());
        await using var held = await TakeAsync(store, "k");
        (await Soon(released.ExtendAsync(Hours(1), default))).Should().BeFalse();
        await Soon(released.DisposeAsync());
        (await Soon(store.TryLockAsync("k", Hours(1), default))).Should().BeNull();
    }

    [Fact]
    public async Task Of_many_who_try_at_once_one_gets_it()
    {
        var store = await CreateAsync<ILockStore>();
        var other = await OpenAnotherAsync(store);
        for (var round = 0; round < 20; round++)
        {
            var locks = new IStoreLock?[8];
            await RunTogetherAsync(locks.Length, async thread =>
                locks[thread] = await Soon((thread % 2 == 0 ? store : other).TryLockAsync("k", Hours(1), default)));
            var held = locks.OfType<IStoreLock>().Should().ContainSingle().Which;
            await Soon(held.DisposeAsync());
        }
    }

    [Fact]
    public async Task Releasing_does_not_throw_when_the_store_is_gone()
    {
        var store = await CreateAsync<ILockStore>();
        var held = await TakeAsync(store, "k");
        await Soon(CloseAsync(store));
        await Soon(held.DisposeAsync());
    }

    private static async Task<IStoreLock> TakeAsync(ILockStore store, string key, TimeSpan? lease = null)
    {
        var taken = await Soon(store.TryLockAsync(key, lease ?? Hours(1), default));
        return taken.Should().NotBeNull("nobody holds the lock").And.BeAssignableTo<IStoreLock>().Which;
    }
}
