namespace CacheKit.Benchmarks.HitRatio;

/// <summary>Workloads made by rule, the same in every run. The second set has other sizes, mixtures and seeds, for checking what was tuned on the first; the third yet others, for what was mended by the second.</summary>
internal static class GeneratedTraces
{
    internal static IEnumerable<Trace> Tuning()
    {
        yield return new("gen-drift", Drift(11, keys: 40_000, exponent: 0.9, every: 40, requests: 800_000));
        yield return new("gen-scans", Scans(12, keys: 20_000, exponent: 0.8, scan: 4_000, pause: 12_000, requests: 600_000));
        yield return new("gen-loops", Loops(13, [3_000, 12_000, 600], rounds: 25, noise: 0.1));
        yield return new("gen-shift", Shift(14, keys: 15_000, exponent: 1.0, every: 150_000, requests: 750_000));
        yield return new("gen-disk", Disk(15, files: 3_000, meanBlocks: 120, exponent: 0.7, reads: 9_000));
        yield return new("gen-recency", Recency(16, uses: 3, reach: 2_000, requests: 300_000));
        yield return new("gen-phases", Phases(17, loop: 1_000, rounds: 600, recent: 150_000));
        yield return new("gen-days", Days(18, keys: 30_000, requests: 900_000, day: 150_000));
    }

    internal static IEnumerable<Trace> HeldOut()
    {
        yield return new("gen-drift2", Drift(21, keys: 120_000, exponent: 0.75, every: 15, requests: 1_000_000));
        yield return new("gen-scans2", Scans(22, keys: 8_000, exponent: 1.1, scan: 30_000, pause: 40_000, requests: 700_000));
        yield return new("gen-loops2", Loops(23, [9_000, 1_500, 20_000], rounds: 18, noise: 0.3));
        yield return new("gen-shift2", Shift(24, keys: 50_000, exponent: 0.85, every: 60_000, requests: 600_000));
        yield return new("gen-disk2", Disk(25, files: 800, meanBlocks: 700, exponent: 1.0, reads: 4_000));
        yield return new("gen-disk3", Disk(26, files: 20_000, meanBlocks: 15, exponent: 0.6, reads: 60_000));
        yield return new("gen-recency2", Recency(27, uses: 2, reach: 20_000, requests: 500_000));
        yield return new("gen-phases2", Phases(28, loop: 5_000, rounds: 80, recent: 250_000));
        yield return new("gen-days2", Days(29, keys: 100_000, requests: 1_200_000, day: 60_000));
    }

    internal static IEnumerable<Trace> Later()
    {
        yield return new("gen-drift3", Drift(51, keys: 25_000, exponent: 0.95, every: 8, requests: 700_000));
        yield return new("gen-scans3", Scans(52, keys: 60_000, exponent: 0.9, scan: 15_000, pause: 25_000, requests: 800_000));
        yield return new("gen-loops3", Loops(53, [15_000, 40_000, 2_000, 25_000], rounds: 10, noise: 0.2));
        yield return new("gen-loops4", Loops(54, [5_000, 7_000, 60_000], rounds: 8, noise: 0.05));
        yield return new("gen-loops5", Loops(55, [30_000, 4_000], rounds: 15, noise: 0.5));
        yield return new("gen-shift3", Shift(56, keys: 25_000, exponent: 0.95, every: 90_000, requests: 800_000));
        yield return new("gen-disk4", Disk(57, files: 6_000, meanBlocks: 60, exponent: 0.85, reads: 15_000));
        yield return new("gen-recency3", Recency(58, uses: 4, reach: 8_000, requests: 400_000));
        yield return new("gen-phases3", Phases(59, loop: 12_000, rounds: 40, recent: 200_000));
        yield return new("gen-days3", Days(60, keys: 60_000, requests: 1_000_000, day: 100_000));
    }

    /// <summary>Popularity that moves on: now and then a rank passes to a key never seen before.</summary>
    private static List<int> Drift(int seed, int keys, double exponent, int every, int requests)
    {
        var random = new Random(seed);
        var zipf = new Zipf(keys, exponent);
        var keyOfRank = Shuffled(random, keys);
        var next = keys;
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            if (result.Count % every == 0)
            {
                keyOfRank[random.Next(keys)] = next++;
            }

            result.Add(keyOfRank[zipf.Next(random)]);
        }

