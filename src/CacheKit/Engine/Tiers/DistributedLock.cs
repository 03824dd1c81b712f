using System.Diagnostics.CodeAnalysis;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>A node's turn to create a value: held while the factory runs, extended as long as that takes.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "It is, asynchronously.")]
internal readonly struct DistributedLock : IAsyncDisposable
{
    private static readonly TimeSpan _firstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(250);

    private readonly Holder? _holder;

    internal DistributedLock(IStoreLock held, StoreTier tier, TimeProvider time) => _holder = new(held, tier, time);

    private DistributedLock(bool isLanded) => IsLanded = isLanded;

    /// <summary>The value has come meanwhile: nothing is held, and nothing to be created.</summary>
    internal static DistributedLock Landed => new(isLanded: true);

    internal bool IsLanded { get; }

    internal bool IsHeld => _holder is not null;

    /// <summary>How long to wait before looking again: longer each time, and not the same for all.</summary>
    internal static TimeSpan Pause(int attempt)
    {
        var ticks = Math.Min(_longestPause.Ticks, _firstPause.Ticks << Math.Min(attempt, 10));
        return TimeSpan.FromTicks((long)(ticks * (0.8 + (0.4 * Random.Shared.NextDouble()))));
    }

    public ValueTask DisposeAsync() => _holder?.DisposeAsync() ?? default;

    private sealed class Holder : IAsyncDisposable
    {
        private readonly IStoreLock _held;
        private readonly StoreTier _tier;
        private readonly ITimer _timer;
        private bool _isExtending;

        internal Holder(IStoreLock held, StoreTier tier, TimeProvider time)
        {
            _held = held;
            _tier = tier;
            var interval = tier.Options.LockLease / 3;
            using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
            {
                _timer = time.CreateTimer(static holder => _ = ((Holder)holder!).ExtendAsync(), this, interval, interval); // its state is this
            }
        }

        /// <summary>Gives the lock back. If the store cannot be told, the lease ends by itself: it blocks nobody for long.</summary>
        public async ValueTask DisposeAsync()
        {
            await _timer.DisposeAsync().ConfigureAwait(false);
            await _tier.Guard.RunAsync(
                StoreOperation.Lock, null, _held,
                static async (_, held, _) =>
                {
                    await held.DisposeAsync().ConfigureAwait(false);
                    return true;
                },
                CancellationToken.None).ConfigureAwait(false);
        }

        /// <summary>One at a time. If it fails, the next tick tries again; if the lock is lost, another node creates the value as well, and no promise breaks.</summary>
        private async Task ExtendAsync()
        {
            if (Volatile.Read(ref _isExtending))
            {
                return;
            }

            await _tier.Guard.RunAsync(
                StoreOperation.Lock, null, this,
                static async (_, holder, token) =>
                {
                    Volatile.Write(ref holder._isExtending, true);
                    try
                    {
                        return await holder._held.ExtendAsync(holder._tier.Options.LockLease, token).ConfigureAwait(false);
                    }
                    finally
                    {
                        Volatile.Write(ref holder._isExtending, false); // not before the store has done with it, whenever that is
                    }
                },
                CancellationToken.None).ConfigureAwait(false);
        }
    }
}
