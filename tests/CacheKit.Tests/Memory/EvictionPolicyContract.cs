using System.Globalization;
using System.Runtime.CompilerServices;
using CacheKit.Memory;
using FsCheck;
using FsCheck.Fluent;

namespace CacheKit.Tests.Memory;

/// <summary>What every eviction policy owes the memory tier, whatever it keeps.</summary>
public abstract class EvictionPolicyContract
{
    private protected abstract IEvictionPolicy Create(long maximumWeight);

    private protected Books Start(long bound) => new(Create(bound), bound);

    // ---- the bound, the accounting and the queues, under any sequence ----

    [Fact]
    public void Any_sequence_keeps_the_bound_and_the_books_with_weights_of_one() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Acts(maximumWeight: 1), acts => Replay(acts, 7)));

    [Fact]
    public void Any_sequence_keeps_the_bound_and_the_books_with_weights() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Acts(maximumWeight: 60), acts => Replay(acts, 50)));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_sequence_keeps_the_smallest_bounds(long bound) =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(100), Prop.ForAll(Acts(maximumWeight: 4), acts => Replay(acts, bound)));

    [Fact]
    public void A_long_sequence_keeps_the_bound_and_the_books()
    {
        var random = new Random(1);
        var acts = Enumerable.Range(0, 60_000)
            .Select(_ => new Act(
                (ActKind)(random.Next(100) switch { < 45 => 0, < 85 => 1, < 99 => 2, _ => 3 }), random.Next(3_000), random.Next(0, 40)))
            .ToArray();
        Replay(acts, 9_000, verifyEvery: 997);
    }

    [Fact]
    public void The_same_sequence_gives_the_same_victims()
    {
        var random = new Random(2);
        var acts = Enumerable.Range(0, 5_000).Select(_ => new Act((ActKind)random.Next(3), random.Next(300), random.Next(1, 5))).ToArray();
        var first = Start(200);
        var second = Start(200);
        foreach (var act in acts)
        {
            first.Apply(act);
            second.Apply(act);
        }

        first.Left.Should().Equal(second.Left);
    }

    // ---- weights ----

    [Fact]
    public void An_entry_heavier_than_the_whole_bound_is_refused_and_leaves_the_others_alone()
    {
        var books = Start(100);
        for (var key = 0; key < 100; key++)
        {
            books.Put(key, 1);
        }

        books.Put(1000, 101).Should().BeFalse();
        books.Entries.Should().HaveCount(100);
    }

    [Fact]
    public void A_replacement_heavier_than_the_whole_bound_takes_only_the_old_entry_along()
    {
        var books = Start(100);
        for (var key = 0; key < 100; key++)
        {
            books.Put(key, 1);
        }

        books.Put(50, 101).Should().BeFalse();
        books.Entries.Should().HaveCount(99);
        books.Entries.Should().NotContainKey("50");
    }

    [Fact]
    public void An_entry_as_heavy_as_the_bound_fits_into_an_empty_cache()
    {
        var books = Start(100);
        books.Put(1, 100).Should().BeTrue();
        books.Entries.Should().HaveCount(1);
    }

    [Fact]
    public void A_replacement_as_heavy_as_the_bound_displaces_all_others()
    {
        var books = Start(100);
        for (var key = 0; key < 100; key++)
        {
            books.Put(key, 1);
        }

        books.Put(99, 100).Should().BeTrue();
        books.Entries.Should().ContainKey("99").And.HaveCount(1);
    }

    [Fact]
    public void A_heavy_newcomer_does_not_displace_many_entries_that_are_in_use()
    {
        var books = Start(100);
        for (var round = 0; round < 5; round++)
        {
            for (var key = 0; key < 100; key++)
            {
                books.Use(key, 1);
            }
        }

        for (var key = 1000; key < 1100; key++)
        {
            books.Put(key, 50).Should().BeFalse();
        }

        books.Entries.Should().HaveCount(100);
    }

    [Fact]
    public void A_heavy_entry_that_is_asked_for_often_enough_gets_in()
    {
        var books = Start(100);
        for (var key = 0; key < 50; key++)
        {
            books.Put(key, 2);
        }

        Enumerable.Range(0, 15).Any(_ => books.Put(1000, 20)).Should().BeTrue();
    }

    [Fact]
    public void Weights_near_the_largest_number_do_not_overflow()
    {
        const long huge = long.MaxValue;
        var books = Start(huge);
        books.Put(1, huge - 1).Should().BeTrue();
        for (var key = 2; key < 40; key++)
        {
            books.Put(key, huge / (1 + (key % 5)));
            books.Put(1000 + key, 1);
            books.Put(key, huge);
        }
    }

    // ---- which entries it keeps ----

    [Fact]
    public void The_newest_entry_stays_where_every_weight_is_one()
    {
        foreach (var bound in new[] { 1, 2, 3, 10, 100, 1000 })
        {
            var books = Start(bound);
            for (var key = 0; key < 3 * bound; key++)
            {
                books.Put(key, 1).Should().BeTrue();
                books.Entries.Should().ContainKey(key.ToString(CultureInfo.InvariantCulture));
            }
        }
    }

    [Fact]
    public void A_scan_does_not_displace_what_is_in_use()
    {
        var books = Start(1_000);
        for (var round = 0; round < 10; round++)
        {
            for (var key = 0; key < 500; key++)
            {
                books.Use(key, 1);
            }
        }

        for (var key = 10_000; key < 20_000; key++)
        {
            books.Use(key, 1);
        }

        Enumerable.Range(0, 500).Count(key => books.Entries.ContainsKey($"{key}")).Should().BeGreaterThan(450);
    }

    [Fact]
    public void A_loop_larger_than_the_cache_keeps_part_of_it()
    {
        var books = Start(500);
        var hits = 0;
        for (var round = 0; round < 40; round++)
        {
            hits = 0;
            for (var key = 0; key < 1_000; key++)
            {
                hits += books.Use(key, 1) ? 1 : 0;
            }
        }

        hits.Should().BeGreaterThan(350); // 499 would be perfect; first in first out, or least recently used, has none
    }

    [Fact]
    public void A_change_of_what_is_popular_is_followed()
    {
        var books = Start(200);
        var random = new Random(3);
        var hits = 0;
        foreach (var offset in new[] { 0, 10_000 })
        {
            for (var request = 0; request < 60_000; request++)
            {
                hits = request == 50_000 ? 0 : hits;
                hits += books.Use(offset + (int)(Math.Pow(random.NextDouble(), 3) * 1_000), 1) ? 1 : 0;
            }
        }

        hits.Should().BeGreaterThan(5_000); // of the last 10,000: the 200 most popular draw 58 %
    }

    // ---- shrinking and forgetting ----

    [Fact]
    public void Shrinking_gives_up_at_most_so_many_at_once()
    {
        var books = Start(1_000);
        for (var key = 0; key < 1_000; key++)
        {
            books.Put(key, 1);
        }

        for (var rest = 1_000; rest > 500; rest -= 100)
        {
            books.Entries.Should().HaveCount(rest);
            books.Resize(500, 100).Should().Be(rest == 600);
            books.Put(rest + 10_000, 1).Should().BeTrue();
        }

        books.Entries.Should().HaveCount(500);
        books.Resize(1_000, 0).Should().BeTrue();
        for (var key = 0; key < 1_000; key++)
        {
            books.Put(key, 1);
        }

        books.Entries.Should().HaveCount(1_000);
    }

    [Fact]
    public void Shrinking_keeps_what_is_in_use()
    {
        var books = Start(1_000);
        for (var round = 0; round < 10; round++)
        {
            for (var key = 0; key < 1_000; key++)
            {
                if (round == 0 || key < 300)
                {
                    books.Use(key, 1);
                }
            }
        }

        books.Resize(400, 600).Should().BeTrue();
        Enumerable.Range(0, 300).Count(key => books.Entries.ContainsKey($"{key}")).Should().BeGreaterThan(250);
    }

    [Fact]
    public void What_has_left_is_not_kept_alive()
    {
        var policy = Create(300);
        var left = FillAndEmpty(policy, 300);
        GC.Collect();
        left.Count(reference => reference.IsAlive).Should().Be(0);
        policy.Count.Should().Be(20);
        GC.KeepAlive(policy);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static List<WeakReference> FillAndEmpty(IEvictionPolicy policy, long bound)
    {
        var books = new Books(policy, bound);
        var all = new List<WeakReference>();
        for (var key = 0; key < 2_000; key++)
        {
            books.Put(key % 400, 1 + (key % 3));
            all.AddRange(books.Entries.Values.TakeLast(1).Select(entry => new WeakReference(entry)));
        }

        foreach (var entry in books.Entries.Values.OrderBy(entry => entry.Key, StringComparer.Ordinal).Skip(20).ToList())
        {
            books.Remove(entry);
        }

        var kept = books.Entries.Values.ToHashSet<object>();
        return all.Where(reference => !kept.Contains(reference.Target!)).ToList(); // none is collected yet: whoever was, is not kept alive
    }

    // ---- the random sequences ----

    private protected enum ActKind
    {
        Put,
        Hit,
        Remove,
        Resize,
    }

    private protected readonly record struct Act(ActKind Kind, int Key, int Amount);

    private static Arbitrary<Act[]> Acts(int maximumWeight)
    {
        var kinds = Gen.Frequency(
            (10, Gen.Constant(ActKind.Put)), (10, Gen.Constant(ActKind.Hit)), (3, Gen.Constant(ActKind.Remove)), (1, Gen.Constant(ActKind.Resize)));
        var act =
            from kind in kinds
            from key in Gen.Choose(0, 25)
            from amount in Gen.Choose(maximumWeight == 1 ? 1 : 0, maximumWeight)
            select new Act(kind, key, amount);
        return Arb.From(act.ArrayOf().Resize(300), Shrink);
    }

    private static IEnumerable<Act[]> Shrink(Act[] acts)
    {
        for (var length = acts.Length / 2; length > 0; length /= 2)
        {
            for (var start = 0; start + length <= acts.Length; start += length)
            {
                yield return [.. acts[..start], .. acts[(start + length)..]];
            }
        }
    }

    private bool Replay(Act[] acts, long bound, int verifyEvery = 1)
    {
        var books = Start(bound);
        for (var index = 0; index < acts.Length; index++)
        {
            books.Apply(acts[index]);
            if (index % verifyEvery == 0)
            {
                books.Verify();
            }
        }

        books.Verify();
        return true;
    }

    /// <summary>Plays the memory tier, and checks everything the policy answers against what must hold of any policy.</summary>
    private protected sealed class Books(IEvictionPolicy policy, long bound)
    {
        private readonly VictimList _victims = [];
        private long _bound = bound;
        private int _serial;
        private long _weight;

        internal Dictionary<string, MemoryEntry> Entries { get; } = [];

        /// <summary>The keys evicted, in order.</summary>
        internal List<string> Left { get; } = [];

        internal void Apply(Act act)
        {
            switch (act.Kind)
            {
                case ActKind.Put:
                    Put(act.Key, act.Amount);
                    break;
                case ActKind.Hit:
                    if (Entries.TryGetValue($"{act.Key}", out var hit))
                    {
                        policy.OnHit(hit);
                    }

                    break;
                case ActKind.Remove:
                    if (Entries.TryGetValue($"{act.Key}", out var removed))
                    {
                        Remove(removed);
                    }

                    break;
                default:
                    Resize(1 + (act.Key * 2), act.Amount);
                    break;
            }
        }

        /// <summary>A request: a hit, or a miss and then a put.</summary>
        internal bool Use(int key, long weight)
        {
            if (Entries.TryGetValue(key.ToString(CultureInfo.InvariantCulture), out var entry))
            {
                policy.OnHit(entry);
                return true;
            }

            Put(key, weight);
            return false;
        }

        internal bool Put(int key, long weight)
        {
            var entry = MakeEntry(key.ToString(CultureInfo.InvariantCulture), weight);
            var weightBefore = policy.Weight;
            var old = Entries.GetValueOrDefault(entry.Key);
            _victims.Clear();
            var isAdmitted = old is null ? policy.Admit(entry, _victims) : policy.Replace(old, entry, _victims);
            Forget(entry.Key);
            TakeOut();
            if (isAdmitted)
            {
                Entries.Add(entry.Key, entry);
                _weight += entry.Weight;
            }
            else if (weight <= _bound)
            {
                old.Should().BeNull("a replacement is refused only if it is heavier than the bound");
            }

            policy.Weight.Should().Be(Entries.Values.Sum(each => each.Weight));
            policy.Count.Should().Be(Entries.Count);
            policy.Weight.Should().BeLessThanOrEqualTo(Math.Max(_bound, weightBefore));

            return isAdmitted;
        }

        private DetailedEntry<int> MakeEntry(string key, long weight) => new(key, _serial++) { Weight = weight, Hash = (uint)PolicyHash.Of(key) };

        internal void Remove(MemoryEntry entry)
        {
            Forget(entry.Key).Should().BeSameAs(entry);
            policy.Remove(entry);
            CheckBooks(policy.Weight);
        }

        internal bool Resize(long bound, int most)
        {
            _bound = bound;
            _victims.Clear();
            var isKept = policy.Resize(bound, most, _victims);
            _victims.Count.Should().BeLessThanOrEqualTo(most);
            TakeOut();
            CheckBooks(long.MaxValue);
            isKept.Should().Be(policy.Weight <= bound);
            return isKept;
        }

        internal void Verify() => policy.Verify(Entries.Values);

        private void TakeOut()
        {
            foreach (var victim in _victims)
            {
                if (Forget(victim.Key) != victim)
                {
                    throw new InvalidOperationException($"The victim {victim.Key} was not in the cache, or left twice.");
                }

                Left.Add(victim.Key);
            }
        }

        private MemoryEntry? Forget(string key)
        {
            Entries.Remove(key, out var entry);
            _weight -= entry?.Weight ?? 0;
            return entry;
        }

        // Plain comparisons: this runs after every step of long sequences.
        private void CheckBooks(long weightBefore)
        {
            if (policy.Weight != _weight || policy.Count != Entries.Count || policy.Weight > Math.Max(_bound, weightBefore))
            {
                throw new InvalidOperationException(
                    $"The policy counts {policy.Count} entries of weight {policy.Weight} under {_bound}; there are {Entries.Count} of {_weight}.");
            }
        }
    }
}
