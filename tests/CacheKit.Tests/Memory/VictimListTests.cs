using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class VictimListTests
{
    [Fact]
    public void It_holds_what_was_added_in_that_order_until_it_is_cleared()
    {
        var entries = Enumerable.Range(0, 9).Select(i => new MemoryEntry<int>($"k{i}", i)).ToArray();
        var list = new VictimList(capacity: 2);
        foreach (var entry in entries)
        {
            list.Add(entry);
        }

        list.Should().Equal(entries);
        list.Count.Should().Be(9);
        list[8].Should().BeSameAs(entries[8]);
        list.Clear();
        list.Should().BeEmpty();
        list.Add(entries[3]);
        list.Should().Equal(entries[3]);
    }

    [Fact]
    public void Cleared_it_keeps_nothing_alive()
    {
        var list = new VictimList();
        var references = Fill(list);
        list.Clear();
        GC.Collect();
        references.Should().OnlyContain(reference => !reference.IsAlive);
        GC.KeepAlive(list);

        static WeakReference[] Fill(VictimList list) => [.. Enumerable.Range(0, 5).Select(i =>
        {
            var entry = new MemoryEntry<int>("k", i);
            list.Add(entry);
            return new WeakReference(entry);
        })];
    }
}
