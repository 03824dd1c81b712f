using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>A store has a name, and can be disposed.</summary>
public abstract class StoreLifetimeContract : StoreContract
{
    [Fact]
    public async Task A_store_has_a_short_name_that_stays_the_same()
    {
        var store = await CreateAsync();
        store.Name.Should().NotBeNullOrWhiteSpace().And.Match(name => name.Length <= 32);
        (await OpenAnotherAsync(store)).Name.Should().Be(store.Name);
    }

    [Fact]
    public async Task Disposing_twice_is_fine()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value"));
        await Soon(store.DisposeAsync());
        await Soon(CloseAsync(store));
    }

    [Fact]
    public async Task A_disposed_store_refuses_everything()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value"));
        await Soon(CloseAsync(store));
        var now = Clock.GetUtcNow();
        var calls = new Dictionary<string, Func<Task>>
        {
            ["Read"] = async () => (await store.ReadAsync("k", default, default)).Dispose(),
            ["Write"] = async () => await store.WriteAsync("k", Entry("value"), StoreCondition.Always, default),
            ["Invalidate"] = async () => await store.InvalidateAsync("k", InvalidationKind.Remove, default),
            ["InvalidateTags"] = async () => await store.InvalidateTagsAsync(["t"], TagMatch.Any, InvalidationKind.Remove, default),
            ["Clear"] = async () => await store.ClearAsync(default),
            ["SetExpiration"] = async () => await store.SetExpirationAsync("k", 1, now, now, default),
        };
        if (store is IBatchStore batches)
        {
            calls["ReadMany"] = async () => await batches.ReadManyAsync(["k"], default, default);
            calls["WriteMany"] = async () => await batches.WriteManyAsync([new("k", Entry("value"), StoreCondition.Always)], default);
            calls["InvalidateMany"] = async () => await batches.InvalidateManyAsync(["k"], InvalidationKind.Remove, default);
        }

        if (store is ICounterStore counters)
        {
            calls["Increment"] = async () => await counters.IncrementAsync("c", new() { Delta = 1, Maximum = 9, ExpiresAt = now + Hours(1), Tags = [] }, default);
        }

        if (store is ILockStore locks)
        {
            calls["TryLock"] = async () => await locks.TryLockAsync("k", Hours(1), default);
        }

        if (store is IInvalidationTransport transport)
        {
            calls["Subscribe"] = async () => await transport.SubscribeAsync(new RecordingReceiver(), default);
            calls["Publish"] = async () => await transport.PublishAsync("message"u8.ToArray(), default);
        }

        if (store is IEnumerableStore enumerable)
        {
            calls["EnumerateKeys"] = async () =>
            {
                await foreach (var _ in enumerable.EnumerateKeysAsync("", default))
                {
                }
            };
            calls["Count"] = async () => await enumerable.GetApproximateCountAsync(default);
        }

        foreach (var (name, call) in calls)
        {
            var act = () => Soon(call());
            await act.Should().ThrowAsync<ObjectDisposedException>("{0} was called on a disposed store", name);
        }
    }

    [Fact]
    public async Task Disposing_one_handle_leaves_another_to_work()
    {
        var one = await CreateAsync();
        var other = await OpenAnotherAsync(one);
        if (one == other)
        {
            return;
        }

        await SetAsync(one, "k", Entry("value", "t"));
        await Soon(CloseAsync(one));
        await ExpectAsync(other, "k", "value");
        await InvalidateTagsAsync(other, "t");
        await ExpectMissingAsync(other, "k");
        await SetAsync(other, "k", Entry("another"));
        await ExpectAsync(other, "k", "another");
    }
}
