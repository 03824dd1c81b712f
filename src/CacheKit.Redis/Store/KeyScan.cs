using System.Runtime.CompilerServices;
using System.Threading.Channels;
using CacheKit.Redis.Connection;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Goes through the names on all masters, on a thread of its own: the client's enumeration blocks.</summary>
internal static class KeyScan
{
    private const int PageSize = 500;
    private const int SampleSize = 20_000;

    private static readonly TimeSpan _moment = TimeSpan.FromMilliseconds(50);

    private static int _threads;

    /// <summary>For tests: how many threads are at it.</summary>
    internal static int Threads => Volatile.Read(ref _threads);

    /// <summary>Lists the names that match a pattern, some more than once, in pages: as many as asked for, or what was found within a moment.</summary>
    internal static async IAsyncEnumerable<List<string>> PagesAsync(
        RedisLink link, string pattern, int mostOfPage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var names = Channel.CreateBounded<string>(new BoundedChannelOptions(2 * PageSize) { SingleWriter = true });

        // Whoever leaves early, or is thrown out, must not leave the thread behind.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var token = ending.Token;
        RunOnThread(() => Scan(link, pattern, names.Writer, token));
        try
        {
            while (await names.Reader.WaitToReadAsync(token).ConfigureAwait(false))
            {
                var (page, began) = (new List<string>(), TimeProvider.System.GetTimestamp());
                do
                {
                    while (page.Count < mostOfPage && names.Reader.TryRead(out var name))
                    {
                        page.Add(name);
                    }
                }
                while (page.Count < mostOfPage && TimeProvider.System.GetElapsedTime(began) < _moment && await WaitBrieflyAsync(names.Reader, token).ConfigureAwait(false));

                yield return page;
            }
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
        }
    }

    private static async ValueTask<bool> WaitBrieflyAsync(ChannelReader<string> names, CancellationToken cancellationToken)
    {
        var waiting = names.WaitToReadAsync(cancellationToken).AsTask();
        Task limited = waiting.WaitAsync(_moment, TimeProvider.System, cancellationToken);
        await limited.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Abandoned.Observe(waiting);
        return waiting is { IsCompletedSuccessfully: true, Result: true };
    }

    /// <summary>Estimates how many names a predicate holds for: exactly if there are few on a server, else from a sample of them.</summary>
    internal static Task<long> EstimateAsync(RedisLink link, Func<string, bool> isMeant, CancellationToken cancellationToken)
    {
        var result = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        RunOnThread(() =>
        {
            try
            {
                var total = 0L;
                foreach (var server in Masters(link))
                {
                    var size = server.DatabaseSize(link.Database.Database);
                    var (seen, meant) = (0L, 0L);
                    foreach (var name in server.Keys(link.Database.Database, "*", PageSize))
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        seen++;
                        meant += isMeant(name.ToString()) ? 1 : 0;
                        if (seen >= SampleSize)
                        {
                            break;
                        }
                    }

                    total += seen < SampleSize || size <= seen ? meant : (long)((double)meant / seen * size);
                }

                result.TrySetResult(total);
            }
            catch (Exception exception)
            {
                result.TrySetException(exception);
            }
        });
        return result.Task;
    }

    private static void Scan(RedisLink link, string pattern, ChannelWriter<string> names, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var server in Masters(link))
            {
                foreach (var name in server.Keys(link.Database.Database, pattern, PageSize))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!names.TryWrite(name.ToString()))
                    {
                        // This thread is for waiting.
                        names.WriteAsync(name.ToString(), cancellationToken).AsTask().GetAwaiter().GetResult();
                    }
                }
            }

            names.TryComplete();
        }
        catch (Exception exception)
        {
            names.TryComplete(exception is OperationCanceledException ? exception : RedisErrors.Translate(exception));
        }
    }

    private static List<IServer> Masters(RedisLink link)
    {
        var masters = link.Servers.Where(RedisLink.IsMaster).ToList();
        return masters.Count > 0 ? masters : throw new CacheStoreException("No Redis server is connected.");
    }

    private static void RunOnThread(Action action)
    {
        Interlocked.Increment(ref _threads);
        _ = Task.Factory.StartNew(
            () =>
            {
                action();
                Interlocked.Decrement(ref _threads);
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }
}
