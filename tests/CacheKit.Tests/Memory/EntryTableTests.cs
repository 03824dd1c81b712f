using CacheKit.Benchmarks.Tables;
using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>What the chained table does beyond the contract: it grows, scans across growth, and gives up a broken hash.</summary>
public sealed class EntryTableTests
{
    private static MemoryEntry<string> Entry(string key) => new MemoryEntry<string>(key, key);

    [Theory]
    [InlineData(0, 64)]
    [InlineData(64, 64)]
    [InlineData(65, 128)]
    [InlineData(10_000, 16_384)]
    [InlineData(1_000_000_000, 65_536)]
    [InlineData(int.MaxValue, 65_536)]
    public void It_begins_with_room_for_what_is_expected_within_reason(int expectedCount, int buckets)
    {
        var table = new EntryTable(expectedCount);
        table.BucketCount.Should().Be(buckets);
        table.Verify();
    }

    [Fact]
    public void A_segment_grows_only_when_it_has_a_quarter_more_entries_than_buckets()
    {
        var table = new TestedTable<OneSegment>(1024);
        Fill(table, "a", 20);
        table.BucketCount.Should().Be(1024);
        Fill(table, "b", 1);
        table.BucketCount.Should().Be(1024 + 16);
        table.Verify();
    }

    [Fact]
    public void A_table_filled_as_expected_does_not_grow()
    {
        var table = new EntryTable(65_536);
        Fill(table, "a", 65_536);
        table.BucketCount.Should().Be(65_536);
        table.Verify();
    }

    [Fact]
    public void What_shares_a_bucket_and_a_tag_with_an_entry_that_has_left_is_still_found()
    {
        var table = new TestedTable<FewBuckets>();
        var entries = Fill(table, "k", 200);
        while (entries is [var entry, .. var others])
        {
            table.Remove(entry).Should().BeTrue();
            table.Find(entry.Key).Should().BeNull();
            others.TrueForAll(other => ReferenceEquals(table.Find(other.Key), other)).Should().BeTrue();
            table.Verify();
            entries = others;
        }
    }

    [Fact]
    public void Everything_is_found_after_growing_many_times()
    {
        var table = new EntryTable();
        var entries = Fill(table, "k", 20_000);
        entries.Should().OnlyContain(entry => ReferenceEquals(table.Find(entry.Key), entry));
        table.Find("absent").Should().BeNull();
        table.BucketCount.Should().BeInRange(16_384, 32_768);
        table.Verify();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(100)]
    public void A_scan_visits_all_that_stays_although_the_table_grows_between_slices(int slice)
    {
        for (var growAt = 0; growAt < 12; growAt++)
        {
            var table = new EntryTable();
            var stay = Fill(table, "stay", 60);
            var position = 0L;
            var visited = new List<MemoryEntry>();
            var slices = 0;
            do
            {
                table.Scan(ref position, slice, visited);
                if (slices == growAt)
                {
                    Fill(table, "late", 3000); // each segment doubles several times
                }

                slices++;
            }
            while (position != 0);

            visited.Should().Contain(stay);
            visited.Should().OnlyHaveUniqueItems("growing moves nothing between the parts of a round");
            table.Verify();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(100)]
    public void A_scan_visits_all_that_stays_although_the_table_shrinks_between_slices(int slice)
    {
        for (var shrinkAt = 0; shrinkAt < 60; shrinkAt += 5)
        {
            var table = new EntryTable();
            var stay = Fill(table, "stay", 60);
            var gone = Fill(table, "gone", 6000);
            var position = 0L;
            var visited = new List<MemoryEntry>();
            var slices = 0;
            do
            {
                table.Scan(ref position, slice, visited);
                if (slices++ == shrinkAt)
                {
                    Empty(table, gone);
                    table.BucketCount.Should().BeLessThan(500);
                }
            }
            while (position != 0);

            visited.Should().Contain(stay);
            table.Verify();
        }
    }

    [Fact]
    public void A_table_that_has_become_nearly_empty_gives_its_room_back_but_for_what_it_began_with()
    {
        var table = new EntryTable(128);
        var stay = Fill(table, "stay", 1000);
        var gone = Fill(table, "gone", 100_000);
        table.BucketCount.Should().BeGreaterThan(65_536);
        table.TrimExcess().Should().BeFalse("it is in use");

        Empty(table, gone);
        table.BucketCount.Should().BeInRange(2_000, 8_000, "there is room for twice what is there, and not for more than eight times as much");
        stay.Should().OnlyContain(entry => ReferenceEquals(table.Find(entry.Key), entry));
        table.Find("gone5").Should().BeNull();
        table.Verify();

        Empty(table, stay);
        table.BucketCount.Should().Be(128);
        Fill(table, "again", 10_000);
        table.Verify();
    }

    [Fact]
    public async Task Readers_find_what_stays_and_nothing_else_while_the_table_grows_and_shrinks()
    {
        var table = new SerialTable(new EntryTable());
        var stay = Enumerable.Range(0, 200).Select(i => Entry($"stay{i}")).ToList();
        stay.ForEach(entry => table.Put(entry));
        var isOver = false;
        var readers = Enumerable.Range(0, 2).Select(seed => Task.Factory.StartNew(() => ReadAll(seed), TaskCreationOptions.LongRunning)).ToArray();
        try
        {
            for (var round = 0; round < 40; round++)
            {
                var come = Enumerable.Range(0, 5000).Select(i => Entry($"come{i}")).ToList();
                come.ForEach(entry => table.Put(entry));
                come.ForEach(entry => table.Remove(entry));
                while (table.TrimExcess())
                {
                }
            }
        }
        finally
        {
            Volatile.Write(ref isOver, true);
        }

        (await Task.WhenAll(readers)).Should().OnlyContain(lost => lost == null);
        table.Verify();

        string? ReadAll(int seed)
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref isOver))
            {
                var entry = stay[random.Next(stay.Count)];
                if (!ReferenceEquals(table.Find(entry.Key), entry))
                {
                    return entry.Key;
                }

                if (table.Find("absent") is not null)
                {
                    return "absent";
                }
            }

