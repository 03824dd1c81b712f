using CacheKit.Testing;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Adapters;

/// <summary>A cache with any distributed cache as its store, beyond what the contract of stores says.</summary>
public sealed class DistributedCacheStoreTests
{
    private readonly DictionaryCache _backend = new();

    [Fact]
    public async Task Values_survive_the_cache_that_stored_them_and_tags_take_them_for_both()
    {
        await using var first = Host();
        await first.Cache.SetAsync("k", "value", new() { Tags = ["t"], Expiration = TimeSpan.FromHours(1) });
        await using var second = Host();
        (await second.Cache.GetAsync<string>("k")).Value.Should().Be("value");
        await second.Cache.RemoveByTagAsync("t");
        (await second.Cache.GetAsync<string>("k")).IsHit.Should().BeFalse();
        await using var third = Host();
        (await third.Cache.GetAsync<string>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Caches_of_other_names_see_nothing_of_it()
    {
        var services = new ServiceCollection();
        services.AddSingleton<IDistributedCache>(_backend);
        services.AddCacheKit(cache => cache.WithoutMemory().UseDistributedCache()).AddCacheKit("default:e", cache => cache.WithoutMemory().UseDistributedCache());
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredService<ICache>().SetAsync("e:k", 1);
        await provider.GetRequiredKeyedService<ICache>("default:e").SetAsync("k", 2);
        (await provider.GetRequiredService<ICache>().GetAsync<int>("e:k")).Value.Should().Be(1);
        await provider.GetRequiredService<ICache>().ClearAsync();
        (await provider.GetRequiredKeyedService<ICache>("default:e").GetAsync<int>("k")).Value.Should().Be(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_mark_that_was_dropped_to_make_room_loses_entries_and_revives_none(bool ofTag)
    {
        await using var host = Host();
        await host.Cache.SetAsync("removed", 1, new() { Tags = ["t"] });
        await host.Cache.SetAsync("other", 2, new() { Tags = ["t"] });
        var kept = _backend.Bytes.Single(pair => pair.Key.EndsWith(":e:removed", StringComparison.Ordinal));
        await (ofTag ? host.Cache.RemoveByTagAsync("t") : host.Cache.ClearAsync());
        _backend.Bytes.TryRemove(_backend.Bytes.Keys.Single(key => key.EndsWith(ofTag ? ":t:t" : ":c", StringComparison.Ordinal)), out _);
        _backend.Bytes[kept.Key] = kept.Value;
        (await host.Cache.GetAsync<int>("removed")).IsHit.Should().BeFalse();
        await host.Cache.SetAsync("new", 3, new() { Tags = ["t"] });
        await host.Cache.GetAsync<int>("new"); // a look finds that the mark is not there any more
        await host.Cache.SetAsync("new", 3, new() { Tags = ["t"] });
        (await host.Cache.GetAsync<int>("new")).Value.Should().Be(3);
        (await host.Cache.GetAsync<int>("removed")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Bytes_that_do_not_parse_are_a_miss_whichever_is_wrong()
    {
        await using var host = Host();
        await host.Cache.SetAsync("k", "value", new() { Tags = ["t"] });
        var name = _backend.Bytes.Keys.Single(key => key.EndsWith(":e:k", StringComparison.Ordinal));
        var whole = _backend.Bytes[name];
        for (var i = 0; i < whole.Length; i++)
        {
            byte[] flipped = [.. whole];
            flipped[i] ^= 0x10;
            _backend.Bytes[name] = flipped;
            (await host.Cache.GetAsync<string>("k")).GetValueOrDefault("miss").Should().BeOneOf("miss", "value");
            _backend.Bytes[name] = whole[..i];
            (await host.Cache.GetAsync<string>("k")).IsHit.Should().BeFalse();
        }

        _backend.Bytes[name.Replace(":e:k", ":e:l", StringComparison.Ordinal)] = whole;
        (await host.Cache.GetAsync<string>("l")).IsHit.Should().BeFalse("it is another key's");
        _backend.Bytes[name] = whole;
        (await host.Cache.GetAsync<string>("k")).Value.Should().Be("value");
    }

    [Fact]
    public async Task A_removal_that_did_not_get_through_holds_all_the_same()
    {
        await using var host = Host();
        await host.Cache.SetAsync("k", "value");
        _backend.IsBroken = true;
        await host.Cache.RemoveAsync("k");
        _backend.IsBroken = false;
        (await host.Cache.GetAsync<string>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task It_is_found_under_a_key_or_given_and_its_absence_is_told()
    {
        var services = new ServiceCollection();
        services.AddKeyedSingleton<IDistributedCache>("backend", _backend);
        services.AddCacheKit("keyed", cache => cache.UseDistributedCache(from => from.ServiceKey = "backend"));
        services.AddCacheKit("given", cache => cache.UseDistributedCache(from => (from.Create, from.KeyPrefix) = (_ => _backend, "mine/")));
        services.AddCacheKit("missing", cache => cache.UseDistributedCache(from => from.ServiceKey = "nobody"));
        services.AddDistributedMemoryCache().AddCacheKit(cache => cache.UseDistributedCache().AsDistributedCache());
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredKeyedService<ICache>("keyed").SetAsync("k", 1);
        await provider.GetRequiredKeyedService<ICache>("given").SetAsync("k", 1);
        _backend.Bytes.Keys.Should().Contain(["cachekit:keyed:e:k", "mine/e:k"]);
        provider.Invoking(it => it.GetRequiredKeyedService<ICache>("missing")).Should().Throw<InvalidOperationException>().WithMessage("*nobody*");
        provider.Invoking(it => it.GetRequiredService<ICache>()).Should().Throw<InvalidOperationException>().WithMessage("*'default'*cannot be its own store*ServiceKey*");
    }

    [Theory(Timeout = 30_000)]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("all")]
    public async Task What_another_process_removes_is_gone_here_and_what_was_begun_before_is_not_stored(string way)
    {
        await using AdapterHost here = Host(), there = Host(new() { Bytes = _backend.Bytes });
        await here.Cache.SetAsync("k", 1, new() { Tags = ["t"] });
        there.Time.Advance(TimeSpan.FromMilliseconds(1));
        here.Time.Advance(TimeSpan.FromMilliseconds(1));
        (await there.Cache.GetAsync<int>("k")).Value.Should().Be(1);
        var gate = new TaskCompletionSource<int>();
        var late = here.Cache.GetOrCreateAsync("made", _ => new ValueTask<int>(gate.Task), new CacheEntryOptions { Tags = ["t"] }).AsTask();
        there.Time.Advance(TimeSpan.FromMilliseconds(1));
        here.Time.Advance(TimeSpan.FromMilliseconds(1));
        await (way switch
        {
            "key" => RemoveBothAsync(),
            "tag" => there.Cache.RemoveByTagAsync("t"),
            _ => there.Cache.ClearAsync(),
        });
        (await here.Cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
        gate.SetResult(2);
        (await late).Should().Be(2);
        (await here.Cache.GetAsync<int>("made")).IsHit.Should().BeFalse();
        (await there.Cache.GetAsync<int>("made")).IsHit.Should().BeFalse();
        await here.Cache.SetAsync("k", 3, new() { Tags = ["t"] });
        (await there.Cache.GetAsync<int>("k")).Value.Should().Be(3);

        async ValueTask RemoveBothAsync()
        {
            await there.Cache.RemoveAsync("k");
            await there.Cache.RemoveAsync("made");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_process_whose_clock_is_behind_takes_no_removal_back(bool ofTag)
    {
        await using AdapterHost ahead = Host(), behind = Host(new() { Bytes = _backend.Bytes }), other = Host(new() { Bytes = _backend.Bytes });
        ahead.Time.Advance(TimeSpan.FromSeconds(10));
        other.Time.Advance(TimeSpan.FromSeconds(10));
        await ahead.Cache.SetAsync("k", 1, new() { Tags = ["t"] });
        await RemoveAsync(ahead);
        await RemoveAsync(behind);
        (await other.Cache.GetAsync<int>("k")).IsHit.Should().BeFalse();

        ValueTask RemoveAsync(AdapterHost host) => ofTag ? host.Cache.RemoveByTagAsync("t") : host.Cache.ClearAsync();
    }

    [Fact]
    public async Task No_record_is_left_to_the_default_lifetime_of_the_distributed_cache()
    {
        await using var host = Host();
        await host.Cache.SetAsync("endless", 1, new() { Tags = ["t"] });
        await host.Cache.SetAsync("brief", 1, TimeSpan.FromSeconds(10));
        await host.Cache.RemoveByTagAsync("t");
        await host.Cache.RemoveAsync("removed");
        _backend.Lives.Should().HaveCount(5).And.OnlyContain(life => life.Value.AbsoluteExpirationRelativeToNow != null && life.Value.SlidingExpiration == null);
        _backend.Lives["cachekit:default:e:brief"].AbsoluteExpirationRelativeToNow.Should().BeCloseTo(TimeSpan.FromSeconds(11), TimeSpan.FromSeconds(1));
        _backend.Lives["cachekit:default:e:removed"].AbsoluteExpirationRelativeToNow.Should().Be(TimeSpan.FromMinutes(1));
        _backend.Lives["cachekit:default:t:t"].AbsoluteExpirationRelativeToNow.Should().BeGreaterThan(TimeSpan.FromDays(365));
    }

    private static AdapterHost Host(DictionaryCache backend) => new(cache => cache.WithoutMemory().UseDistributedCache(from => from.Create = _ => backend));

    private AdapterHost Host() => new(cache => cache.WithoutMemory().UseDistributedCache(from => from.Create = _ => _backend));
}
