using CacheKit.Benchmarks.Tables;
using System.Globalization;
using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>
/// Tables under concurrent use. CACHEKIT_SOAK_SECONDS says for how long, else it is a second or two. The tests that
/// expect a failure show that the others can fail.
/// </summary>
[Trait("Category", "Stress")]
public sealed class TableStressTests(ITestOutputHelper output)
{
    private static readonly TimeSpan _longEnoughToFail = TimeSpan.FromSeconds(60);

    private static TimeSpan Duration { get; } = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 1.5);

    [Fact]
    public void The_table_keeps_its_promises() => Run(() => new EntryTable(), Duration).Should().BeNull();

    [Fact]
    public void The_table_with_the_portable_hash_keeps_its_promises() => Run(() => new TestedTable<PortableHash>(), Duration).Should().BeNull();

    [Fact]
    public void The_table_with_long_chains_keeps_its_promises() => Run(() => new TestedTable<FewHashes>(), Duration, newKeys: 60, others: 500).Should().BeNull();

    [Fact]
    public void The_table_with_many_tags_in_a_bucket_keeps_its_promises() => Run(() => new TestedTable<FewBuckets>(), Duration, newKeys: 60, others: 500).Should().BeNull();

    [Fact]
    public void The_table_that_gives_up_its_hash_meanwhile_keeps_its_promises() => Run(() => new TestedTable<HashBrokenLate>(), Duration, newKeys: 1500).Should().BeNull();

    [Fact]
    public void The_dictionary_keeps_its_promises() => Run(() => new DictionaryTable(), Duration).Should().BeNull();

    [Fact]
    public void A_table_that_believes_misses_while_it_grows_is_found_out() =>
        Run(() => new TestedTable<BelievesMisses>(), _longEnoughToFail).Should().Contain("was there throughout and was not found");

    [Fact]
    public void A_table_that_replaces_at_the_head_is_found_out() =>
        Run(() => new TestedTable<ReplacesAtHead>(), _longEnoughToFail, newKeys: 60, others: 500).Should().Contain("was there throughout and was not found");

    [Fact]
    public void A_table_that_forgets_tags_that_entries_share_is_found_out() =>
        Run(() => new TestedTable<ForgetsSharedTags>(), _longEnoughToFail, newKeys: 60, others: 500).Should().NotBeNull();

    private string? Run(Func<IEntryTable> create, TimeSpan duration, int newKeys = 4000, int others = 2)
    {
        var start = TimeProvider.System.GetTimestamp();
        var stress = new TableStress(create, newKeys, others);
        var violation = stress.Run(duration);
        output.WriteLine($"{stress.Rounds} rounds, {stress.Writes} writes, {stress.Reads} reads in {TimeProvider.System.GetElapsedTime(start)}: {violation ?? "nothing wrong"}");
        return violation;
    }
}
