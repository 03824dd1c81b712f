using System.Threading.Tasks.Sources;

namespace CacheKit.Engine.Feed;

/// <summary>Those who wait for what they have told to be on its way, until the message that tells the last of it has been sent.</summary>
/// <remarks>
/// They go on one after the other, on a thread of the pool: an item of its queue for each would cost more, and what they do next would not come together. Before the first does, another
/// thread is asked for, which takes over the rest if this one is kept: who blocks holds up nobody but himself.
/// </remarks>
/// <param name="from">How much had been told when the first came.</param>
internal sealed class Flush(long from) : IThreadPoolWorkItem
{
    private readonly List<Waiter> _waiters = [];
    private bool _isSent;
    private int _next;

    /// <summary>How much had been told when the first came: later than what the message before tells.</summary>
    internal long From => from;

    /// <summary>How much had been told when the last came.</summary>
    internal long Through { get; private set; }

    /// <summary>Waits for it, for what has been told by now. Not once it has ended.</summary>
    internal ValueTask<bool> Join(long through)
    {
        Through = through;
        var waiter = new Waiter();
        _waiters.Add(waiter);
        return waiter.Task;
    }

    /// <summary>Lets those who wait go on, elsewhere. Once.</summary>
    internal void End(bool isSent)
    {
        _isSent = isSent;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (Volatile.Read(ref _next) + 1 < _waiters.Count)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        while (Interlocked.Increment(ref _next) - 1 is var index && index < _waiters.Count)
        {
            _waiters[index].End(_isSent);
        }
    }

    private sealed class Waiter : IValueTaskSource<bool>
    {
        private ManualResetValueTaskSourceCore<bool> _core;

        internal ValueTask<bool> Task => new(this, _core.Version);

        internal void End(bool isSent) => _core.SetResult(isSent);

        public bool GetResult(short token) => _core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
