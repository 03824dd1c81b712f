namespace CacheKit.Engine;

/// <summary>Wakes somebody once, at a time, without keeping it alive, and outside the context of whoever set it.</summary>
/// <remarks>The callback must not throw. Safe for concurrent use; the last <see cref="Start"/> counts.</remarks>
internal sealed class WeakTimer<T> : IDisposable
    where T : class
{
    private readonly ITimer _timer;

    internal WeakTimer(T target, Action<T> wake, TimeProvider time)
    {
        var alarm = new Alarm(target, wake);
        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static alarm => ((Alarm)alarm!).Ring(), alarm, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan); // its state is alarm
        }
    }

    /// <summary>Wakes after so long, instead of when it was to wake before. Nothing happens once disposed.</summary>
    internal void Start(TimeSpan dueIn)
    {
        try
        {
            _timer.Change(Patience.Of(dueIn) ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // Some clocks' timers say it so.
        }
    }

    public void Dispose() => _timer.Dispose();

    private sealed class Alarm(T target, Action<T> wake)
    {
        private readonly WeakReference<T> _target = new(target);

        internal void Ring()
        {
            if (_target.TryGetTarget(out var target))
            {
                wake(target);
            }
        }
    }
}
