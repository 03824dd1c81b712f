using System.Diagnostics;
using CacheKit.Engine;
using CacheKit.Stores;
using static CacheKit.NodeCheck.AccountTable;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.NodeCheck;

/// <summary>Adds, counts, locks and takes turns, and keeps accounts of it: what comes out must be exact while nothing fails, and within bounds whatever does.</summary>
/// <remarks>
/// <para><em>Exact</em>: of four who add under a key one does, and all find its value; each number is given to one of those who count; no two hold a lock, and no two
/// factories of a key run at once. <em>Within bounds</em>, while calls of Redis fail but it loses nothing: of those whom it has answered, at most one has added, no two
/// were given the same number, no number is greater than it was tried to make it, nor smaller than Redis has said; and still no two hold a lock.</para>
/// <para>Who has a lock writes down until when it is his at least: whoever is given it before that was given it too early. So it does not matter how long a process is kept waiting.</para>
/// </remarks>
internal sealed class Accounts(NodeOptions options, NodeTable table, AccountTable accounts, Cache cache, ILockStore locks)
{
    private const int Locks = 4;
    private const int Turns = Places - Locks;
    private const int Examples = 3;

    private static readonly TimeSpan _lease = TimeSpan.FromMilliseconds(400);

    // A server goes by whole milliseconds, and reads its clock once for what it does in one go.
    private static readonly long _slack = Stopwatch.Frequency / 200;

    private int _examples;
    private long _unansweredBefore;

    private bool HasFailed => Unanswered > 0;

    private long Unanswered => Count() - _unansweredBefore;

    private long Count() => cache.GetStatistics().Tiers[^1] is var redis ? redis.Failures + redis.Timeouts + redis.Refusals : 0;

    internal async Task RunAsync()
    {
        await Stampede.WarmUpAsync(cache);
        _unansweredBefore = Count();
        table.Count(Counter.Ready);
        while (!table.MayGo)
        {
            await Task.Delay(1);
        }

        await Task.WhenAll(
        [
            .. Enumerable.Range(0, 3).Select(_ => LoopAsync(AddAsync)),
            .. Enumerable.Range(0, 3).Select(_ => LoopAsync(CountAsync)),
            .. Enumerable.Range(0, 2).Select(_ => LoopAsync(LockAsync)),
            .. Enumerable.Range(0, 3).Select(_ => LoopAsync(TakeTurnAsync)),
        ]);
        table.Count(Counter.Failures, Unanswered);
    }

    private Task LoopAsync(Func<Task> act) => Task.Run(async () =>
    {
        while (!table.IsStopping)
        {
            try
            {
                await act();
            }
            catch (CacheStoreException)
            {
                // A store is called directly for locks: it tells when it cannot be reached.
                await Task.Delay(10);
            }
            catch (Exception exception)
            {
                table.Count(Counter.Exceptions);
                Report($"threw {exception}");
            }

            await Task.Yield();
        }
    });

    private async Task AddAsync()
    {
        var ticket = accounts.TakeTicket();
        var round = ticket / PerRound;
        if (round >= MostRounds)
        {
            await Task.Delay(100);
            return;
        }

        var key = $"add:{round}";
        var before = Unanswered;
        var isAdded = await cache.TryAddAsync(key, ticket);
        var isTold = Unanswered == before;
        table.Count(Counter.Changes);
        if (isTold && isAdded && Interlocked.Increment(ref accounts.Round(round, RoundWord.Added)) > 1)
        {
            Accuse($"of those who added under key {key} more than one did");
        }

        if (!HasFailed)
        {
            var found = await cache.GetAsync<long>(key);
            table.Count(Counter.Reads);
            table.Count(Counter.Hits, found.IsHit ? 1 : 0);
            var first = Interlocked.CompareExchange(ref accounts.Round(round, RoundWord.Value), found.GetValueOrDefault(-1) + 1, 0);
            if (!HasFailed && (!found.IsHit || found.Value / PerRound != round || (isAdded && found.Value != ticket) || (first != 0 && first != found.Value + 1)))
            {
                Accuse($"key {key} gave {found}, although {ticket} was {(isAdded ? "" : "not ")}added, and {first - 1} seen");
            }
        }

        var told = isTold ? Interlocked.Increment(ref accounts.Round(round, RoundWord.Told)) : 0;
        if (Interlocked.Increment(ref accounts.Round(round, RoundWord.Done)) != PerRound)
        {
            return;
        }

        if (told == PerRound && Volatile.Read(ref accounts.Round(round, RoundWord.Added)) != 1)
        {
            Accuse($"nobody could add under key {key}");
        }

        // All are done with it. Once it is removed, it can be added again.
        before = Unanswered;
        var wasThere = await cache.RemoveAsync(key);
        var isAddedAgain = await cache.TryAddAsync(key, ticket);
        if (Unanswered == before && told == PerRound && !(wasThere && isAddedAgain))
        {
            Accuse($"key {key} was {(wasThere ? "" : "not ")}there to be removed, and could {(isAddedAgain ? "" : "not ")}be added again");
        }
    }

