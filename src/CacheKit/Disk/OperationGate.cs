using System.Runtime.InteropServices;

namespace CacheKit.Disk;

/// <summary>Counts what is under way, so that closing can wait for it, and lets nothing in afterwards.</summary>
/// <remarks>The count is spread over stripes, so that threads do not meet. An operation enters and leaves on the same stripe.</remarks>
internal sealed class OperationGate
{
    private const int Stripes = 16;

    private readonly Stripe[] _stripes = new Stripe[Stripes];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isClosed;

    internal bool IsClosed => Volatile.Read(ref _isClosed);

    /// <summary>Begins an operation.</summary>
    /// <param name="stripe">What to leave with.</param>
    /// <returns><see langword="false"/> if it is closed: do not leave.</returns>
    internal bool TryEnter(out int stripe)
    {
        stripe = Thread.GetCurrentProcessorId() & (Stripes - 1);

        // Counted before the look at the flag, and the flag set before the look at the counts: one of the two sees the other.
        Interlocked.Increment(ref _stripes[stripe].Count);
        if (!Volatile.Read(ref _isClosed))
        {
            return true;
        }

        Leave(stripe);
        return false;
    }

    internal void Leave(int stripe)
    {
        Interlocked.Decrement(ref _stripes[stripe].Count);
        if (Volatile.Read(ref _isClosed))
        {
            SignalIfDrained();
        }
    }

    /// <summary>Lets nothing in from now on.</summary>
    /// <returns>Completes when nothing is under way any more.</returns>
    internal Task CloseAsync()
    {
        Volatile.Write(ref _isClosed, true);
        Interlocked.MemoryBarrier();
        SignalIfDrained();
        return _drained.Task;
    }

    private void SignalIfDrained()
    {
        foreach (ref var stripe in _stripes.AsSpan())
        {
            if (Volatile.Read(ref stripe.Count) != 0)
            {
                return;
            }
        }

        _drained.TrySetResult();
    }

    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Stripe
    {
        [FieldOffset(0)]
        internal int Count;
    }
}
