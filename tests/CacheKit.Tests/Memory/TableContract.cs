using CacheKit.Benchmarks.Tables;
using System.Globalization;
using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>What every table does, however it finds its entries.</summary>
public abstract class TableContract
{
    private protected abstract IEntryTable CreateTable();

    private SerialTable Create() => new(CreateTable());

    private protected static MemoryEntry<string> Entry(string key) => new MemoryEntry<string>(key, key);

    [Fact]
    public void A_key_that_was_never_put_is_not_found()
    {
        var table = Create();
        table.Find("absent").Should().BeNull();
        table.Count.Should().Be(0);
        table.Verify();
    }

    [Fact]
    public void An_entry_is_found_under_an_equal_key_that_is_another_string()
    {
        var table = Create();
        var entry = Entry("user:1");
        table.Put(entry);
        table.Find(new string("user:1".AsSpan())).Should().BeSameAs(entry);
        table.Find("user:2").Should().BeNull();
        table.Find("User:1").Should().BeNull();
        table.Verify();
    }

    [Fact]
    public void The_empty_key_is_a_key()
    {
        var table = Create();
        var entry = Entry("");
        table.Put(entry);
        table.Put(Entry("\0"));
        table.Find("").Should().BeSameAs(entry);
        table.Verify();
    }

    [Fact]
    public void Keys_of_any_length_that_differ_in_one_character_are_told_apart()
    {
        var table = Create();
        var entries = new List<MemoryEntry>();
        for (var length = 1; length <= 70; length++)
        {
            for (var at = 0; at < length; at++)
            {
                var characters = new string('a', length).ToCharArray();
                characters[at] = '\u4e00';
                entries.Add(Entry(new string(characters)));
            }
        }

        entries.ForEach(entry => table.Put(entry).Should().BeNull());
        entries.Should().AllSatisfy(entry => table.Find(new string(entry.Key.AsSpan())).Should().BeSameAs(entry));
        table.Find(new string('a', 40)).Should().BeNull();
        table.Count.Should().Be(entries.Count);
        table.Verify();
    }

    [Fact]
    public void Putting_under_a_key_that_is_there_hands_back_the_entry_it_replaced_marked_as_left()
    {
        var table = Create();
        var first = Entry("k");
        var second = Entry("k");
        table.Put(first).Should().BeNull();
        table.Put(second).Should().BeSameAs(first);
        first.HasLeft.Should().BeTrue();
        second.HasLeft.Should().BeFalse();
        table.Find("k").Should().BeSameAs(second);
        table.Count.Should().Be(1);
        table.Verify();
    }

    [Fact]
    public void Removing_takes_out_this_very_entry_and_not_another_under_the_same_key()
    {
        var table = Create();
        var first = Entry("k");
        var second = Entry("k");
        table.Put(first);
        table.Put(second);
        table.Remove(first).Should().BeFalse("it has left already");
        table.Find("k").Should().BeSameAs(second);
        table.Remove(second).Should().BeTrue();
        second.HasLeft.Should().BeTrue();
        table.Find("k").Should().BeNull();
        table.Count.Should().Be(0);
        table.Verify();
    }

    [Fact]
    public void Removing_twice_succeeds_once()
    {
        var table = Create();
        var entry = Entry("k");
        table.Put(entry);
        table.Remove(entry).Should().BeTrue();
        table.Remove(entry).Should().BeFalse();
        table.Count.Should().Be(0);
        table.Verify();
    }

    [Fact]
    public void Removing_an_entry_that_was_never_put_does_nothing()
    {
        var table = Create();
        table.Put(Entry("k"));
        var stranger = Entry("k");
        table.Remove(stranger).Should().BeFalse();
        stranger.HasLeft.Should().BeFalse();
        table.Count.Should().Be(1);
        table.Verify();
    }

    [Fact]
    public void Random_steps_do_to_the_table_what_they_do_to_a_dictionary()
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            var table = Create();
            var model = new Dictionary<string, MemoryEntry>();
            var gone = new List<MemoryEntry>();
            var keys = Enumerable.Range(0, 1 << random.Next(10)).Select(Key).ToArray();
            for (var step = 0; step < 2000; step++)
            {
                var key = keys[random.Next(keys.Length)];
                var expected = model.GetValueOrDefault(key);
                table.Find(key).Should().BeSameAs(expected, "seed {0}, step {1}", seed, step);
                switch (random.Next(4))
                {
                    case 0 when expected is not null:
                        table.Remove(expected).Should().BeTrue("seed {0}, step {1}", seed, step);
                        model.Remove(key);
                        gone.Add(expected);
                        break;
                    case 1 when gone.Count > 0:
                        table.Remove(gone[random.Next(gone.Count)]).Should().BeFalse("seed {0}, step {1}", seed, step);
                        break;
                    default:
                        var entry = model[key] = Entry(key);
                        table.Put(entry).Should().BeSameAs(expected, "seed {0}, step {1}", seed, step);
                        if (expected is not null)
                        {
                            gone.Add(expected);
                        }

                        break;
                }
            }

