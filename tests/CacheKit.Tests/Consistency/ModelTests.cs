using CacheKit.Engine;
using CacheKit.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace CacheKit.Tests.Consistency;

/// <summary>Random sequences of calls: the cache returns and counts the same as a plain model of it, after every step.</summary>
public sealed class ModelTests
{
    private const int LongestSequence = 60;

    [Fact]
    public void Any_sequence_of_calls_returns_and_counts_what_the_model_does() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Sequences, steps => { FindDifference(steps, new CacheModel()).Should().BeNull(); }));

    [Fact]
    public void A_model_that_differs_is_found_out_by_a_short_sequence()
    {
        ModelStep[]? shortest = null;
        var property = Prop.ForAll(Sequences, steps =>
        {
            var isSame = FindDifference(steps, new CacheModel(forgetsStaleValues: true)) is null;
            shortest = isSame ? shortest : steps;
            return isSame;
        });
        FluentActions.Invoking(() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), property)).Should().Throw<Exception>();
        shortest.Should().NotBeNull();

        // A value that may stand in is stored, and expires; then it is asked for, or counted.
        shortest!.Length.Should().BeInRange(2, 4); // not null, as was just asserted
    }

    private static Arbitrary<ModelStep[]> Sequences { get; } =
        Arb.From(from length in Gen.Choose(1, LongestSequence) from steps in ModelStep.Any.ArrayOf(length) select steps, Shrink);

    private static IEnumerable<ModelStep[]> Shrink(ModelStep[] steps)
    {
        for (var size = steps.Length / 2; size > 0; size /= 2)
        {
            for (var start = 0; start + size <= steps.Length; start += size)
            {
                yield return [.. steps[..start], .. steps[(start + size)..]];
            }
        }

        for (var i = 0; i < steps.Length; i++)
        {
            if (steps[i].Choice > 0)
            {
                yield return [.. steps[..i], steps[i] with { Choice = 0 }, .. steps[(i + 1)..]];
            }

            if (steps[i].Tags > 0)
            {
                yield return [.. steps[..i], steps[i] with { Tags = 0 }, .. steps[(i + 1)..]];
            }
        }
    }

    /// <returns>What the cache and the model do not agree on, after which step; <see langword="null"/> if there is nothing.</returns>
    private static string? FindDifference(ModelStep[] steps, CacheModel model)
    {
        var time = new ManualTimeProvider();
        using var cache = TestCache.Create(time, new MemoryOptions { MaximumEntries = 64, MemoryPressureShare = 1 });
        foreach (var step in steps)
        {
            var expected = step.TakeOn(model);
            var actual = step.TakeOn(cache, time);
            cache.Settle(); // after refreshes in the background

            var statistics = cache.GetStatistics();
            (long, long, long, long, long, long, long, long, long, long) counted = (
                statistics.Hits, statistics.StaleHits, statistics.Misses, statistics.Joins, statistics.FactoryRuns,
                statistics.FactoryFailures, statistics.BackgroundRefreshes, statistics.Sets, statistics.Removals, statistics.DiscardedResults);
            (long, long, long, long, long, long, long, long, long, long) countedByModel = (
                model.Hits, model.StaleHits, model.Misses, 0, model.FactoryRuns,
                model.FactoryFailures, model.BackgroundRefreshes, model.Sets, model.Removals, 0);
            if (actual != expected || counted != countedByModel)
            {
                return $"{step} returned '{actual}', not '{expected}', and counted {counted}, not {countedByModel}";
            }

            if (step.What == ModelStep.Kind.Advance && statistics.Entries != model.Count)
            {
                return $"{step} left {statistics.Entries} entries, not {model.Count}";
            }
        }

        return null;
    }
}
