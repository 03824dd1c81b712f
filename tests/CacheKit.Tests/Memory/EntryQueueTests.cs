using System.Globalization;
using CacheKit.Memory;
using FsCheck;
using FsCheck.Fluent;

namespace CacheKit.Tests.Memory;

public sealed class EntryQueueTests
{
    /// <summary>The same operations on a plain list.</summary>
    [Fact]
    public void It_is_a_list_from_which_any_entry_can_be_taken() =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(200),
            Prop.ForAll(Arb.From(Acts.ArrayOf().Resize(900)), Replay));

    private static Gen<(int Act, int At)> Acts => from act in Gen.Choose(0, 11) from at in Gen.Choose(0, 999) select (act, at);

    private static bool Replay((int Act, int At)[] acts)
    {
        var queue = new EntryQueue(1);
        var model = new List<MemoryEntry>();
        foreach (var (act, at) in acts)
        {
            var entry = new MemoryEntry<int>(at.ToString(CultureInfo.InvariantCulture), at) { Weight = at };
            if (model.Count == 0 || act < 5)
            {
                queue.Append(entry);
                model.Add(entry);
            }
            else if (act < 6)
            {
                queue.PushOldest(entry);
                model.Insert(0, entry);
            }
            else if (act < 8)
            {
                queue.Oldest.Should().BeSameAs(model[0]);
                queue.PopOldest().Should().BeSameAs(model[0]);
                model.RemoveAt(0);
            }
            else if (act < 9)
            {
                queue.MoveOldestToEnd();
                model.Add(model[0]);
                model.RemoveAt(0);
            }
            else if (act < 10)
            {
                var old = model[at % model.Count];
                queue.Replace(old, entry);
                old.Region.Should().Be(0);
                model[at % model.Count] = entry;
            }
            else
            {
                // The entry at the nearer end takes the place of the one that goes.
                var index = at % model.Count;
                var end = index <= model.Count - 1 - index ? 0 : model.Count - 1;
                queue.Remove(model[index]);
                model[index] = model[end];
                model.RemoveAt(end);
            }

            queue.Verify();
        }

        var held = new List<MemoryEntry>();
        queue.CopyTo(held);
        held.Should().Equal(model);
        queue.Weight.Should().Be((ulong)model.Sum(entry => entry.Weight));
        return true;
    }
}
