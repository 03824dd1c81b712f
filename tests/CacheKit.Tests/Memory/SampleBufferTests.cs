using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class SampleBufferTests
{
    [Fact]
    public void It_gives_back_in_order_what_fits_and_loses_the_rest()
    {
        var buffer = new SampleBuffer();
        for (var round = 0; round < 5; round++)
        {
            for (var hash = 1u; hash <= 200; hash++)
            {
                buffer.Add(hash);
            }

            for (var hash = 1u; hash <= 128; hash++)
            {
                buffer.Take().Should().Be(hash);
            }

            buffer.Take().Should().Be(0);
        }
    }

    [Fact]
    public async Task It_goes_on_working_however_readers_and_the_taker_meet()
    {
        var buffer = new SampleBuffer();
        var isOver = false;
        var readers = Enumerable.Range(1, 3).Select(reader => Task.Run(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                buffer.Add((uint)reader);
            }
        })).ToArray();
        var highest = 0u;
        for (var taken = 0; taken < 100_000;)
        {
            var hash = buffer.Take();
            highest = Math.Max(highest, hash);
            taken += hash == 0 ? 0 : 1;
        }

        highest.Should().BeLessThanOrEqualTo(3);
        Volatile.Write(ref isOver, true);
        await Task.WhenAll(readers);
        while (buffer.Take() != 0)
        {
        }

        // Nothing is stuck: a full round still passes.
        var passed = 0;
        for (var hash = 1u; hash <= 300; hash++)
        {
            buffer.Add(hash);
            passed += buffer.Take() != 0 ? 1 : 0;
        }

        passed.Should().BeGreaterThan(290);
    }
}
