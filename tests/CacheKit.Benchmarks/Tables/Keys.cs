using System.Globalization;

namespace CacheKit.Benchmarks.Tables;

/// <summary>Keys of 28 characters, and the order in which they are asked for.</summary>
internal static class Keys
{
    internal static string At(int i) => string.Create(CultureInfo.InvariantCulture, $"customer:{i % 1000:D4}:item:{i:D9}");

    /// <summary>The keys to look up, one after the other, as a caller has them: strings of their own, in memory in this order.</summary>
    /// <remarks>Its length is a power of two. Short for a small table, so that it does not drive the table out of the caches.</remarks>
    internal static string[] Stream(int count, bool isZipf, int seed)
    {
        var random = new Random(seed);
        var stream = new string[count switch { <= 10_000 => 1 << 12, <= 100_000 => 1 << 17, _ => 1 << 20 }];
        var cumulative = isZipf ? Zipf(count) : [];
        var shuffled = Enumerable.Range(0, count).ToArray();
        new Random(1).Shuffle(shuffled); // popularity must not go with age
        for (var i = 0; i < stream.Length; i++)
        {
            var rank = isZipf ? Array.BinarySearch(cumulative, random.NextDouble() * cumulative[^1]) : random.Next(count);
            stream[i] = At(shuffled[Math.Min(rank < 0 ? ~rank : rank, count - 1)]);
        }

        return stream;
    }

    private static double[] Zipf(int count)
    {
        var cumulative = new double[count];
        var sum = 0.0;
        for (var i = 0; i < count; i++)
        {
            cumulative[i] = sum += 1 / Math.Pow(i + 1, 0.99);
        }

        return cumulative;
    }
}
