using CacheKit.Testing;
using CacheKit.Tests.Consistency;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Tests.Engine;

/// <summary>Change tokens are the caller's code: whatever they do, no caller hangs and no entry outlives its token.</summary>
public sealed class BrokenTokenTests
{
    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public async Task A_token_that_throws_when_it_is_asked_ends_its_entry_and_hangs_nobody()
    {
        using var cache = TestCache.Create(_clock);
        var token = new PolledToken();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromSeconds(1), StaleFor = TimeSpan.FromHours(1), ExpirationTokens = [token] });
        _clock.Advance(TimeSpan.FromSeconds(2));
        token.Throws = true;
        var call = () => cache.GetOrCreateAsync<int>("k", _ => throw new FormatException()).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        await call.Should().ThrowAsync<FormatException>();
        (await cache.ExistsAsync("k")).Should().BeFalse();
        cache.Verify();
    }

    [Fact]
    public async Task A_composite_token_is_asked_if_one_of_its_parts_does_not_call_back()
    {
        using var cache = TestCache.Create(_clock);
        using var calling = new CancellationTokenSource();
        var polled = new PolledToken();
        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [new CompositeChangeToken([new CancellationChangeToken(calling.Token), polled])] });
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
        polled.HasChanged = true;
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task A_token_that_must_be_asked_is_asked_by_upkeep_as_well()
    {
        using var cache = TestCache.Create(_clock);
        var polled = new PolledToken();
        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [polled] });
        polled.HasChanged = true;
        _clock.Advance(TimeSpan.FromSeconds(1));
        cache.GetStatistics().Entries.Should().Be(0);
        cache.GetStatistics().TokenExpirations.Should().Be(1);
    }

    [Fact]
    public async Task A_token_that_cannot_be_registered_with_leaves_nothing_half_done()
    {
        var observer = new CountingObserver();
        using var cache = TestCache.Create(_clock, observers: observer);
        await cache.SetAsync("k", 1);
        var set = () => cache.SetAsync("k", 2, new CacheEntryOptions { ExpirationTokens = [new UnregistrableToken()] }).AsTask();
        await set.Should().ThrowAsync<NotSupportedException>();
        (await cache.ExistsAsync("k")).Should().BeFalse();
        observer.Ended.Should().Be(2, "the value replaced and the one that could not stay");
        cache.Verify();
    }

    [Fact]
    public void A_null_among_the_tokens_is_refused_where_it_is_given()
    {
        var make = () => new CacheEntryOptions { ExpirationTokens = [null!] }; // the misuse in question
        make.Should().Throw<ArgumentException>().WithParameterName("ExpirationTokens");
    }

    [Fact]
    public async Task A_time_limit_longer_than_any_timer_is_none()
    {
        using var cache = TestCache.Create(TimeProvider.System);
        var options = new CacheEntryOptions { HardTimeout = TimeSpan.MaxValue, SoftTimeout = TimeSpan.FromDays(60), Expiration = TimeSpan.FromTicks(1), StaleFor = TimeSpan.FromHours(1) };
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(1), options)).Should().Be(1);
        (await cache.GetOrCreateAsync("k", async _ => { await Task.Yield(); return 2; }, options)).Should().Be(2);
    }

    [Fact]
    public async Task A_batch_that_is_called_off_leaves_nobody_waiting()
    {
        using var cache = TestCache.Create(_clock);
        await cache.SetAsync("b", "a string");
        var batch = () => cache.GetOrCreateManyAsync(["a", "b"], (_, _) => ValueTask.FromResult(new Dictionary<string, int>())).AsTask();
        await batch.Should().ThrowAsync<CacheTypeMismatchException>();
        (await cache.GetOrCreateAsync("a", _ => ValueTask.FromResult(1)).AsTask().WaitAsync(TimeSpan.FromSeconds(30))).Should().Be(1);
        cache.Verify();
    }

    [Fact]
    public async Task What_a_factory_leaves_running_does_not_keep_its_value()
    {
        using var cache = TestCache.Create(_clock);
        var (value, timer) = await CreateAsync(cache);
        await cache.RemoveAsync("k");
        for (var i = 0; i < 10 && value.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            await Task.Yield();
        }

        value.IsAlive.Should().BeFalse();
        await timer.DisposeAsync();
    }

    private static async Task<(WeakReference Value, Timer Timer)> CreateAsync(ICache cache)
    {
        Timer? timer = null;
        var value = await cache.GetOrCreateAsync("k", _ =>
        {
            timer = new Timer(static _ => { }, null, Timeout.Infinite, Timeout.Infinite); // keeps the context it was created in
            return ValueTask.FromResult(new byte[1000]);
        });
        return (new WeakReference(value), timer!); // the factory has run
    }

    private sealed class PolledToken : IChangeToken
    {
        internal bool Throws { get; set; }

        public bool HasChanged { get => Throws ? throw new NotSupportedException() : field; set; }

        public bool ActiveChangeCallbacks => false;

        public IDisposable RegisterChangeCallback(Action<object?> callback, object? state) => throw new NotSupportedException();
    }

    private sealed class UnregistrableToken : IChangeToken
    {
        public bool HasChanged => false;

        public bool ActiveChangeCallbacks => true;

        public IDisposable RegisterChangeCallback(Action<object?> callback, object? state) => throw new NotSupportedException();
    }

    private sealed class CountingObserver : CacheObserver
    {
        internal int Ended { get; private set; }

        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => Ended++;
    }
}
