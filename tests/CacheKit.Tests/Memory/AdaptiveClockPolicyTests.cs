using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class AdaptiveClockPolicyTests : EvictionPolicyContract
{
    private protected override IEvictionPolicy Create(long maximumWeight) => new AdaptiveClockPolicy(maximumWeight);

    /// <summary>Policies without ageing, or whose hand cannot get past what an earlier phase left, stay near 0 % in the loop for ever.</summary>
    [Theory]
    [InlineData(1_200)]
    [InlineData(2_500)]
    [InlineData(4_500)]
    public void A_loop_that_fits_several_times_over_is_found_between_two_phases_of_recency(int bound)
    {
        var books = Start(bound);
        var next = 0;

        Recency(books, ref next, rounds: 45_000).Should().BeGreaterThan(0.31);

        var hits = 0;
        for (var request = 0; request < 400_000; request++)
        {
            hits += books.Use(-1 - (request % 1_000), 1) ? 1 : 0;
        }

        (hits / 400_000.0).Should().BeGreaterThan(0.9);

        Recency(books, ref next, rounds: 45_000).Should().BeGreaterThan(0.25);
        Recency(books, ref next, rounds: 45_000).Should().BeGreaterThan(0.31);
        books.Verify();

        // Every second key comes again once, soon; a third of the requests can hit.
        static double Recency(Books books, ref int next, int rounds)
        {
            var hits = 0;
            for (var round = 0; round < rounds; round++)
            {
                books.Use(next++, 1);
                books.Use(next++, 1);
                hits += next > 200 && books.Use(next - 200 + (round * 7 % 100 * 2), 1) ? 1 : 0;
            }

            return hits / (3.0 * rounds);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(5_000)]
    public void Recency_is_answered_by_a_large_window_and_a_loop_by_frequency(int bound)
    {
        var policy = new AdaptiveClockPolicy(bound);
        var books = new Books(policy, bound);
        var late = (bound * 2 / 9 * 3) + 2; // every third request is for a key of so many before: most of a cache ago
        for (var request = 0; request < 60 * bound; request++)
        {
            books.Use(request % 3 == 0 ? request - late : request, 1);
        }

        policy.Tuning.WindowShare.Should().Be(0.99);

        for (var request = 0; request < Math.Max(300_000, 100 * bound); request++) // a small cache looks only now and then
        {
            books.Use(-1 - (request % (2 * bound)), 1);
        }

        policy.Tuning.Admission.Should().Be(Admission.ByFrequency);
        policy.Tuning.WindowShare.Should().BeLessThan(0.4);
    }

    [Fact]
    public void About_one_hit_in_64_is_played_by_the_miniatures()
    {
        var policy = new AdaptiveClockPolicy(10_000);
        var books = new Books(policy, 10_000);
        var hits = 0;
        for (var request = 0; request < 300_000; request++)
        {
            hits += books.Use(request % 8 == 0 ? 20_000 + request : request % 6_000, 1) ? 1 : 0;
        }

        (policy.HitsPlayed / (double)hits).Should().BeInRange(0.5 / 64, 2.0 / 64);
    }

    [Fact]
    public void With_reuse_a_key_that_comes_back_soon_after_its_eviction_stays()
    {
        var books = new Books(new AdaptiveClockPolicy(100, tunings: [new(0.1, Admission.ByReuse)]), 100);
        for (var key = 0; key < 120; key++)
        {
            books.Use(key, 1);
        }

        books.Use(0, 1).Should().BeFalse();
        for (var key = 1_000; key < 1_050; key++)
        {
            books.Use(key, 1);
        }

        books.Use(0, 1).Should().BeTrue();
        books.Verify();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(50)]
    public void With_reuse_any_sequence_keeps_the_bound_and_the_books(long bound)
    {
        var random = new Random(5);
        var books = new Books(new AdaptiveClockPolicy(bound, tunings: [new(0.15, Admission.ByReuse)]), bound);
        for (var step = 0; step < 20_000; step++)
        {
            books.Apply(new Act(random.Next(50) == 0 ? ActKind.Remove : (ActKind)random.Next(2), random.Next(120), random.Next(1, 4)));
            if (step % 100 == 0)
            {
                books.Verify();
            }
        }
    }

    [Theory]
    [InlineData(500, 0.8, 40_000)]
    [InlineData(1_500, 0.8, 40_000)]
    [InlineData(1_500, 1.0, 20_000)]
    [InlineData(3_000, 0.8, 40_000)]
    public void A_heavy_entry_that_half_of_all_requests_ask_for_gets_in(int weight, double exponent, int keys)
    {
        // Half of the requests ask for one key; the rest for many others by Zipf's law. Keeping the one costs `weight` of the others.
        const int bound = 10_000;
        var cumulative = new double[keys];
        for (var (rank, sum) = (0, 0.0); rank < keys; rank++)
        {
            cumulative[rank] = sum += Math.Pow(rank + 1, -exponent);
        }

        var policy = new AdaptiveClockPolicy(bound);
        var entries = new Dictionary<int, MemoryEntry>();
        var victims = new VictimList();
        var random = new Random(1);
        var (heavyHits, heavyAsked) = (0, 0);
        for (var request = 0; request < 500_000; request++)
        {
            var isHeavy = request > 60_000 && (request & 1) == 0;
            var index = isHeavy ? 0 : Array.BinarySearch(cumulative, random.NextDouble() * cumulative[^1]);
            var key = isHeavy ? -1 : index < 0 ? ~index : index;
            heavyAsked += isHeavy ? 1 : 0;
            if (entries.TryGetValue(key, out var hit))
            {
                policy.OnHit(hit);
                heavyHits += isHeavy ? 1 : 0;
                continue;
            }

            var entry = new MemoryEntry<int>($"{key}", key) { Weight = isHeavy ? weight : 1, Hash = (uint)PolicyHash.Of($"{key}") };
            victims.Clear();
            var isAdmitted = policy.Admit(entry, victims);
            foreach (var victim in victims)
            {
                entries.Remove(int.Parse(victim.Key, System.Globalization.CultureInfo.InvariantCulture));
            }

            if (isAdmitted)
            {
                entries.Add(key, entry);
            }
        }

        (heavyHits / (double)heavyAsked).Should().BeGreaterThan(0.9, $"{heavyAsked} requests were for it; tuning is {policy.Tuning}");
    }

    [Fact]
    public void A_newcomer_that_is_refused_displaces_nothing()
    {
        const int bound = 10_000;
        var policy = new AdaptiveClockPolicy(bound, tunings: [new(0.1, Admission.ByFrequency)]);
        var entries = new Dictionary<string, MemoryEntry>();
        var victims = new VictimList();
        for (var key = 0; key < bound; key++)
        {
            var entry = new MemoryEntry<int>($"{key}", key) { Hash = (uint)PolicyHash.Of($"{key}") };
            policy.Admit(entry, victims);
            entries.Add(entry.Key, entry);
        }

        // Half of the entries are in use; a heavy one is asked for again and again, and refused.
        var used = entries.Values.Skip(bound / 2).ToArray();
        for (var put = 0; put < 40_000; put++)
        {
            for (var hits = 0; put % 100 == 0 && hits < 3; hits++)
            {
                Array.ForEach(used, policy.OnHit);
            }

            victims.Clear();
            var isAdmitted = policy.Admit(new MemoryEntry<int>("heavy", 0) { Weight = 9_000, Hash = (uint)PolicyHash.Of("heavy") }, victims);
            if (isAdmitted)
            {
                return;
            }

            victims.Should().BeEmpty($"the {put}th put was refused; {policy.Count} of {bound} entries are left");
        }
    }

    [Fact]
    public void The_simulations_follow_the_size_of_the_cache_after_any_number_of_inserts()
    {
        const System.Reflection.BindingFlags all = System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic;
        var policy = new AdaptiveClockPolicy(100_000);
        var inserts = typeof(AdaptiveClockPolicy).GetField("_insertsSinceScaled", all)!;
        var simulations = typeof(AdaptiveClockPolicy).GetField("_simulations", all)!;
        Fill(weight: 100, count: 20_000, from: 0);
        inserts.SetValue(policy, int.MaxValue); // as after 2,147,483,647 inserts
        Fill(weight: 1, count: 300_000, from: 20_000);
        ((MiniatureSimulations)simulations.GetValue(policy)!).Capacity.Should().BeGreaterThan(50_000);

        void Fill(long weight, int count, int from)
        {
            VictimList victims = [];
            for (var key = from; key < from + count; key++)
            {
                victims.Clear();
                policy.Admit(new MemoryEntry<int>($"{key}", key) { Weight = weight, Hash = (uint)PolicyHash.Of($"{key}") }, victims);
            }
        }
    }

    [Theory]
    [InlineData(0.01, false, 1, 300)]
    [InlineData(0.1, false, 1, 40)]
    [InlineData(0.1, false, 20, 300)]
    [InlineData(0.4, false, 9, 100)]
    [InlineData(0.99, false, 30, 60)]
    [InlineData(0.15, true, 1, 100)]
    [InlineData(0.15, true, 12, 200)]
    [InlineData(0.01, false, 1, 300, true)]
    [InlineData(0.1, false, 20, 300, true)]
    [InlineData(0.4, false, 9, 100, true)]
    public void It_decides_as_an_obvious_model_of_itself(double windowShare, bool isByReuse, int maximumWeight, long bound, bool ages = false)
    {
        Tuning tuning = new(windowShare, isByReuse ? Admission.ByReuse : Admission.ByFrequency, ages);
        for (var seed = 0; seed < 3; seed++)
        {
            var random = new Random(seed);
            var model = new ClockModel(bound, tuning);
            var policy = new AdaptiveClockPolicy(bound, tunings: [tuning]);
            var entries = new Dictionary<string, MemoryEntry>();
            var victims = new VictimList();
            for (var step = 0; step < 2_000; step++)
            {
                // Some keys are used far more often than others, and now and then one is as heavy as half of all.
                var key = $"{(int)(600 * Math.Pow(random.NextDouble(), 3))}";
                var isThere = entries.TryGetValue(key, out var entry);
                if (isThere && random.Next(20) > 0)
                {
                    policy.OnHit(entry!); // it is there
                    model.Hit(key);
                    continue;
                }

                if (isThere && random.Next(2) == 0)
                {
                    entries.Remove(key);
                    policy.Remove(entry!); // as above
                    model.Remove(key);
                    continue;
                }

                var weight = maximumWeight > 1 && random.Next(40) == 0 ? random.NextInt64(bound + 2) : random.Next(maximumWeight == 1 ? 1 : 0, maximumWeight + 1);
                var newcomer = new DetailedEntry<int>(key, step) { Weight = weight, Hash = (uint)PolicyHash.Of(key) };
                victims.Clear();
                var isAdmitted = isThere ? policy.Replace(entry!, newcomer, victims) : policy.Admit(newcomer, victims); // as above
                var expected = isThere ? model.Replace(key, weight) : model.Put(key, newcomer.Hash, weight);
                if (isAdmitted != expected.IsAdmitted || !victims.Select(victim => victim.Key).SequenceEqual(expected.Victims))
                {
                    (isAdmitted, string.Join(' ', victims.Select(victim => victim.Key))).Should().Be(
                        (expected.IsAdmitted, string.Join(' ', expected.Victims)), "of seed {0}, step {1}", seed, step);
                }

                entries.Remove(key);
                victims.ToList().ForEach(victim => entries.Remove(victim.Key));
                if (isAdmitted)
                {
                    entries.Add(key, newcomer);
                }
            }

            policy.Verify(entries.Values);
            model.Keys.Should().BeEquivalentTo(entries.Keys);
        }
    }

    [Fact]
    public void A_loop_that_does_not_fit_gets_its_share_soon_after_one_that_did()
    {
        const int Capacity = 10_000, Loop = 2 * Capacity, Rounds = 12;
        var withoutAgeing = Play([.. MiniatureSimulations.Tunings.Where(static tuning => !tuning.Ages)]);
        withoutAgeing.Should().BeLessThan(0.2, "what was frequent before holds the place: else this would show nothing");
        Play(MiniatureSimulations.Tunings).Should().BeGreaterThan(0.27, "half of it fits");

        static double Play(Tuning[] tunings)
        {
            var books = new Books(new AdaptiveClockPolicy(Capacity, tunings: tunings), Capacity);
            for (var request = 0; request < 20 * Capacity; request++)
            {
                books.Use(request % (Capacity * 9 / 10), 1);
            }

            return Enumerable.Range(0, Rounds * Loop).Count(request => books.Use(1_000_000 + (request % Loop), 1)) / (double)(Rounds * Loop);
        }
    }

    [Theory]
    [InlineData(0.01, false, 1.0)]
    [InlineData(0.1, false, 1.0)]
    [InlineData(0.99, false, 1.0)]
    [InlineData(0.15, true, 0.0)]
    [InlineData(0.01, false, 1.0, true)]
    public void A_miniature_has_the_hits_that_the_policy_would_have_with_its_tuning(double windowShare, bool isByReuse, double points, bool ages = false)
    {
        const int Capacity = 200, Requests = 40_000;
        Tuning tuning = new(windowShare, isByReuse ? Admission.ByReuse : Admission.ByFrequency, ages);
        var miniature = new MiniatureCache(Capacity, tuning);
        var books = new Books(new AdaptiveClockPolicy(Capacity, tunings: [tuning]), Capacity);
        var random = new Random(4);
        var (played, real) = (0, 0);
        for (var request = 0; request < Requests; request++)
        {
            var key = (int)(3_000 * Math.Pow(random.NextDouble(), 4));
            played += miniature.Access((uint)PolicyHash.Of($"{key}")) ? 1 : 0;
            real += books.Use(key, 1) ? 1 : 0;
        }

        // By frequency the two differ a little: the sketch of one grows with the entries, that of the other has its size at once.
        (100.0 * played / Requests).Should().BeApproximately(100.0 * real / Requests, points);
        real.Should().BeGreaterThan(Requests / 5);
    }

    [Theory]
    [InlineData(false, 15)]
    [InlineData(true, 100)]
    public void Expired_entries_leave_for_newcomers_however_often_they_were_used(bool isExpired, int newcomersThatStay)
    {
        var time = new ManualTime();
        var books = new Books(new AdaptiveClockPolicy(100, CacheClock.For(time)), 100);
        for (var round = 0; round < 8; round++)
        {
            for (var key = 0; key < 100; key++)
            {
                books.Use(key, 1);
                books.Entries[$"{key}"].FreshUntil = TimeSpan.FromMinutes(1).Ticks;
            }
        }

        time.Now += isExpired ? TimeSpan.FromHours(1) : TimeSpan.Zero;
        for (var key = 1_000; key < 1_100; key++)
        {
            books.Put(key, 1);
            books.Entries[$"{key}"].FreshUntil = long.MaxValue;
        }

        books.Entries.Values.Count(entry => entry.Key.Length == 4).Should().BeInRange(newcomersThatStay - 10, newcomersThatStay);
    }

    [Fact]
    public async Task Readers_note_hits_while_a_writer_evicts()
    {
        var policy = new AdaptiveClockPolicy(500);
        var books = new Books(policy, 500);
        for (var key = 0; key < 500; key++)
        {
            books.Put(key, 1);
        }

        var entries = books.Entries.Values.ToArray();
        var isOver = false;
        var readers = Enumerable.Range(0, 2).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref isOver))
            {
                policy.OnHit(Volatile.Read(ref entries)[random.Next(400)]); // also of entries that have left meanwhile
            }
        })).ToArray();
        for (var key = 500; key < 20_000; key++)
        {
            books.Put(key, 1);
            if (key % 500 == 0)
            {
                books.Verify();
                Volatile.Write(ref entries, [.. books.Entries.Values]);
            }
        }

        Volatile.Write(ref isOver, true);
        await Task.WhenAll(readers);
        books.Verify();
    }

    [Fact]
    public void A_cache_that_is_nearly_empty_takes_little_memory_whatever_its_bound()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var policy = new AdaptiveClockPolicy(1_000_000_000);
        policy.Admit(new MemoryEntry<int>("key", 1), []);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(4_096);
    }

    private sealed class ManualTime : TimeProvider
    {
        internal TimeSpan Now { get; set; } = TimeSpan.FromDays(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Now;
    }
}
