using System.Globalization;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>
/// After an invalidation or a write has returned, no read that begins later gets an older value, whatever loads are under way. CACHEKIT_SOAK_SECONDS
/// says for how long that is tried, else it is a second.
/// </summary>
[Trait("Category", "Stress")]
public abstract class StoreConcurrencyContract : StoreContract
{
    private static TimeSpan Duration { get; } = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 1);

    [Fact]
    public Task No_read_after_an_invalidation_gets_an_older_value() => CheckAsync(StoreTraffic.Everything);

    [Fact]
    public Task No_read_after_an_invalidation_gets_an_older_value_when_only_loads_write() => CheckAsync(StoreTraffic.Everything & ~StoreTraffic.Sets);

    [Fact]
    public Task No_read_after_an_invalidation_by_tag_gets_an_older_value() => CheckAsync(StoreTraffic.Loads | StoreTraffic.RemovalsByTag | StoreTraffic.KnownStamps);

    [Fact]
    public async Task Readers_see_no_half_written_value()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        await RunTogetherAsync(4, async thread =>
        {
            var mine = thread % 2 == 0 ? store : other;
            for (var i = 0; i < 200; i++)
            {
                if (thread < 2)
                {
                    await SetAsync(mine, "k", Entry(new string((char)('a' + i % 26), 100 + i * 37 % 9_000)));
                }
                else
                {
                    var read = await ReadAsync(mine, "k");
                    read.Text.Distinct().Should().HaveCountLessThanOrEqualTo(1);
                    (read.Text.Length == 0 || read.Text.Length >= 100).Should().BeTrue();
                }
            }
        });
    }

    private async Task CheckAsync(StoreTraffic traffic)
    {
        var store = await CreateAsync();
        var check = new StoreConsistencyCheck([store, await OpenAnotherAsync(store)], Clock, traffic);
        await check.RunAsync(Duration);
        check.Violations.Should().BeEmpty("{0}", check);
        check.Hits.Should().BePositive("{0}", check);
        check.Stores.Should().BePositive("{0}", check);
        check.Invalidations.Should().BePositive("{0}", check);
    }
}