        return result;
    }

    /// <summary>Steady popularity, broken by scans over keys of which some come again in a later scan.</summary>
    private static List<int> Scans(int seed, int keys, double exponent, int scan, int pause, int requests)
    {
        var random = new Random(seed);
        var zipf = new Zipf(keys, exponent);
        var keyOfRank = Shuffled(random, keys);
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            for (var request = 0; request < pause; request++)
            {
                result.Add(keyOfRank[zipf.Next(random)]);
            }

            var start = keys + random.Next(40 * scan);
            for (var key = 0; key < scan; key++)
            {
                result.Add(start + key);
                if (random.Next(4) == 0)
                {
                    result.Add(keyOfRank[zipf.Next(random)]);
                }
            }
        }

        return result;
    }

    /// <summary>Loops of several lengths one after the other, with some random requests among them.</summary>
    private static List<int> Loops(int seed, int[] lengths, int rounds, double noise)
    {
        var random = new Random(seed);
        var zipf = new Zipf(10_000, 0.8);
        var result = new List<int>();
        for (var repeat = 0; repeat < 2; repeat++)
        {
            var start = 10_000;
            foreach (var length in lengths)
            {
                for (var request = 0; request < rounds * length; request++)
                {
                    result.Add(random.NextDouble() < noise ? zipf.Next(random) : start + (request % length));
                }

                start += length;
            }
        }

        return result;
    }

    /// <summary>Everything popular is replaced at once, again and again.</summary>
    private static List<int> Shift(int seed, int keys, double exponent, int every, int requests)
    {
        var random = new Random(seed);
        var zipf = new Zipf(keys, exponent);
        var result = new List<int>(requests);
        for (var request = 0; request < requests; request++)
        {
            result.Add((request / every * keys) + zipf.Next(random));
        }

        return result;
    }

    /// <summary>Files read from front to back, or from somewhere within, some far more often than others: a large cache turns over only a few times.</summary>
    private static List<int> Disk(int seed, int files, int meanBlocks, double exponent, int reads)
    {
        var random = new Random(seed);
        var zipf = new Zipf(files, exponent);
        var fileOfRank = Shuffled(random, files);
        var starts = new int[files + 1];
        for (var file = 0; file < files; file++)
        {
            starts[file + 1] = starts[file] + 1 + (int)(-Math.Log(1 - random.NextDouble()) * meanBlocks);
        }

        var result = new List<int>();
        for (var read = 0; read < reads; read++)
        {
            if (read % 50 == 0)
            {
                var (one, other) = (random.Next(files), random.Next(files)); // interest moves on
                (fileOfRank[one], fileOfRank[other]) = (fileOfRank[other], fileOfRank[one]);
            }

            var file = fileOfRank[zipf.Next(random)];
            var (first, last) = (starts[file], starts[file + 1]);
            first += random.Next(3) == 0 ? random.Next(last - first) : 0;
            for (var block = first; block < last; block++)
            {
                result.Add(block);
            }
        }

        return result;
    }

    /// <summary>Each key is used a few times soon after its first use, and then never again.</summary>
    private static List<int> Recency(int seed, int uses, int reach, int requests)
    {
        var random = new Random(seed);
        var due = new PriorityQueue<int, int>();
        var result = new List<int>(requests);
        var next = 0;
        while (result.Count < requests)
        {
            if (due.TryPeek(out var key, out var at) && at <= result.Count)
            {
                result.Add(due.Dequeue());
                continue;
            }

            key = next++;
            result.Add(key);
            for (var use = random.Next(2 * uses); use > 0; use--)
            {
                due.Enqueue(key, result.Count + 1 + (int)(-Math.Log(1 - random.NextDouble()) * reach));
            }
        }

        return result;
    }

    /// <summary>Recency, then a loop that fits into the cache several times over, then recency: what a policy learnt becomes wrong, twice.</summary>
    internal static List<int> Phases(int seed, int loop, int rounds, int recent)
    {
        var result = Recency(seed, uses: 1, reach: 300, recent);
        var next = result.Max() + 1;
        for (var request = 0; request < loop * rounds; request++)
        {
            result.Add(next + (request % loop));
        }

        next += loop;
        result.AddRange(Recency(seed + 1, uses: 1, reach: 300, recent).Select(key => key + next));
        return result;
    }

    /// <summary>Two sets of popular keys that take turns, over a common third of requests.</summary>
    private static List<int> Days(int seed, int keys, int requests, int day)
    {
        var random = new Random(seed);
        var zipf = new Zipf(keys, 0.9);
        var result = new List<int>(requests);
        for (var request = 0; request < requests; request++)
        {
            var part = random.Next(3) == 0 ? 0 : 1 + (request / day % 2);
            result.Add((part * keys) + zipf.Next(random));
        }

        return result;
    }

    private static int[] Shuffled(Random random, int count)
    {
        var result = Enumerable.Range(0, count).ToArray();
        random.Shuffle(result);
        return result;
    }

    /// <summary>Ranks drawn by Zipf's law.</summary>
    internal sealed class Zipf
    {
        private readonly double[] _cumulative;

        internal Zipf(int ranks, double exponent)
        {
            _cumulative = new double[ranks];
            var sum = 0.0;
            for (var rank = 0; rank < ranks; rank++)
            {
                _cumulative[rank] = sum += Math.Pow(rank + 1, -exponent);
            }
        }

        internal int Next(Random random)
        {
            var index = Array.BinarySearch(_cumulative, random.NextDouble() * _cumulative[^1]);
            return Math.Min(index < 0 ? ~index : index, _cumulative.Length - 1);
        }
    }
}