            table.Count.Should().Be(model.Count);
            Round(table).ToHashSet().SetEquals(model.Values).Should().BeTrue("seed {0}", seed);
            gone.Should().NotContain(entry => !entry.HasLeft);
            model.Values.Should().NotContain(entry => entry.HasLeft);
            table.Verify();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(256)]
    [InlineData(int.MaxValue)]
    public void A_round_of_scanning_visits_every_entry_of_a_quiet_table_once(int slice)
    {
        var table = Create();
        var entries = Enumerable.Range(0, 300).Select(i => Entry(Key(i))).ToHashSet();
        foreach (var entry in entries)
        {
            table.Put(entry);
        }

        var visited = Round(table, slice);
        visited.Should().HaveCount(300);
        visited.Should().OnlyContain(entry => entries.Contains(entry));
        visited.Should().OnlyHaveUniqueItems();
        table.Verify();
    }

    [Fact]
    public void An_empty_table_is_scanned_without_visiting_anything()
    {
        var table = Create();
        Round(table).Should().BeEmpty();
        table.Verify();
    }

    [Fact]
    public async Task Of_many_threads_that_remove_one_entry_exactly_one_is_told_so()
    {
        var table = Create();
        for (var round = 0; round < 200; round++)
        {
            var entries = Enumerable.Range(0, 20).Select(i => Entry(Key(i))).ToArray();
            Array.ForEach(entries, entry => table.Put(entry));
            var removed = await OnThreads(3, _ => entries.Count(table.Remove));
            removed.Sum().Should().Be(20);
            entries.Should().OnlyContain(entry => entry.HasLeft);
            table.Count.Should().Be(0);
        }

        table.Verify();
    }

    [Fact]
    public async Task Of_threads_that_put_remove_and_replace_under_the_same_keys_every_entry_is_handed_to_one()
    {
        for (var round = 0; round < 30; round++)
        {
            var table = Create();
            var put = new List<MemoryEntry>[3];
            var taken = await OnThreads(3, thread =>
            {
                var random = new Random(round * 3 + thread);
                put[thread] = [];
                var taken = new List<MemoryEntry>();
                for (var step = 0; step < 2000; step++)
                {
                    var key = Key(random.Next(10));
                    if (random.Next(3) == 0)
                    {
                        if (table.Find(key) is { } found && table.Remove(found))
                        {
                            taken.Add(found);
                        }
                    }
                    else
                    {
                        var entry = Entry(key);
                        put[thread].Add(entry);
                        if (table.Put(entry) is { } replaced)
                        {
                            taken.Add(replaced);
                        }
                    }
                }

                return taken;
            });

            var left = taken.SelectMany(list => list).ToList();
            left.ToHashSet().Should().HaveCount(left.Count, "no entry is handed out twice");
            left.Should().OnlyContain(entry => entry.HasLeft);
            left.Concat(Round(table)).ToHashSet().SetEquals(put.SelectMany(list => list)).Should().BeTrue("none is lost");
            table.Verify();
        }
    }

    private protected static string Key(int i) => string.Create(CultureInfo.InvariantCulture, $"tenant:42:user:{i}");

    private protected static List<MemoryEntry> Round(SerialTable table, int slice = 50)
    {
        var visited = new List<MemoryEntry>();
        var position = 0L;
        do
        {
            table.Scan(ref position, slice, visited);
        }
        while (position != 0);
        return visited;
    }

    /// <summary>Real threads, let go together: tasks might share one.</summary>
    private protected static async Task<T[]> OnThreads<T>(int count, Func<int, T> work)
    {
        using var start = new Barrier(count);
        return await Task.WhenAll(Enumerable.Range(0, count).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return work(thread);
            },
            TaskCreationOptions.LongRunning)));
    }
}

public sealed class DictionaryTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new DictionaryTable();
}

public sealed class EntryTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new EntryTable();
}

public sealed class PresetTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new EntryTable(expectedCount: 5000);
}

public sealed class PortableHashTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new TestedTable<PortableHash>();
}

public sealed class ClashingTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new TestedTable<ClashingHash>();
}

public sealed class OneChainTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new TestedTable<OneHash>();
}

public sealed class FewBucketsTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new TestedTable<FewBuckets>();
}

/// <summary>All of it must hold too if the table gives up its hash on the way.</summary>
public sealed class RehashingTableContract : TableContract
{
    private protected override IEntryTable CreateTable() => new TestedTable<BrokenHash>();
}