            return null;
        }
    }

    [Fact]
    public void A_scan_that_the_table_keeps_growing_under_comes_to_its_end()
    {
        var table = new EntryTable();
        var stay = Fill(table, "stay", 64);
        var position = 0L;
        var visited = new List<MemoryEntry>();
        var slices = 0;
        do
        {
            table.Scan(ref position, 1, visited);
            Fill(table, $"late{slices++}:", 100);
        }
        while (position != 0);

        // A round is over the buckets there were at its start: as many in each segment as in the largest, which by the luck of the hashes has some of the 64.
        slices.Should().BeLessThanOrEqualTo((EntryTable.Segments * 16) + 1);
        visited.Should().Contain(stay);
        table.Verify();
    }

    [Fact]
    public void A_scan_of_a_large_and_nearly_empty_table_stops_now_and_then()
    {
        var table = new EntryTable(int.MaxValue);
        var entry = Entry("k");
        table.Put(entry);
        var position = 0L;
        var visited = new List<MemoryEntry>();
        table.Scan(ref position, 10, visited);
        position.Should().NotBe(0);
        while (position != 0)
        {
            table.Scan(ref position, 10, visited);
        }

        visited.Should().Equal(entry);
        table.Verify();
    }

    [Fact]
    public void A_hash_that_clashes_is_given_up_after_a_long_walk()
    {
        var table = new TestedTable<BrokenHash>();
        var entries = Fill(table, "k", 33);
        table.IsRehashed.Should().BeFalse("a newcomer has passed 32 entries at most");
        entries.AddRange(Fill(table, "more", 1));
        table.IsRehashed.Should().BeTrue();
        entries.Should().OnlyContain(entry => ReferenceEquals(table.Find(entry.Key), entry));
        table.Find("absent").Should().BeNull();
        LongestChain(table).Should().BeLessThan(20);
        table.Verify();
    }

    [Fact]
    public void After_the_hash_was_given_up_the_table_works_and_grows_as_before()
    {
        var table = new TestedTable<BrokenHash>();
        var before = Fill(table, "before", 34);
        table.IsRehashed.Should().BeTrue();
        var after = Fill(table, "after", 5000);
        table.BucketCount.Should().BeInRange(4096, 8192);

        var replacement = Entry(before[0].Key);
        table.Put(replacement).Should().BeSameAs(before[0]);
        table.Remove(before[0]).Should().BeFalse();
        table.Remove(before[1]).Should().BeTrue("an entry put before carries its new hash");
        table.Remove(after[0]).Should().BeTrue();
        table.Find(before[0].Key).Should().BeSameAs(replacement);
        table.Find(before[1].Key).Should().BeNull();
        table.Find(after[1].Key).Should().BeSameAs(after[1]);
        LongestChain(table).Should().BeLessThan(20);
        table.Verify();
    }

    [Fact]
    public void A_hash_that_an_entry_was_given_beforehand_counts_no_more_once_it_was_given_up()
    {
        var table = new TestedTable<BrokenHash>();
        Fill(table, "k", 34);
        table.IsRehashed.Should().BeTrue();
        var entry = Entry("known");
        entry.Hash = BrokenHash.Hash(entry.Key);
        table.Put(entry).Should().BeNull();
        table.Find(entry.Key).Should().BeSameAs(entry);
        table.Verify();
    }

    [Fact]
    public void An_entry_that_left_before_the_hash_was_given_up_cannot_be_removed_after()
    {
        var table = new TestedTable<BrokenHash>();
        var gone = Fill(table, "k", 1)[0];
        table.Remove(gone).Should().BeTrue();
        Fill(table, "more", 34);
        table.Remove(gone).Should().BeFalse();
        table.Count.Should().Be(34);
        table.Verify();
    }

    [Fact]
    public void A_hash_that_is_good_is_kept()
    {
        var table = new EntryTable();
        Fill(table, "k", 100_000);
        table.IsRehashed.Should().BeFalse();
        table.Verify();
    }

    [Fact]
    public void A_scan_across_the_change_of_hash_visits_all_that_stays()
    {
        for (var rehashAt = 0; rehashAt < 6; rehashAt++)
        {
            var table = new TestedTable<HalfBrokenHash>(500);
            var stay = Fill(table, "stay", 200);
            var position = 0L;
            var visited = new List<MemoryEntry>();
            var slices = 0;
            do
            {
                table.Scan(ref position, 20, visited);
                if (slices++ == rehashAt)
                {
                    Fill(table, "x", 34);
                    table.IsRehashed.Should().BeTrue();
                }
            }
            while (position != 0);

            visited.Should().Contain(stay);
            table.Verify();
        }
    }

    [Fact]
    public void Verify_notices_an_entry_that_is_lost()
    {
        var table = new TestedTable<OneHash>();
        var entries = Fill(table, "k", 3);
        entries[1].Next = null;
        table.Invoking(t => t.Verify()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void Verify_notices_a_ring()
    {
        var table = new TestedTable<OneHash>();
        var entries = Fill(table, "k", 3);
        entries.Single(entry => entry.Next is null).Next = entries.Single(entry => entries.TrueForAll(other => other.Next != entry));
        table.Invoking(t => t.Verify()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void Verify_notices_a_wrong_hash()
    {
        var table = new EntryTable();
        var entry = Fill(table, "k", 1)[0];
        entry.Hash += 1 << 20;
        table.Invoking(t => t.Verify()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void Verify_notices_an_entry_that_stayed_although_it_left()
    {
        var table = new EntryTable();
        Fill(table, "k", 1)[0].HasLeft = true;
        table.Invoking(t => t.Verify()).Should().Throw<InvalidOperationException>();
    }

    private static List<MemoryEntry<string>> Fill(IEntryTable table, string prefix, int count)
    {
        var entries = Enumerable.Range(0, count).Select(i => Entry(prefix + i)).ToList();
        entries.ForEach(entry => table.Put(entry).Should().BeNull());
        return entries;
    }

    private static void Empty(EntryTable table, List<MemoryEntry<string>> entries)
    {
        entries.ForEach(entry => table.Remove(entry));
        while (table.TrimExcess())
        {
        }
    }

    private static int LongestChain(TestedTable<BrokenHash> table)
    {
        var entries = new List<MemoryEntry>();
        var position = 0L;
        do
        {
            table.Scan(ref position, int.MaxValue, entries);
        }
        while (position != 0);

        var longest = 0;
        foreach (var entry in entries)
        {
            var length = 0;
            for (var at = entry; at is not null; at = at.Next)
            {
                length++;
            }

            longest = Math.Max(longest, length);
        }

        return longest;
    }
}
