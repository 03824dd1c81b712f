using CacheKit.Disk;

namespace CacheKit.Tests.Disk;

/// <summary>Counts the writes that lay still while the log came round, and so may have destroyed what was written after them.</summary>
/// <remarks>
/// The store does not prevent those: what they destroy is a miss. On a busy machine, a log as small as those of the tests comes round within the
/// slice of time that a thread has to wait for its next turn.
/// </remarks>
internal sealed class StrayWrites(int segmentCount)
{
    // Flows to wherever the call is carried on.
    private readonly AsyncLocal<int> _openedBefore = new();

    private int _opened;
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>A call begins, or the reclaimer does.</summary>
    public void Begin() => _openedBefore.Value = Volatile.Read(ref _opened);

    /// <summary>The store has come to a step.</summary>
    public void Pass(DiskStep step)
    {
        switch (step)
        {
            case DiskStep.SegmentOpened:
                Interlocked.Increment(ref _opened);
                break;
            // The one that is being written and the one whose file is taken over need not be whole ones.
            case DiskStep.Written when Volatile.Read(ref _opened) - _openedBefore.Value >= segmentCount - 1:
                Interlocked.Increment(ref _count);
                break;
            case DiskStep.Copied:
                Begin();
                break;
        }
    }
}
