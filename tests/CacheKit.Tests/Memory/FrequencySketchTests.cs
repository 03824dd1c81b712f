using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class FrequencySketchTests
{
    [Fact]
    public void It_never_estimates_less_than_was_counted_and_rarely_more()
    {
        var sketch = new FrequencySketch(callsPerEntry: 40);
        sketch.SetCapacity(1_000);
        for (var key = 0u; key < 1_000; key++)
        {
            for (var use = 0; use < key % 8; use++)
            {
                sketch.Add(key * 2_654_435_769);
            }
        }

        var tooHigh = 0;
        for (var key = 0u; key < 1_000; key++)
        {
            var estimate = sketch.Estimate(key * 2_654_435_769);
            estimate.Should().BeGreaterThanOrEqualTo((int)(key % 8));
            tooHigh += estimate > key % 8 ? 1 : 0;
        }

        tooHigh.Should().BeLessThan(100);
    }

    [Fact]
    public void An_estimate_ends_at_the_maximum()
    {
        var sketch = new FrequencySketch(callsPerEntry: 1_000);
        for (var use = 0; use < 100; use++)
        {
            sketch.Add(7);
        }

        sketch.Estimate(7).Should().Be(FrequencySketch.Maximum);
    }

    [Fact]
    public void One_key_can_be_halved_and_no_other_is_estimated_less_than_it_was_counted()
    {
        var sketch = new FrequencySketch(callsPerEntry: 100);
        sketch.SetCapacity(1_000);
        for (var use = 1; use <= 9; use++)
        {
            for (var key = 0u; key < 500; key++)
            {
                sketch.Add(key * 2_654_435_769);
            }
        }

        const uint halved = 400_613; // none of these, but counted as often
        for (var use = 0; use < 9; use++)
        {
            sketch.Add(halved);
        }

        int[] expected = [9, 4, 2, 1, 0, 0];
        foreach (var estimate in expected)
        {
            sketch.Estimate(halved).Should().Be(estimate);
            sketch.Halve(halved);
        }

        Enumerable.Range(0, 500).Count(key => sketch.Estimate((uint)key * 2_654_435_769) < 9).Should().BeLessThan(5, "others that share a counter with it only lose by it if they share all four");
    }

    [Fact]
    public void Growing_leaves_every_estimate_as_it_was()
    {
        var sketch = new FrequencySketch(callsPerEntry: 100);
        sketch.SetCapacity(64);
        for (var key = 0u; key < 500; key++)
        {
            sketch.Add(key % 70 * 2_654_435_769);
        }

        var before = Enumerable.Range(0, 2_000).Select(key => sketch.Estimate((uint)key * 2_654_435_769)).ToArray();
        sketch.SetCapacity(5_000);
        Enumerable.Range(0, 2_000).Select(key => sketch.Estimate((uint)key * 2_654_435_769)).Should().Equal(before);
    }

    [Fact]
    public void A_large_one_grows_a_part_at_a_time_and_leaves_every_estimate_as_it_was()
    {
        const int Size = 1 << 17;
        var sketch = new FrequencySketch(callsPerEntry: 4);
        sketch.SetCapacity(Size);
        while (sketch.IsGrowing)
        {
            sketch.GrowOn();
        }

        // Halfway through a halving, so that parts of every age are copied.
        for (var key = 0u; key < (4 * Size) + 2_000; key++)
        {
            sketch.Add(key % 50_000 * 2_654_435_769);
        }

        var keys = Enumerable.Range(0, 60_000).Select(key => (uint)key * 2_654_435_769).ToArray();
        var before = keys.Select(sketch.Estimate).ToArray();
        before.Count(estimate => estimate > 0).Should().BeGreaterThan(40_000);
        sketch.SetCapacity(Size + 1);
        var steps = 0;
        for (; sketch.IsGrowing; steps++)
        {
            keys.Select(sketch.Estimate).Should().Equal(before);
            sketch.GrowOn();
        }

        steps.Should().Be(63, "the first of 64 has grown at once");
        keys.Select(sketch.Estimate).Should().Equal(before);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Growth_that_was_given_up_loses_nothing_and_the_next_makes_up_for_it(int steps)
    {
        const int Size = 1 << 17;
        var sketch = new FrequencySketch(callsPerEntry: 100);
        sketch.SetCapacity(Size);
        var keys = Enumerable.Range(0, 5_000).Select(key => (uint)key * 2_654_435_769).ToArray();
        Array.ForEach(keys, sketch.Add);
        sketch.SetCapacity(2 * Size);
        for (var step = 0; step < steps; step++)
        {
            sketch.GrowOn();
        }

        sketch.StopGrowing();
        keys.Should().OnlyContain(key => sketch.Estimate(key) >= 1);
        sketch.SetCapacity((2 * Size) + 1);
        while (sketch.IsGrowing)
        {
            sketch.GrowOn();
        }

        keys.Should().OnlyContain(key => sketch.Estimate(key) >= 1);
    }

    [Fact]
    public void After_so_many_calls_all_estimates_are_halved_at_once_though_the_counters_are_in_slices()
    {
        var sketch = new FrequencySketch(callsPerEntry: 10);
        sketch.SetCapacity(4_096);
        var keys = Enumerable.Range(0, 4_000).Select(key => (uint)key * 2_654_435_769).ToArray();
        var before = Array.Empty<int>();
        for (var call = 0; call < 40_960; call++)
        {
            if (call == 40_959)
            {
                before = [.. keys.Select(sketch.Estimate)];
            }

            sketch.Add(keys[call % 4_000]);
        }

        var last = 40_959 % 4_000;
        var after = keys.Select(sketch.Estimate).ToArray();
        for (var key = 0; key < 4_000; key++)
        {
            after[key].Should().BeInRange(before[key] / 2, (before[key] + (key == last ? 1 : 0) + 1) / 2);
        }
    }

    [Fact]
    public void Counters_are_raised_and_compared_side_by_side_as_they_are_in_turn()
    {
        Assert.SkipUnless(Avx2.IsSupported, "This processor cannot do it side by side.");
        var random = new Random(1);
        var inTurn = new ulong[8];
        for (var step = 0; step < 20_000; step++)
        {
            if (step % 1_000 == 0)
            {
                random.NextBytes(MemoryMarshal.AsBytes(inTurn.AsSpan()));
            }

            var counters = (uint)random.NextInt64(1L << 32);
            var atOnce = inTurn.ToArray();
            FrequencySketch.LeastAtOnce(ref atOnce[0], counters).Should().Be(FrequencySketch.LeastInTurn(ref inTurn[0], counters));
            FrequencySketch.IncrementAtOnce(ref atOnce[0], counters);
            FrequencySketch.IncrementInTurn(ref inTurn[0], counters);
            atOnce.Should().Equal(inTurn);
        }
    }

    [Fact]
    public void A_full_sketch_still_ages()
    {
        var sketch = new FrequencySketch(callsPerEntry: 40);
        sketch.SetCapacity(8);
        for (var call = 0; call < 10_000; call++)
        {
            sketch.Add((uint)(call % 400) * 2_654_435_769); // far more keys than counters: all are full before long
        }

        for (var call = 0; call < 2_000; call++)
        {
            sketch.Add(1);
        }

        sketch.Estimate(unchecked(399u * 2_654_435_769)).Should().BeLessThan(FrequencySketch.Maximum);
    }
}
