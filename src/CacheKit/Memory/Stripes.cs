using System.Numerics;
using System.Runtime.InteropServices;

namespace CacheKit.Memory;

/// <summary>What the writers of a table share: their locks, each for the hashes with the same low bits, and the count of entries.</summary>
/// <remarks>Apart from the table, so that writers do not take from readers the cache line on which these find the buckets.</remarks>
internal sealed class Stripes
{
    private readonly Lock[] _locks;
    private PaddedInt32 _entryCount;

    /// <summary>A power of two, four for each processor if <paramref name="most"/> allows.</summary>
    internal Stripes(int most)
    {
        _locks = new Lock[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(4 * Environment.ProcessorCount, most / 2, most))];
        for (var index = 0; index < _locks.Length; index++)
        {
            _locks[index] = new();
        }
    }

    internal int Count => _locks.Length;

    internal ref int EntryCount => ref _entryCount.Value;

    internal Lock Of(uint hash) => _locks[hash & (uint)(_locks.Length - 1)];

    internal void EnterAll()
    {
        foreach (var stripe in _locks)
        {
            stripe.Enter();
        }
    }

    internal void ExitAll()
    {
        foreach (var stripe in _locks)
        {
            stripe.Exit();
        }
    }

    /// <summary>Whether no lock was left behind. For tests.</summary>
    internal bool AreFree()
    {
        foreach (var stripe in _locks)
        {
            if (!stripe.TryEnter(TimeSpan.FromSeconds(10)))
            {
                return false;
            }

            stripe.Exit();
        }

        return true;
    }

    /// <summary>On a cache line of its own: the object may lie right behind the table.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct PaddedInt32
    {
        [FieldOffset(64)]
        internal int Value;
    }
}
