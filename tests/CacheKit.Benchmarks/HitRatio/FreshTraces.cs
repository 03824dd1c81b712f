namespace CacheKit.Benchmarks.HitRatio;

/// <summary>
/// Workloads of kinds that are in neither set of <see cref="GeneratedTraces"/>: made when the policy was finished, to learn how it does on what
/// nobody had thought of. The same in every run.
/// </summary>
internal static class FreshTraces
{
    internal static IEnumerable<Trace> All()
    {
        yield return new("fresh-oltp", TransactionsAndScans(31, rows: 60_000, tables: 6, requests: 900_000));
        yield return new("fresh-cdn", OneHitWonders(32, objects: 50_000, requests: 800_000));
        yield return new("fresh-news", News(33, items: 60_000, requests: 700_000));
        yield return new("fresh-sessions", Sessions(34, users: 15_000, requests: 700_000));
        yield return new("fresh-distances", Distances(35, requests: 700_000));
        yield return new("fresh-joins", Joins(36, outer: 20_000, inner: 3_000, requests: 800_000));
        yield return new("fresh-blocks", Blocks(37, blocks: 300_000, requests: 900_000));
        yield return new("fresh-batch", Batch(38, keys: 80_000, requests: 1_000_000));
        yield return new("fresh-bursts", Bursts(39, keys: 60_000, requests: 800_000));
        yield return new("fresh-series", Series(40, requests: 800_000));
        yield return new("fresh-steady", Steady(41, keys: 200_000, requests: 1_000_000));
        yield return new("fresh-turns", Turns());
    }

    /// <summary>Rows in Zipf's order and again soon after, while up to three scans of whole tables run beside them.</summary>
    private static List<int> TransactionsAndScans(int seed, int rows, int tables, int requests)
    {
        var random = new Random(seed);
        var zipf = new GeneratedTraces.Zipf(rows, 0.9);
        var rowOfRank = Shuffled(random, rows);
        const int Pages = 40_000;
        var scans = new List<int>();
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            if (scans.Count < 3 && random.Next(60_000) == 0)
            {
                scans.Add(rows + (random.Next(tables) * Pages));
            }

            for (var scan = scans.Count - 1; scan >= 0; scan--)
            {
                if (random.Next(5) == 0)
                {
                    result.Add(scans[scan]++);
                    if ((scans[scan] - rows) % Pages == 0)
                    {
                        scans.RemoveAt(scan);
                    }
                }
            }

            result.Add(result.Count > 500 && random.Next(3) == 0 ? result[^(1 + random.Next(400))] : rowOfRank[zipf.Next(random)]);
        }

