using CacheKit.Disk;

namespace CacheKit.Tests.Disk;

/// <summary>The index of a folder, for a test to look into or damage while stores use it.</summary>
internal sealed class OpenIndex : IDisposable
{
    private readonly DiskDirectory _directory;

    public OpenIndex(DiskFolder folder) => _directory = DiskDirectory.Open(folder.Settings with { FlushOnClose = false });

    public DiskIndex Index => _directory.Index;

    public unsafe void FlipFeedByte(int offset) => Index.Feed[offset] ^= 0x10;

    /// <summary>Makes every message of the feed look like one of long after.</summary>
    public unsafe void DamageFeedMarks()
    {
        for (var i = 0; i < Index.Geometry.FeedMessages; i++)
            *(long*)(Index.Feed + (i * SharedFeed.MessageBytes)) = long.MaxValue - i;
    }

    /// <summary>Flips one bit of every slot that is in use.</summary>
    public unsafe void FlipSlots(int bit)
    {
        for (long i = 0; i < Index.Geometry.BucketCount * DiskGeometry.SlotsPerBucket; i++)
        {
            ref var slot = ref Index.BucketAt(0)[i];
            slot ^= slot == 0 ? 0 : 1UL << bit;
        }
    }

    public void Dispose() => _directory.Close();
}
