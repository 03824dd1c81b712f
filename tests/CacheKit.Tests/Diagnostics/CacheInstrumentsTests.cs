using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Diagnostics;

public sealed class CacheInstrumentsTests
{
    private static readonly CacheStatistics _some = new()
    {
        Hits = 1,
        StaleHits = 2,
        Misses = 3,
        Joins = 4,
        FactoryRuns = 15,
        BackgroundRefreshes = 5,
        FactoryFailures = 6,
        DiscardedResults = 7,
        Sets = 8,
        Removals = 9,
        Replacements = 10,
        Evictions = 11,
        Expirations = 12,
        TokenExpirations = 13,
        Refusals = 14,
        Entries = 16,
        Weight = 17,
        Tiers =
        [
            new()
            {
                Name = "disk",
                Hits = 21,
                Misses = 22,
                Writes = 23,
                Removals = 24,
                Failures = 25,
                Timeouts = 26,
                Refusals = 27,
                Circuit = CircuitState.HalfOpen,
                PendingRecoveries = 28,
                MissingBytes = 29,
            },
            new() { Name = "redis", Hits = 31 },
        ],
    };

    [Fact]
    public void Statistics_are_reported_when_somebody_listens()
    {
        using var log = new MeasurementLog();
        using var instruments = new CacheInstruments("reported", () => _some, meters: null);

        log.Collect("cachekit.requests", "reported").Should().Equal(new Dictionary<string, double>
        {
            ["cachekit.result=hit"] = 1,
            ["cachekit.result=miss"] = 3,
            ["cachekit.result=join"] = 4,
        });
        log.Collect("cachekit.factory.runs", "reported").Should().Equal(new Dictionary<string, double>
        {
            ["cachekit.trigger=request"] = 10,
            ["cachekit.trigger=refresh"] = 5,
        });
        log.Collect("cachekit.entries.ended", "reported").Should().Equal(new Dictionary<string, double>
        {
            ["cachekit.reason=replaced"] = 10,
            ["cachekit.reason=evicted"] = 11,
            ["cachekit.reason=expired"] = 12,
            ["cachekit.reason=token_changed"] = 13,
        });
        foreach (var (name, value) in new[]
        {
            ("cachekit.stale_answers", 2), ("cachekit.factory.failures", 6), ("cachekit.discarded", 7), ("cachekit.sets", 8),
            ("cachekit.removals", 9), ("cachekit.refusals", 14), ("cachekit.entries", 16), ("cachekit.weight", 17),
        })
        {
            log.Collect(name, "reported").Should().Equal(new Dictionary<string, double> { [""] = value }, name);
        }
    }

    [Fact]
    public void Each_store_is_reported_under_its_name()
    {
        using var log = new MeasurementLog();
        using var instruments = new CacheInstruments("tiered", () => _some, meters: null);
        var reads = log.Collect("cachekit.tier.reads", "tiered");
        reads.Should().HaveCount(4).And.Contain("cachekit.tier=redis,cachekit.result=hit", 31);
        reads["cachekit.tier=disk,cachekit.result=hit"].Should().Be(21);
        reads["cachekit.tier=disk,cachekit.result=miss"].Should().Be(22);
        var unanswered = log.Collect("cachekit.tier.unanswered", "tiered");
        unanswered["cachekit.tier=disk,cachekit.reason=failure"].Should().Be(25);
        unanswered["cachekit.tier=disk,cachekit.reason=timeout"].Should().Be(26);
        unanswered["cachekit.tier=disk,cachekit.reason=refusal"].Should().Be(27);
        foreach (var (name, value) in new[]
        {
            ("writes", 23), ("removals", 24), ("circuits_open", 1), ("pending_recoveries", 28), ("missing", 29),
        })
        {
            log.Collect($"cachekit.tier.{name}", "tiered").Should().Equal(
                new Dictionary<string, double> { ["cachekit.tier=disk"] = value, ["cachekit.tier=redis"] = 0 }, name);
        }
    }

    [Fact]
    public void Calls_of_a_store_are_timed_by_operation_and_outcome()
    {
        using var log = new MeasurementLog();
        using var instruments = new CacheInstruments("timed-store", () => _some, meters: null);
        instruments.RecordStoreCall("redis", "read", TimeSpan.FromMilliseconds(2), "answered");
        log.Collect("cachekit.tier.duration", "timed-store").Should().Equal(new Dictionary<string, double>
        {
            ["cachekit.tier=redis,cachekit.operation=read,cachekit.outcome=answered"] = 0.002,
        });
    }

    [Fact]
    public void A_cache_that_only_counts_its_entries_reports_no_weight()
    {
        using var log = new MeasurementLog();
        using var instruments = new CacheInstruments("weightless", () => _some, meters: null, isWeightInBytes: false);
        log.Collect("cachekit.weight", "weightless").Should().BeEmpty();
        log.Collect("cachekit.entries", "weightless").Should().ContainSingle();
    }

