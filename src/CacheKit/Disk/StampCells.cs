using System.Runtime.Intrinsics.X86;

namespace CacheKit.Disk;

/// <summary>Remembers for any number of hashes the last stamp of each, in a fixed number of cells that only grow.</summary>
/// <remarks>
/// A hash has several cells, and its stamp is the least of them. Others may have raised some of them, so the answer may be too late a
/// stamp, never too early a one: a miss, or a value not stored, never a wrong value.
/// </remarks>
internal readonly unsafe struct StampCells(long* cells, long count, int probes)
{
    private readonly long* _cells = cells;
    private readonly ulong _mask = (ulong)count - 1;

    /// <summary>Sets the stamp of a hash, unless it has a later one.</summary>
    internal void Raise(ulong hash, long stamp)
    {
        for (var probe = 0; probe < probes; probe++)
        {
            DiskIndex.Raise(ref Cell(hash, probe), stamp);
        }
    }

    /// <summary>Whether the hash has a stamp later than the given one.</summary>
    internal bool IsLater(ulong hash, long stamp)
    {
        for (var probe = 0; probe < probes; probe++)
        {
            if (Volatile.Read(ref Cell(hash, probe)) <= stamp)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Has the cells of a hash fetched from memory while something else is done.</summary>
    internal void Prefetch(ulong hash)
    {
        for (var probe = 0; Sse.IsSupported && probe < probes; probe++)
        {
            Sse.Prefetch0(_cells + Number(hash, probe));
        }
    }

    private ref long Cell(ulong hash, int probe) => ref _cells[Number(hash, probe)];

    private ulong Number(ulong hash, int probe) => (hash + ((ulong)probe * ((hash >> 32) | 1))) & _mask;
}
