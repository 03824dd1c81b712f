using System.Buffers;
using System.Text;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Adapters;

/// <summary>What code written for <see cref="HybridCache"/> may expect of memory with something shared behind it.</summary>
public sealed class HybridCacheWithStoreTests
{
    private static readonly HybridCacheEntryOptions _onlyStore = new() { Flags = HybridCacheEntryFlags.DisableLocalCache };

    private readonly DictionaryCache _backend = new();
    private int _runs;

    [Fact]
    public async Task The_flags_of_hybrid_cache_choose_between_memory_and_the_store()
    {
        await using var host = new AdapterHost(cache => cache.UseDistributedCache(from => from.Create = _ => _backend).AsHybridCache());
        var cache = host.Get<HybridCache>();
        var runs = 0;
        ValueTask<int> GetAsync(HybridCacheEntryFlags flags) => cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs), new() { Flags = flags });

        (await GetAsync(HybridCacheEntryFlags.DisableDistributedCacheWrite)).Should().Be(1);
        (await GetAsync(HybridCacheEntryFlags.DisableLocalCache | HybridCacheEntryFlags.DisableUnderlyingData)).Should().Be(0, "only memory has it");
        (await GetAsync(HybridCacheEntryFlags.DisableLocalCacheRead | HybridCacheEntryFlags.DisableLocalCacheWrite)).Should().Be(2, "the store has nothing");
        await cache.RemoveAsync("k");
        (await GetAsync(HybridCacheEntryFlags.DisableLocalCacheWrite)).Should().Be(3);
        (await GetAsync(HybridCacheEntryFlags.DisableDistributedCacheRead | HybridCacheEntryFlags.DisableUnderlyingData)).Should().Be(0, "only the store has it");
        (await GetAsync(HybridCacheEntryFlags.DisableUnderlyingData)).Should().Be(3);
        (await GetAsync(HybridCacheEntryFlags.DisableDistributedCache | HybridCacheEntryFlags.DisableUnderlyingData)).Should().Be(3, "the read before has filled memory");
        (await GetAsync(HybridCacheEntryFlags.DisableLocalCacheRead | HybridCacheEntryFlags.DisableDistributedCacheRead)).Should().Be(4, "nothing is to be read");
        (await GetAsync(HybridCacheEntryFlags.None)).Should().Be(4);
    }

    [Fact(Timeout = 30_000)]
    public async Task Callers_with_different_flags_do_not_share_an_execution()
    {
        await using var host = new AdapterHost(cache => cache.AsHybridCache());
        var cache = host.Get<HybridCache>();
        var gate = new TaskCompletionSource<int>();
        var first = cache.GetOrCreateAsync("k", _ => new ValueTask<int>(gate.Task)).AsTask();
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2), new() { Flags = HybridCacheEntryFlags.DisableLocalCacheRead })).Should().Be(2);
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(3), new() { Flags = HybridCacheEntryFlags.DisableLocalCache | HybridCacheEntryFlags.DisableUnderlyingData }))
            .Should().Be(0);
        gate.SetResult(1);
        (await first).Should().Be(1);
    }

    [Fact]
    public async Task The_flags_a_call_does_not_set_are_those_of_the_options()
    {
        await using var host = Host(options => options.DefaultEntryOptions = new() { Flags = HybridCacheEntryFlags.DisableDistributedCache });
        await GetAsync(host);
        _backend.Bytes.Keys.Should().NotContain(name => name.EndsWith(":e:k", StringComparison.Ordinal));
        (await GetAsync(host, new() { Expiration = TimeSpan.FromHours(1) })).Should().Be(1);
        await host.Get<HybridCache>().SetAsync("k", 7, new() { Flags = HybridCacheEntryFlags.None });
        _backend.BytesOf("k").Should().NotBeEmpty();
    }

    [Fact]
    public async Task Memory_asks_again_after_its_own_lifetime_and_the_value_ends_after_the_whole()
    {
        await using var host = Host();
        var options = new HybridCacheEntryOptions { Expiration = TimeSpan.FromSeconds(60), LocalCacheExpiration = TimeSpan.FromSeconds(10) };
        await GetAsync(host, options);
        var reads = _backend.EntryReads;
        host.Time.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        (await GetAsync(host, options)).Should().Be(1);
        _backend.EntryReads.Should().Be(reads, "memory has it");
        host.Time.Advance(TimeSpan.FromTicks(1));
        (await GetAsync(host, options)).Should().Be(1);
        _backend.EntryReads.Should().BeGreaterThan(reads);
        host.Time.Advance(TimeSpan.FromSeconds(50));
        (await GetAsync(host, options)).Should().Be(2);
    }

    [Fact]
    public async Task Memory_keeps_what_another_has_stored_no_longer_than_the_store_would()
    {
        await using AdapterHost one = Host(), other = Host();
        await GetAsync(one, new() { Expiration = TimeSpan.FromSeconds(30) });
        other.Time.Advance(TimeSpan.FromSeconds(20));
        (await GetAsync(other, new() { Expiration = TimeSpan.FromHours(1) })).Should().Be(1);
        other.Time.Advance(TimeSpan.FromSeconds(10));
        (await GetAsync(other, new() { Expiration = TimeSpan.FromHours(1) })).Should().Be(2);
    }

    [Theory]
    [InlineData("t")]
    [InlineData("*")]
    public async Task A_removal_by_tag_is_seen_by_who_comes_later_and_by_others_once_they_ask_the_store(string tag)
    {
        var options = new HybridCacheEntryOptions { LocalCacheExpiration = TimeSpan.FromSeconds(10), Expiration = TimeSpan.FromHours(1) };
        await using AdapterHost one = Host(), other = Host();
        await GetAsync(one, options, tags: ["t"]);
        (await GetAsync(other, options, tags: ["t"])).Should().Be(1);
        await one.Get<HybridCache>().RemoveByTagAsync(tag);
        await using var later = Host();
        (await GetAsync(later, new() { Flags = HybridCacheEntryFlags.DisableUnderlyingData })).Should().Be(0);
        other.Time.Advance(TimeSpan.FromSeconds(10));
        (await GetAsync(other, options, tags: ["t"])).Should().Be(2);
        (await GetAsync(one, options, tags: ["t"])).Should().Be(2, "what is stored after a removal is valid, for all");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_store_that_fails_is_told_of_and_done_without(bool alsoForReads)
    {
        await using var host = Host();
        _backend.IsBroken = alsoForReads;
        _backend.CannotWrite = true;
        (await GetAsync(host)).Should().Be(1);
        (await GetAsync(host)).Should().Be(1, "memory has it");
        await host.Get<HybridCache>().SetAsync("k", 7);
        (await GetAsync(host)).Should().Be(7);
        await host.Get<HybridCache>().RemoveAsync("k");
        (await GetAsync(host)).Should().Be(2);
        await host.Get<HybridCache>().RemoveByTagAsync("t");
        host.Log.Messages.Should().Contain(message => message.Id == 20 && message.Message.Contains(": The distributed cache has failed: broken.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Bytes_that_mean_nothing_are_a_miss_and_replaced()
    {
        await using var host = Host();
        await GetAsync(host, _onlyStore);
        var name = _backend.Bytes.Keys.Single(key => key.EndsWith(":e:k", StringComparison.Ordinal));
        foreach (var bytes in new byte[][] { [], [1, 2, 3], Encoding.UTF8.GetBytes(new string('?', 500)), [.. _backend.Bytes[name], 0] })
        {
            _backend.Bytes[name] = bytes;
            var runs = _runs;
            (await GetAsync(host, _onlyStore)).Should().Be(runs + 1);
            (await GetAsync(host, _onlyStore)).Should().Be(runs + 1);
        }
    }

    [Fact]
    public async Task A_value_too_large_for_the_store_is_answered_kept_in_memory_and_told_of()
    {
        await using var host = Host(options => options.MaximumPayloadBytes = 2000);
        var cache = host.Get<HybridCache>();
        var text = new string('x', 3000);
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(text))).Should().Be(text);
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult("other"))).Should().Be(text);
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult("other"), _onlyStore)).Should().Be("other");
        host.Log.Messages.Should().ContainSingle(message => message.Message.Contains("2,000", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Values_are_compressed_as_the_cache_says_unless_that_is_disabled(bool byOptions)
    {
        await using var host = new AdapterHost(cache => cache
            .UseDistributedCache(from => from.Create = _ => _backend)
            .AsHybridCache(options => options.DisableCompression = byOptions)
            .Configure(options => options.Serialization.Compress = true));
        var cache = host.Get<HybridCache>();
        var text = new string('x', 10_000);
        await cache.SetAsync("k", text);
        await cache.SetAsync("disabled", text, new() { Flags = HybridCacheEntryFlags.DisableCompression });
        _backend.BytesOf("disabled").Length.Should().BeGreaterThan(10_000);
        (_backend.BytesOf("k").Length > 10_000).Should().Be(byOptions);
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(""), _onlyStore)).Should().Be(text);
    }

    [Fact]
    public async Task Bytes_that_a_serializer_refuses_are_a_miss()
    {
        await using var host = Host(services: services => services.AddSingleton<IHybridCacheSerializer<Note>>(new NoteSerializer()));
        var cache = host.Get<HybridCache>();
        await cache.SetAsync("k", new Note("unreadable"), new() { Flags = HybridCacheEntryFlags.DisableLocalCache });
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(new Note("made")), _onlyStore)).Text.Should().Be("made");
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(new Note("never made")), _onlyStore)).Text.Should().Be("made");
    }

    private AdapterHost Host(Action<CacheKit.Adapters.CacheKitHybridCacheOptions>? configure = null, Action<IServiceCollection>? services = null) =>
        new(cache => cache.UseDistributedCache(from => from.Create = _ => _backend).AsHybridCache(configure), services);

    private ValueTask<int> GetAsync(AdapterHost host, HybridCacheEntryOptions? options = null, IEnumerable<string>? tags = null) =>
        host.Get<HybridCache>().GetOrCreateAsync("k", _ => ValueTask.FromResult(++_runs), options, tags);

    [System.ComponentModel.ImmutableObject(true)]
    private sealed record Note(string Text);

    private sealed class NoteSerializer : IHybridCacheSerializer<Note>
    {
        public Note Deserialize(ReadOnlySequence<byte> source) =>
            Encoding.UTF8.GetString(source) is var text && text == "unreadable" ? throw new FormatException(text) : new(text);

        public void Serialize(Note value, IBufferWriter<byte> target) => Encoding.UTF8.GetBytes(value.Text, target);
    }
}
