using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;

namespace CacheKit.Tests.Diagnostics;

public sealed class HitCounterTests
{
    [Fact]
    public void A_new_counter_is_at_zero()
    {
        using var counter = new HitCounter();
        counter.Value.Should().Be(0);
    }

    [Fact]
    public void Counts_add_up_and_can_be_taken_back()
    {
        using var counter = new HitCounter();
        counter.Add(5); // the first of its thread
        counter.Increment();
        counter.Add(10);
        counter.Add(-2);
        counter.Value.Should().Be(14);
    }

    [Fact]
    public void No_count_of_many_threads_is_lost_though_somebody_reads_all_the_while()
    {
        const int Threads = 8;
        const int PerThread = 200_000;
        using var counter = new HitCounter();
        using var other = new HitCounter();
        var isDone = false;
        var hasGoneWrong = false;
        var reader = new Thread(() =>
        {
            var last = 0L;
            while (!Volatile.Read(ref isDone))
            {
                var value = counter.Value;
                hasGoneWrong |= value < last || value > Threads * PerThread;
                last = value;
            }
        });
        reader.Start();
        Run(Threads, _ =>
        {
            for (var i = 0; i < PerThread; i++)
            {
                counter.Increment();
                if (i % 4 == 0)
                {
                    other.Increment();
                }
            }
        });
        Volatile.Write(ref isDone, true);
        reader.Join();

        hasGoneWrong.Should().BeFalse();
        counter.Value.Should().Be(Threads * PerThread);
        other.Value.Should().Be(Threads * PerThread / 4);
    }

    [Fact]
    public void What_dead_threads_counted_is_kept_and_their_memory_is_used_again()
    {
        using var counter = new HitCounter();
        const int Generations = 20;
        const int Threads = 10;
        for (var i = 0; i < Generations; i++)
        {
            Run(Threads, _ => counter.Increment());
        }

        counter.Value.Should().Be(Generations * Threads);
        Collect();
        counter.Value.Should().Be(Generations * Threads);
        var arrays = HitCounter.ArrayCount;
        for (var i = 0; i < Generations; i++)
        {
            Run(Threads, _ => counter.Increment());
            Collect();
        }

        counter.Value.Should().Be(2 * Generations * Threads);
        (HitCounter.ArrayCount - arrays).Should().BeLessThan(Generations * Threads / 2, "most are those of ended threads, and other tests have some, too");
    }

    [Fact]
    public void A_slot_is_used_again_and_its_new_counter_starts_at_zero()
    {
        var first = new HitCounter();
        Run(4, _ => first.Add(100));
        first.Increment();
        first.Dispose();

        // As many as there are slots: one of these gets it. It may not inherit its counts, also not once the threads' arrays are retired.
        var later = Enumerable.Range(0, HitCounter.SlotCount).Select(_ => new HitCounter()).ToArray();
        later.Should().OnlyContain(counter => counter.Value == 0);
        Collect();
        later.Should().OnlyContain(counter => counter.Value == 0);
        foreach (var counter in later)
        {
            counter.Increment();
        }

        later.Should().OnlyContain(counter => counter.Value == 1);
        Array.ForEach(later, counter => counter.Dispose());
    }

    [Fact]
    public void Slots_do_not_grow_with_the_number_of_counters_there_ever_were()
    {
        new HitCounter().Dispose();
        var before = HitCounter.SlotCount;
        for (var i = 0; i < 10_000; i++)
        {
            using var counter = new HitCounter();
            counter.Increment();
            counter.Value.Should().Be(1);
        }

        HitCounter.SlotCount.Should().BeLessThan(before + 1_000, "other tests may create some meanwhile");
    }

    [Fact]
    public void A_counter_that_nobody_disposes_gives_its_slot_back_when_it_is_collected()
    {
        var before = HitCounter.SlotCount;
        for (var i = 0; i < 20; i++)
        {
            Abandon(500);
            Collect();
        }

        HitCounter.SlotCount.Should().BeLessThan(before + 5_000);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Abandon(int count)
        {
            for (var i = 0; i < count; i++)
            {
                new HitCounter().Increment();
            }
        }
    }

    [Fact]
    public void A_disposed_counter_keeps_its_value_and_what_comes_later_counts_nowhere()
    {
        var counter = new HitCounter();
        counter.Add(3);
        counter.Dispose();
        counter.Dispose();
        using var next = new HitCounter();
        counter.Increment();
        counter.Value.Should().Be(3);
        next.Value.Should().Be(0);
    }

    [Fact]
    public void A_thread_that_already_counts_follows_more_counters_than_it_had_slots()
    {
        var counters = new List<HitCounter>();
        for (var i = 0; i < 200; i++)
        {
            counters.Add(new());
            counters.ForEach(counter => counter.Increment());
        }

        counters.Select(counter => counter.Value).Should().Equal(Enumerable.Range(0, 200).Select(i => 200L - i));
        counters.ForEach(counter => counter.Dispose());
    }

    [Fact]
    public void Counters_that_come_and_go_while_threads_count_stay_exact()
    {
        Run(6, seed =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 200; i++)
            {
                using var counter = new HitCounter();
                var expected = random.Next(1, 500);
                for (var n = 0; n < expected; n++)
                {
                    counter.Increment();
                }

                if (counter.Value != expected)
                {
                    throw new InvalidOperationException($"Counted {expected}, but the value is {counter.Value}.");
                }
            }
        });
    }

    [Fact]
    public void Counting_allocates_nothing_after_the_first_time()
    {
        using var counter = new HitCounter();
        counter.Increment();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
        {
            counter.Increment();
            counter.Add(2);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
    }

    private static void Run(int threads, Action<int> work)
    {
        Exception? failure = null;
        var all = Enumerable.Range(0, threads).Select(i => new Thread(() =>
        {
            try
            {
                work(i);
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        })).ToArray();
        Array.ForEach(all, thread => thread.Start());
        Array.ForEach(all, thread => thread.Join());
        failure.Should().BeNull();
    }

    private static void Collect()
    {
        // An object found dead by one collection is finalized after it.
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