    private async Task CountAsync()
    {
        var number = Random.Shared.Next(Numbers);
        if (accounts.Tried(number) >= MostMarks - 100)
        {
            await Task.Delay(100);
            return;
        }

        accounts.Try(number);
        var before = Unanswered;
        var value = await cache.IncrementAsync($"number:{number}");
        table.Count(Counter.Counts);
        if (value < 1 || value > accounts.Tried(number))
        {
            Accuse($"number {number} has become {value}, although it was tried {accounts.Tried(number)} times to add one");
        }

        if (Unanswered == before && !accounts.Mark(number, value))
        {
            Accuse($"number {number} has become {value} twice");
        }
    }

    private async Task LockAsync()
    {
        var place = Random.Shared.Next(Locks);
        var began = Stopwatch.GetTimestamp();
        var held = await locks.TryLockAsync($"lock:{place}", _lease, default);
        if (held is null)
        {
            await Task.Delay(Random.Shared.Next(3));
            return;
        }

        await using (held)
        {
            var mine = Until(began);
            while (true)
            {
                var other = Volatile.Read(ref accounts.Place(place));
                var now = Stopwatch.GetTimestamp();
                if (now >= mine)
                {
                    return; // this process was kept waiting: it may be another's by now
                }

                if (other > now)
                {
                    Accuse($"lock {place} was given to another while it was held for {Stopwatch.GetElapsedTime(now, other).TotalMilliseconds:N0} ms more");
                }

                if (Interlocked.CompareExchange(ref accounts.Place(place), mine, other) == other)
                {
                    break;
                }
            }

            try
            {
                table.Count(Counter.Locks);
                await Task.Delay(Random.Shared.Next(4));
                if (Random.Shared.Next(4) == 0)
                {
                    // Beyond the lease, if it is extended.
                    await Task.Delay(Random.Shared.Next(250));
                    began = Stopwatch.GetTimestamp();
                    if (await held.ExtendAsync(_lease, default))
                    {
                        var longer = Until(began);
                        if (Interlocked.CompareExchange(ref accounts.Place(place), longer, mine) == mine)
                        {
                            mine = longer;
                        }
                        else
                        {
                            Accuse($"lock {place} was extended although another had been given it");
                        }

                        await Task.Delay(Random.Shared.Next(250));
                    }
                }
            }
            finally
            {
                // Also if it could not be extended: it is released all the same, and then another's.
                Interlocked.CompareExchange(ref accounts.Place(place), 0, mine);
            }
        }
    }

    private static long Until(long began) => began + (long)(_lease.TotalSeconds * Stopwatch.Frequency) - _slack;

    private async Task TakeTurnAsync()
    {
        var turn = Random.Shared.Next(Turns);
        if (Random.Shared.Next(20) == 0)
        {
            await cache.RemoveAsync($"turn:{turn}");
        }

        await cache.GetOrCreateAsync(
            $"turn:{turn}",
            async token =>
            {
                table.Count(Counter.Factories);
                var me = options.Node + 1;
                var other = Interlocked.CompareExchange(ref accounts.Place(Locks + turn), me, 0);
                await Task.Delay(Random.Shared.Next(4), CancellationToken.None);
                if (other == 0)
                {
                    Interlocked.CompareExchange(ref accounts.Place(Locks + turn), 0, me);
                }
                else
                {
                    table.Count(Counter.Overlaps);
                }

                return 1;
            },
            new CacheEntryOptions { Expiration = TimeSpan.FromMilliseconds(Random.Shared.Next(5, 50)) });
    }

    private void Accuse(string what)
    {
        table.Count(Counter.Violations);
        Report(what);
    }

    private void Report(string what)
    {
        if (Interlocked.Increment(ref _examples) <= Examples)
        {
            Console.WriteLine($"node {options.Node}: {what}");
        }
    }
}
