using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Gathering;

/// <summary>Those who share a command do not notice what becomes of the others.</summary>
public sealed class SharedCommandTests : IAsyncLifetime
{
    private const int Callers = 40;

    private RedisServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? default;

    [Fact]
    public async Task Reads_that_come_together_go_as_few_commands()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("v", "t"));
        await _server.SendAsync("CONFIG", "RESETSTAT");
        for (var round = 0; round < 20; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 100).Select(i => store.GetAsync($"k{i}")));
        }

        (await CallsAsync("mget")).Should().BeLessThan(1000, "{0} keys were read", 2000);
    }

    [Fact]
    public async Task Sets_that_come_together_go_as_few_commands()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("v"));
        await _server.SendAsync("CONFIG", "RESETSTAT");
        for (var round = 0; round < 20; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 100).Select(i => store.SetAsync($"k{i}", Entry("v"))));
        }

        (await CallsAsync("evalsha")).Should().BeLessThan(1000, "{0} keys were set", 2000);
    }

    [Fact]
    public async Task A_set_that_nobody_came_along_with_is_no_transaction()
    {
        await using var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMinutes(1));
        await store.SetAsync("k", Entry("v"));
        await _server.SendAsync("CONFIG", "RESETSTAT");
        await _server.SuspendAsync();
        var alone = store.SetAsync("a", Entry("v"));
        var gathered = store.SetAsync("b", Entry("v")); // since one is under way
        await _server.ResumeAsync();
        await alone;
        await gathered;
        (await CallsAsync("evalsha")).Should().Be(2);
        ((string)(await _server.SendAsync("INFO", "commandstats"))!).Should().NotContain("cmdstat_multi");
        (await store.GetAsync("a")).Should().Be("v");
        (await store.GetAsync("b")).Should().Be("v");
    }

    [Fact]
    public async Task What_cannot_be_set_fails_alone()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("v"));
        for (var round = 0; round < 5; round++)
        {
            await _server.SendAsync("DEL", store.Layout.Entry("k13").ToString());
            await _server.SendAsync("RPUSH", store.Layout.Entry("k13").ToString(), "not a string");
            var setting = Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry($"{round} {i}"))).ToArray();
            var failure = await FluentActions.Awaiting(() => setting[13]).Should().ThrowAsync<CacheStoreException>();
            failure.Which.Failure.Should().Be(StoreFailure.Permanent);
            failure.Which.Message.Should().Contain("/e:k13'");
            foreach (var i in Enumerable.Range(0, Callers).Where(i => i != 13))
            {
                await setting[i];
                (await store.GetAsync($"k{i}")).Should().Be($"{round} {i}");
            }
        }
    }

    [Fact]
    public async Task What_cannot_be_read_is_a_miss_of_its_own()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry($"{i}"))));
        await _server.SendAsync("SET", store.Layout.Entry("k7").ToString(), "no entry");
        await _server.SendAsync("DEL", store.Layout.Entry("k8").ToString());
        await _server.SendAsync("RPUSH", store.Layout.Entry("k8").ToString(), "no string");
        var read = await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.GetAsync($"k{i}")));
        read.Should().Equal(Enumerable.Range(0, Callers).Select(i => i is 7 or 8 ? null : $"{i}"));
    }

    [Fact]
    public async Task Sets_are_sent_in_full_to_a_server_that_does_not_know_the_script()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("v"));
        for (var round = 0; round < 5; round++)
        {
            await _server.SendAsync("SCRIPT", "FLUSH");
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry($"{round} {i}"))));
            (await store.GetAsync("k21")).Should().Be($"{round} 21");
        }
    }

    [Fact]
    public async Task Sets_after_the_clock_was_lost_have_later_stamps_than_those_before()
    {
        await using var store = TestStores.Create(_server.Configuration);
        var before = await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry("1"))));
        await _server.SendAsync("DEL", store.Layout.Clock.ToString());
        var after = await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry("2"))));
        after.Min().Should().BeGreaterThan(before.Max());
        after.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task A_full_server_refuses_each_set_and_leaves_nothing_older()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry("old"))));
        await _server.SendAsync("CONFIG", "SET", "maxmemory", "1");
        foreach (var setting in Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry("new"))).ToArray())
        {
            (await FluentActions.Awaiting(() => setting).Should().ThrowAsync<CacheStoreException>()).Which.Failure.Should().Be(StoreFailure.WritesRefused);
        }

        await _server.SendAsync("CONFIG", "SET", "maxmemory", "0");
        (await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.GetAsync($"k{i}")))).Should().AllBeEquivalentTo((string?)null);
    }

    [Fact]
    public async Task A_caller_who_gives_up_does_not_disturb_the_others()
    {
        await using var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMinutes(1));
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry($"{i}"))));
        for (var round = 0; round < 2; round++)
        {
            using var impatience = new CancellationTokenSource();
            await _server.SuspendAsync();
            var reading = Enumerable.Range(0, Callers).Select(i => store.ReadAsync($"k{i}", default, i % 3 == 0 ? impatience.Token : default).AsTask()).ToArray();
            var setting = Enumerable.Range(0, Callers)
                .Select(i => store.WriteAsync($"s{i}", Entry($"{round} {i}"), StoreCondition.Always, i % 3 == 0 ? impatience.Token : default).AsTask()).ToArray();
            await impatience.CancelAsync();
            for (var i = 0; i < Callers; i += 3)
            {
                await FluentActions.Awaiting(() => reading[i]).Should().ThrowAsync<OperationCanceledException>();
                await FluentActions.Awaiting(() => setting[i]).Should().ThrowAsync<OperationCanceledException>();
            }

            await _server.ResumeAsync();
            foreach (var i in Enumerable.Range(0, Callers).Where(i => i % 3 != 0))
            {
                using var lookup = await reading[i];
                System.Text.Encoding.UTF8.GetString(lookup.Payload.Span).Should().Be($"{i}");
                (await setting[i]).IsStored.Should().BeTrue();
                (await store.GetAsync($"s{i}")).Should().Be($"{round} {i}");
            }
        }
    }

    [Fact]
    public async Task All_who_share_a_command_that_takes_too_long_are_told_so()
    {
        await using var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(300));
        await Waiting.UntilAsync(async () => await store.SetAsync("k", Entry("v")) > 0, what: "the server is used");
        await _server.SuspendAsync();
        var calls = Enumerable.Range(0, Callers).Select(i => i % 2 == 0 ? (Task)store.GetAsync($"k{i}") : store.SetAsync($"k{i}", Entry("v"))).ToArray();
        var failures = new List<Exception>();
        foreach (var call in calls)
        {
            var failure = await FluentActions.Awaiting(() => call).Should().ThrowAsync<CacheStoreException>();
            failure.Which.Failure.Should().Be(StoreFailure.Unavailable);
            failures.Add(failure.Which);
        }

        failures.Should().OnlyHaveUniqueItems("what one caller does with an exception is not to be seen by others");
        await _server.ResumeAsync();
        await Waiting.UntilAsync(async () => await store.GetAsync("k") == "v", what: "it goes on");
    }

    [Fact]
    public async Task A_store_that_is_disposed_ends_all_calls()
    {
        var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMinutes(10));
        await store.SetAsync("k", Entry("v"));
        await _server.SuspendAsync();
        var calls = Enumerable.Range(0, Callers).Select(i => i % 2 == 0 ? (Task)store.GetAsync($"k{i}") : store.SetAsync($"k{i}", Entry("v"))).ToArray();
        await store.DisposeAsync();
        await Waiting.UntilAsync(() => Array.TrueForAll(calls, static call => call.IsCompleted), what: "none waits for the server");
        calls.Should().NotContain(static call => call.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Values_that_factories_have_made_and_that_come_together_go_as_few_commands_and_leave_no_other_names()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("v", "t"));
        var stamp = await store.LoadStampAsync("k0");
        await _server.SendAsync("CONFIG", "RESETSTAT");
        for (var round = 0; round < 20; round++)
        {
            var stored = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => store.PopulateAsync($"k{(round * 100) + i}", Entry($"{i}", "t"), stamp)));
            stored.Should().AllBeEquivalentTo(true);
        }

        (await CallsAsync("evalsha")).Should().BeLessThan(1000, "{0} values were stored", 2000);
        (await store.GetAsync("k1907")).Should().Be("7");
        ((long)(await _server.SendAsync("PTTL", store.Layout.Entry("k1907").ToString()))!).Should().BePositive();
        ((object[])(await _server.SendAsync("KEYS", "*/w:*"))!).Should().BeEmpty();
    }

    [Theory]
    [InlineData("-multi")]
    [InlineData("-rename")]
    [InlineData("-mset")]
    public async Task A_server_that_does_not_grant_what_it_takes_to_write_together_is_written_to_one_by_one(string denied)
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("v"));
        await _server.SendAsync("ACL", "SETUSER", "default", denied);
        for (var round = 0; round < 5; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.SetAsync($"k{i}", Entry($"{round} {i}"))));
            (await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => store.GetAsync($"k{i}")))).Should().Equal(Enumerable.Range(0, Callers).Select(i => $"{round} {i}"));
        }

        (await store.Connection.GetAsync(default)).SharesWrites.Should().BeFalse();
    }

    private async Task<long> CallsAsync(string command)
    {
        var statistics = (string)(await _server.SendAsync("INFO", "commandstats"))!;
        var calls = statistics.Split($"cmdstat_{command}:calls=")[1];
        return long.Parse(calls[..calls.IndexOf(',', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);
    }
}