    [Fact]
    public void Factories_are_timed_by_outcome()
    {
        using var log = new MeasurementLog();
        using var instruments = new CacheInstruments("timed", () => _some, meters: null);
        instruments.RecordFactory(TimeSpan.FromMilliseconds(250), hasFailed: false);
        instruments.RecordFactory(TimeSpan.FromSeconds(2), hasFailed: true);
        log.Collect("cachekit.factory.duration", "timed").Should().Equal(new Dictionary<string, double>
        {
            ["cachekit.outcome=success"] = 0.25,
            ["cachekit.outcome=failure"] = 2,
        });
    }

    [Fact]
    public void Caches_side_by_side_are_told_apart_by_name_and_share_the_instruments()
    {
        using var log = new MeasurementLog();
        using var one = new CacheInstruments("one", () => new() { Sets = 1 }, meters: null);
        using var two = new CacheInstruments("two", () => new() { Sets = 2 }, meters: null);
        log.Collect("cachekit.sets", "one")[""].Should().Be(1);
        log.Collect("cachekit.sets", "two")[""].Should().Be(2);
        log.Instruments.Select(instrument => instrument.Name).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void Caches_made_at_once_share_the_instruments()
    {
        for (var round = 0; round < 50; round++)
        {
            using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
            var meters = services.GetRequiredService<IMeterFactory>();
            using var log = new MeasurementLog(meters);
            Parallel.For(0, 4, index => new CacheInstruments($"{index}", () => new(), meters).Dispose());
            log.Instruments.Select(instrument => instrument.Name).Should().OnlyHaveUniqueItems();
        }
    }

    [Fact]
    public void A_disposed_cache_reports_no_more()
    {
        using var log = new MeasurementLog();
        var instruments = new CacheInstruments("gone", () => _some, meters: null);
        log.Collect("cachekit.sets", "gone").Should().ContainSingle();
        instruments.Dispose();
        instruments.Dispose();
        log.Collect("cachekit.sets", "gone").Should().BeEmpty();
    }

    [Fact]
    public void A_cache_disposed_while_a_collection_runs_does_not_spoil_it_for_the_others()
    {
        using var log = new MeasurementLog();
        using var going = new CacheInstruments("going", () => throw new ObjectDisposedException("cache"), meters: null);
        using var staying = new CacheInstruments("staying", () => _some, meters: null);
        log.Collect("cachekit.sets", "staying").Should().ContainSingle();
    }

    [Fact]
    public void A_cache_that_nobody_disposes_is_not_kept_alive_by_its_metrics()
    {
        using var log = new MeasurementLog();
        var cache = Create();
        for (var i = 0; i < 10 && cache.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        cache.IsAlive.Should().BeFalse();
        log.Collect("cachekit.sets", "abandoned").Should().BeEmpty();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Create() => new(new CacheInstruments("abandoned", () => _some, meters: null));
    }

    [Fact]
    public void The_meter_of_a_factory_is_used_alone()
    {
        using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        using var scoped = new MeasurementLog(meters);
        using var processWide = new MeasurementLog();
        using var one = new CacheInstruments("scoped-one", () => new() { Sets = 1 }, meters);
        using var two = new CacheInstruments("scoped-two", () => new() { Sets = 2 }, meters);

        scoped.Collect("cachekit.sets", "scoped-one")[""].Should().Be(1);
        scoped.Collect("cachekit.sets", "scoped-two")[""].Should().Be(2);
        scoped.Instruments.Select(instrument => instrument.Name).Should().OnlyHaveUniqueItems();
        processWide.Collect("cachekit.sets", "scoped-one").Should().BeEmpty();

        one.Dispose();
        scoped.Collect("cachekit.sets", "scoped-one").Should().BeEmpty();
        scoped.Collect("cachekit.sets", "scoped-two").Should().ContainSingle();
    }

    [Fact]
    public void A_factory_that_is_disposed_first_does_no_harm()
    {
        var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var instruments = new CacheInstruments("late", () => _some, services.GetRequiredService<IMeterFactory>());
        services.Dispose();
        instruments.RecordFactory(TimeSpan.FromSeconds(1), hasFailed: false);
        instruments.Dispose();
    }

    [Fact]
    public void Instruments_have_units_and_descriptions_and_never_a_key_or_tag()
    {
        using var log = new MeasurementLog();
        using var instruments = new CacheInstruments("described", () => _some, meters: null);
        instruments.RecordFactory(TimeSpan.FromSeconds(1), hasFailed: false);
        instruments.RecordStoreCall("disk", "write", TimeSpan.FromSeconds(1), "failed");
        log.Instruments.Should().OnlyContain(instrument => instrument.Unit!.Length > 0 && instrument.Description!.EndsWith('.'));
        log.CollectTagNames().Should().BeSubsetOf(["cachekit.cache", "cachekit.result", "cachekit.trigger", "cachekit.reason", "cachekit.outcome", "cachekit.tier", "cachekit.operation"]);
    }
}