        return result;
    }

    /// <summary>Half of the requests are for what is never asked for again; the popular rest is replaced bit by bit.</summary>
    private static List<int> OneHitWonders(int seed, int objects, int requests)
    {
        var random = new Random(seed);
        var zipf = new GeneratedTraces.Zipf(objects, 0.85);
        var keyOfRank = Shuffled(random, objects);
        var next = objects;
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            if (random.Next(100) == 0)
            {
                keyOfRank[random.Next(objects)] = next++;
            }

            result.Add(random.Next(2) == 0 ? next++ : keyOfRank[zipf.Next(random)]);
        }

        return result;
    }

    /// <summary>Items that appear, are asked for by few or by thousands, and are forgotten.</summary>
    private static List<int> News(int seed, int items, int requests)
    {
        var random = new Random(seed);
        var uses = new List<(double At, int Item)>();
        for (var item = 0; item < items; item++)
        {
            var born = random.NextDouble() * requests;
            var count = Math.Min(20_000, (int)Math.Pow(1 - random.NextDouble(), -1 / 1.1));
            var life = 4_000 + (random.NextDouble() * 40_000);
            for (var use = 0; use < count; use++)
            {
                uses.Add((born - (Math.Log(1 - random.NextDouble()) * life), item));
            }
        }

        return [.. uses.OrderBy(use => use.At).Take(requests).Select(use => use.Item)];
    }

    /// <summary>Users who come for a while, use their own few keys and some common ones, and come back after any time.</summary>
    private static List<int> Sessions(int seed, int users, int requests)
    {
        var random = new Random(seed);
        var common = new GeneratedTraces.Zipf(5_000, 0.8);
        var active = Enumerable.Range(0, 60).Select(_ => (User: random.Next(users), Left: random.Next(5, 60))).ToArray();
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            ref var session = ref active[random.Next(active.Length)];
            if (session.Left-- == 0)
            {
                session = ((int)(users * Math.Pow(random.NextDouble(), 2)), random.Next(5, 60)); // some come often
            }

            result.Add(random.Next(4) == 0 ? common.Next(random) : 5_000 + (session.User * 8) + random.Next(8));
        }

        return result;
    }

    /// <summary>Each request repeats an earlier one, whose distance has a heavy tail, or is new.</summary>
    private static List<int> Distances(int seed, int requests)
    {
        var random = new Random(seed);
        var next = 0;
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            var distance = Math.Pow(1 - random.NextDouble(), -1 / 0.35) * 10;
            result.Add(distance > result.Count || random.Next(8) == 0 ? next++ : result[^(int)Math.Max(1, distance)]);
        }

        return result;
    }

    /// <summary>A large table read once from front to back, and a smaller one, or an index, gone through for each of its parts.</summary>
    private static List<int> Joins(int seed, int outer, int inner, int requests)
    {
        var random = new Random(seed);
        var result = new List<int>(requests);
        var page = 0;
        while (result.Count < requests)
        {
            for (var part = 0; part < 250; part++)
            {
                result.Add(page++ % outer);
            }

            // Of the inner table a range, and always its first pages.
            var first = random.Next(3) == 0 ? 0 : random.Next(inner / 2);
            for (var at = 0; at < inner / 2; at++)
            {
                result.Add(outer + first + at);
                if (at % 4 == 0)
                {
                    result.Add(outer + inner + random.Next(100));
                }
            }
        }

        return result;
    }

    /// <summary>A disk far larger than the cache: single blocks, and runs of many, some of which come again.</summary>
    private static List<int> Blocks(int seed, int blocks, int requests)
    {
        var random = new Random(seed);
        var zipf = new GeneratedTraces.Zipf(blocks, 0.65);
        var blockOfRank = Shuffled(random, blocks);
        var runs = new List<(int Start, int Length)>();
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            if (random.Next(120) == 0)
            {
                var run = runs.Count > 20 && random.Next(2) == 0
                    ? runs[^(1 + (int)(runs.Count * Math.Pow(random.NextDouble(), 3)))]
                    : (Start: random.Next(blocks - 600), Length: random.Next(64, 512));
                runs.Add(run);
                for (var block = 0; block < run.Length; block++)
                {
                    result.Add(run.Start + block);
                }
            }

            result.Add(blockOfRank[zipf.Next(random)]);
        }

        return result;
    }

    /// <summary>Steady popularity, and now and then a job that goes twice through everything, in another order, at full speed.</summary>
    private static List<int> Batch(int seed, int keys, int requests)
    {
        var random = new Random(seed);
        var zipf = new GeneratedTraces.Zipf(keys, 0.95);
        var keyOfRank = Shuffled(random, keys);
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            for (var request = 0; request < 120_000; request++)
            {
                result.Add(keyOfRank[zipf.Next(random)]);
            }

            for (var read = 0; read < 2 * keys; read++)
            {
                result.Add(read % keys);
                if (random.Next(10) == 0)
                {
                    result.Add(keyOfRank[zipf.Next(random)]);
                }
            }
        }

        return result;
    }

    /// <summary>A key that is used is used several times at once: to have been hit says little.</summary>
    private static List<int> Bursts(int seed, int keys, int requests)
    {
        var random = new Random(seed);
        var zipf = new GeneratedTraces.Zipf(keys, 0.75);
        var keyOfRank = Shuffled(random, keys);
        var due = new PriorityQueue<int, int>();
        var result = new List<int>(requests);
        while (result.Count < requests)
        {
            if (due.TryPeek(out _, out var at) && at <= result.Count)
            {
                result.Add(due.Dequeue());
                continue;
            }

            var key = keyOfRank[zipf.Next(random)];
            result.Add(key);
            for (var use = random.Next(5); use > 0; use--)
            {
                due.Enqueue(key, result.Count + random.Next(1, 80));
            }
        }

        return result;
    }

    /// <summary>Points in time are added at one end, and queries read the newest ones, over shorter or longer spans.</summary>
    private static List<int> Series(int seed, int requests)
    {
        var random = new Random(seed);
        var result = new List<int>(requests);
        var newest = 20_000;
        while (result.Count < requests)
        {
            newest += random.Next(1, 60);
            var span = random.Next(20) switch { 0 => 15_000, < 5 => 3_000, _ => 300 };
            var step = Math.Max(1, span / 600);
            for (var point = newest - span; point < newest; point += step)
            {
                result.Add(point - (point % step));
            }
        }

        return result;
    }

    /// <summary>Nothing but popularity, which never changes, over more keys than are asked for twice.</summary>
    private static List<int> Steady(int seed, int keys, int requests)
    {
        var random = new Random(seed);
        var zipf = new GeneratedTraces.Zipf(keys, 0.7);
        return [.. Enumerable.Range(0, requests).Select(_ => zipf.Next(random))];
    }

    /// <summary>One kind after the other, with keys of their own, and then again.</summary>
    private static List<int> Turns()
    {
        List<int>[] kinds =
        [
            Sessions(51, users: 6_000, requests: 120_000), Joins(52, outer: 6_000, inner: 2_000, requests: 120_000),
            News(53, items: 15_000, requests: 120_000), Steady(54, keys: 40_000, requests: 120_000),
        ];
        var result = new List<int>();
        for (var round = 0; round < 2; round++)
        {
            for (var kind = 0; kind < kinds.Length; kind++)
            {
                result.AddRange(kinds[kind].Select(key => (key * kinds.Length) + kind));
            }
        }

        return result;
    }

    private static int[] Shuffled(Random random, int count)
    {
        var result = Enumerable.Range(0, count).ToArray();
        random.Shuffle(result);
        return result;
    }
}
