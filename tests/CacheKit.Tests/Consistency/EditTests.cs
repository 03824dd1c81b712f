using CacheKit.Engine;
using CacheKit.Testing;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Tests.Consistency;

/// <summary>What is claimed of one key's edits when something comes in between.</summary>
public sealed class EditTests : IDisposable
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _time = new();
    private readonly Cache _cache;

    public EditTests() => _cache = TestCache.Create(_time, new MemoryOptions { MaximumBytes = 10_000, SizeOf = static (_, value) => value is long size ? size : 1 });

    public void Dispose() => TestCache.End(_cache);

    [Fact]
    public async Task An_expiration_on_request_ends_the_delay_after_a_failure()
    {
        var options = new CacheEntryOptions { Tags = ["t"], Expiration = _second, StaleFor = 1000 * _second, RetryAfterFailure = 100 * _second };
        foreach (var expire in new Func<Task>[] { () => _cache.ExpireAsync("k").AsTask(), () => _cache.ExpireByTagAsync("t").AsTask() })
        {
            await _cache.SetAsync("k", 1L, options);
            _time.Advance(_second);
            (await _cache.GetOrCreateAsync<long>("k", _ => throw new TimeZoneNotFoundException(), options)).Should().Be(1);
            (await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2L), options)).Should().Be(1, "it is not tried again yet");
            await expire();
            (await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2L), options)).Should().Be(2);
        }
    }

    [Fact]
    public async Task Who_adds_a_value_too_heavy_to_be_stored_is_told_so()
    {
        (await _cache.TryAddAsync("k", 20_000L)).Should().BeFalse();
        (await _cache.TryAddAsync("k", 20_000L)).Should().BeFalse();
        (await _cache.SetManyAsync<long>([new("k", 20_000), new("l", 1)])).Should().Be(1);
        await _cache.SetAsync("k", 20_000L);
        var statistics = _cache.GetStatistics();
        (statistics.Sets, statistics.Refusals).Should().Be((1, 4));
        (await _cache.TryAddAsync("k", 5L)).Should().BeTrue();
    }

    [Fact]
    public async Task An_increment_that_stores_nothing_does_not_count_as_a_set()
    {
        await _cache.SetAsync("k", "text");
        await _cache.Invoking(cache => cache.IncrementAsync("k").AsTask()).Should().ThrowAsync<CacheTypeMismatchException>();
        (await _cache.IncrementAsync("counter")).Should().Be(1);
        _cache.GetStatistics().Sets.Should().Be(2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_token_that_fires_while_its_entry_is_being_stored_has_ended_it(bool isCounter)
    {
        var token = new InterposingToken();
        var options = new CacheEntryOptions { ExpirationTokens = [token] };
        if (isCounter)
        {
            await _cache.SetAsync("k", 1L, options);
        }

        token.OnRegister = () =>
        {
            // Another thread, which fires the token and then looks.
            token.HasChanged = true;
            _cache.Get<long>("k").IsHit.Should().BeFalse();
        };
        if (isCounter)
        {
            await _cache.IncrementAsync("k");
        }
        else
        {
            await _cache.SetAsync("k", 1L, options);
        }

        token.OnRegister.Should().BeNull("it has been run");
        (await _cache.ExistsAsync("k")).Should().BeFalse();
    }

    [Fact]
    public async Task Increments_at_once_lose_nothing()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++)
            {
                await _cache.IncrementAsync("k");
            }
        })));
        (await _cache.GetAsync<long>("k")).Value.Should().Be(8000);
    }

    [Fact]
    public async Task One_of_those_who_add_at_once_is_told_that_it_was_stored()
    {
        for (var round = 0; round < 200; round++)
        {
            var added = await Task.WhenAll(Enumerable.Range(0, 4).Select(index => Task.Run(async () => (Index: index, IsAdded: await _cache.TryAddAsync("k", (long)index)))));
            var (index, _) = added.Should().ContainSingle(static it => it.IsAdded).Subject;
            (await _cache.GetAsync<long>("k")).Value.Should().Be(index);
            await _cache.RemoveAsync("k");
        }
    }

    /// <summary>A token that has something run when it is registered with, before it notes the callback.</summary>
    private sealed class InterposingToken : IChangeToken
    {
        internal Action? OnRegister { get; set; }

        public bool HasChanged { get; set; }

        public bool ActiveChangeCallbacks => true;

        public IDisposable RegisterChangeCallback(Action<object?> callback, object? state)
        {
            var act = OnRegister;
            OnRegister = null;
            act?.Invoke();
            if (HasChanged)
            {
                callback(state);
            }

            return new CancellationTokenSource(); // anything that may be disposed
        }
    }
}
