using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Change tokens that end entries.</summary>
/// <remarks>Only for caches with a memory tier: a token belongs to the process.</remarks>
public abstract class ExpirationTokenContract : CacheContract
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_entry_ends_as_soon_as_one_of_its_tokens_changes(bool callsBack)
    {
        var cache = await CreateAsync();
        var one = new ManualChangeToken { ActiveChangeCallbacks = callsBack };
        var other = new ManualChangeToken { ActiveChangeCallbacks = callsBack };
        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [one, other] });
        await cache.SetAsync("m", 2, new CacheEntryOptions { ExpirationTokens = [one] });
        await ExpectAsync(cache, "k", 1);
        other.Change();
        await ExpectMissAsync(cache, "k");
        await ExpectAsync(cache, "m", 2);
    }

    [Fact]
    public async Task An_entry_ended_by_a_token_is_ended_for_good_and_never_stands_in()
    {
        var cache = await CreateAsync();
        var token = new ManualChangeToken();
        await cache.SetAsync("k", 1, new CacheEntryOptions { StaleFor = Seconds(100), ExpirationTokens = [token] });
        token.Change();
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
        var act = () => Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down")));
        await act.Should().ThrowAsync<FormatException>();
    }

    [Fact]
    public async Task A_token_that_has_changed_already_lets_nothing_be_stored()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        var token = new ManualChangeToken();
        token.Change();
        var options = new CacheEntryOptions { ExpirationTokens = [token] };
        await cache.SetAsync("k", 2, options);
        await ExpectMissAsync(cache, "k");
        (await CreateOrGet(cache, "m", 3, options)).Should().Be(3);
        await ExpectMissAsync(cache, "m");
    }

    [Fact]
    public async Task A_token_that_changes_while_the_factory_runs_lets_its_value_not_be_stored()
    {
        var cache = await CreateAsync();
        var token = new ManualChangeToken();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, new() { ExpirationTokens = [token] }).AsTask();
        await Soon(held.Started);
        token.Change();
        held.Return(1);
        (await Soon(load)).Should().Be(1);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_factory_may_add_tokens_to_those_of_the_call()
    {
        var cache = await CreateAsync();
        foreach (var ofTheCall in new[] { true, false })
        {
            var given = new ManualChangeToken();
            var added = new ManualChangeToken();
            await Soon(cache.GetOrCreateAsync(
                "k",
                (context, _) =>
                {
                    context.AddExpirationToken(added);
                    return ValueTask.FromResult(1);
                },
                new() { ExpirationTokens = [given] }));
            await ExpectAsync(cache, "k", 1);
            (ofTheCall ? given : added).Change();
            await ExpectMissAsync(cache, "k");
        }
    }

    [Fact]
    public async Task A_null_token_is_refused()
    {
        FluentActions.Invoking(() => new CacheEntryOptions { ExpirationTokens = [null!] }).Should().Throw<ArgumentException>();
        var cache = await CreateAsync();
        var act = () => Soon(cache.GetOrCreateAsync("k", (context, _) =>
        {
            context.AddExpirationToken(null!);
            return ValueTask.FromResult(1);
        }));
        await act.Should().ThrowAsync<ArgumentNullException>();
    }

    [Fact]
    public async Task A_token_ends_its_own_entry_and_not_the_one_that_took_its_place()
    {
        var cache = await CreateAsync();
        var token = new ManualChangeToken();
        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [token] });
        await cache.SetAsync("k", 2);
        token.Change();
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task A_counter_keeps_its_tokens_when_it_is_incremented()
    {
        var cache = await CreateAsync();
        var token = new ManualChangeToken();
        await cache.SetAsync("k", 1L, new CacheEntryOptions { ExpirationTokens = [token] });
        (await Soon(cache.IncrementAsync("k"))).Should().Be(2);
        token.Registrations.Should().Be(1);
        token.Change();
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task Whatever_way_an_entry_leaves_it_lets_go_of_its_tokens()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumEntries = 1);
        var token = new ManualChangeToken();
        var options = new CacheEntryOptions { Expiration = Seconds(10), Tags = ["t"], ExpirationTokens = [token] };
        Func<Task>[] ways =
        [
            () => Soon(cache.RemoveAsync("k")),
            () => Soon(cache.SetAsync("k", 2)),
            () => Soon(cache.ClearAsync()),
            async () =>
            {
                await cache.RemoveByTagAsync("t");
                await ExpectMissAsync(cache, "k");
            },
            async () =>
            {
                Clock.Advance(Seconds(10));
                await ExpectMissAsync(cache, "k");
            },
            async () =>
            {
                await cache.SetAsync("m", 1);
                await ExpectMissAsync(cache, "k");
            },
        ];
        foreach (var way in ways)
        {
            await cache.ClearAsync();
            await cache.SetAsync("k", 1, options);
            token.Registrations.Should().Be(1);
            await way();
            token.Registrations.Should().Be(0);
        }
    }

    [Fact]
    public async Task A_closed_cache_has_let_go_of_all_tokens()
    {
        var cache = await CreateAsync();
        var token = new ManualChangeToken();
        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [token] });
        await CloseAsync(cache);
        token.Registrations.Should().Be(0, "a token may outlive the cache, and would keep it in memory");
        token.Change();
    }

    [Fact]
    public async Task Entries_that_leave_at_the_same_time_as_their_token_changes_leave_no_registration()
    {
        var cache = await CreateAsync();
        for (var round = 0; round < 50; round++)
        {
            var token = new ManualChangeToken();
            using var start = new Barrier(3);
            var work = new Action[]
            {
                () => cache.Set("k", 1, new CacheEntryOptions { ExpirationTokens = [token] }),
                () => cache.Set("k", 2),
                token.Change,
            }.Select(act => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    act();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
            await Soon(Task.WhenAll(work));
            token.Registrations.Should().Be(0);

            // Either the plain set came last, or the other one did and the token, changed by now, has ended it.
            (await Soon(cache.GetAsync<int>("k"))).GetValueOrDefault(2).Should().Be(2);
        }
    }
}
