using System.Diagnostics.CodeAnalysis;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>A node's turn to create a value: held while the factory runs, extended as long as that takes.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "It is, asynchronously.")]
internal readonly struct DistributedLock : IAsyncDisposable
{
    private static readonly TimeSpan _firstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(250);

    private readonly Holder? _holder;

    internal DistributedLock(IStoreLock held, TimeSpan lease, TimeProvider time) => _holder = new(held, lease, time);

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
        private readonly TimeSpan _lease;
        private readonly ITimer _timer;

        internal Holder(IStoreLock held, TimeSpan lease, TimeProvider time)
        {
            _held = held;
            _lease = lease;
            var interval = lease / 3;
            using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
            {
                _timer = time.CreateTimer(static holder => _ = ((Holder)holder!).ExtendAsync(), this, interval, interval); // its state is this
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _timer.DisposeAsync().ConfigureAwait(false);
            try
            {
                await _held.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // The lease ends by itself: a lock that cannot be given back blocks nobody for long.
            }
        }

        private async Task ExtendAsync()
        {
            try
            {
                await _held.ExtendAsync(_lease, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // Tried again with the next tick; if the lock is lost, another node creates the value as well, and no promise breaks.
            }
        }
    }
}
