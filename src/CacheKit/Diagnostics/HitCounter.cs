using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Diagnostics;

/// <summary>Counts what happens too often for an interlocked instruction: exactly, and without threads ever sharing a cache line.</summary>
/// <remarks>
/// <para>Every thread that counts has an array of its own, with a slot for each counter; only its thread writes to it,
/// with a plain addition. The value of a counter is the sum of its slots over all threads.</para>
/// <para>What a thread has counted outlives it: an object that only the thread refers to is finalized after the thread
/// has ended, and leaves the array, with what is in it, to the next thread that begins to count. Arrays can be read by others but never written, so a
/// slot that is used again cannot be zeroed: the new counter subtracts what it found there.</para>
/// <para>A thread allocates when it first counts, unless one has ended, and again only when there are more counters than its array has slots.</para>
/// <para>What a count looks at of its thread are two plain numbers, which the runtime keeps with the thread itself; a reference it would look for in a table.
/// So the arrays are pinned, and a thread has the address of its own. The array that it has is never freed: a native thread that has left the runtime and is called back into it once more may
/// still have the address.</para>
/// </remarks>
internal sealed class HitCounter : IDisposable
{
    /// <summary>The slot of disposed counters, whose value nobody asks for.</summary>
    private const int Nowhere = 0;

    [ThreadStatic]
    private static ThreadEnd? _end;

    private readonly long _found;
    private int _slot;
    private long _lastValue;

    internal HitCounter() => _slot = Threads.TakeSlot(out _found);

    /// <summary>A counter that nobody disposed must not occupy its slot for ever.</summary>
    ~HitCounter() => Dispose();

    /// <summary>What was counted since the counter was created; after disposal, until then.</summary>
    /// <remarks>Takes a lock that no counting thread needs. Counts that are under way on other threads may be missing.</remarks>
    internal long Value
    {
        get
        {
            lock (Threads.Gate)
            {
                return _slot == Nowhere ? _lastValue : Threads.Sum(_slot) - _found;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal unsafe void Increment()
    {
        var slot = _slot;
        if (slot < ThreadSlots.Count)
        {
            ThreadSlots.First[(uint)slot]++;
        }
        else
        {
            AddFirst(slot, 1);
        }
    }

    /// <summary>Adds any number; a negative one takes back what was counted too early.</summary>
    internal unsafe void Add(long number)
    {
        var slot = _slot;
        if (slot < ThreadSlots.Count)
        {
            ThreadSlots.First[(uint)slot] += number;
        }
        else
        {
            AddFirst(slot, number);
        }
    }

    /// <summary>Frees the slot for another counter. What is counted from now on is lost.</summary>
    /// <remarks>A count that began before this and ends after the slot was given away counts there: callers stop first.</remarks>
    public void Dispose()
    {
        lock (Threads.Gate)
        {
            if (_slot != Nowhere)
            {
                _lastValue = Threads.Sum(_slot) - _found;
                Threads.Return(_slot);
                _slot = Nowhere;
            }
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>How many arrays have been made for threads, those of ended ones included. For tests.</summary>
    internal static int ArrayCount
    {
        get
        {
            lock (Threads.Gate)
            {
                return Threads.All.Count;
            }
        }
    }

    /// <summary>How many slots there are, free ones included. For tests.</summary>
    internal static int SlotCount
    {
        get
        {
            lock (Threads.Gate)
            {
                return Threads.Slots;
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void AddFirst(int slot, long number)
    {
        lock (Threads.Gate)
        {
            _end ??= new(Threads.Register());
            var slots = Threads.Grow(_end.Counts);
            ThreadSlots.First = (long*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(slots));
            ThreadSlots.Count = slots.Length;
        }

        ThreadSlots.First[(uint)slot] += number;
    }

    /// <summary>The thread's own array, once more.</summary>
    /// <remarks>In a class without static initializers, so that the hit path has no initialization to check, and without a reference.</remarks>
    private static unsafe class ThreadSlots
    {
        [ThreadStatic]
        internal static int Count;

        [ThreadStatic]
        internal static long* First;
    }

    /// <summary>The array of one thread. Its owner replaces it, under the gate.</summary>
    private sealed class ThreadCounts
    {
        internal long[] Slots = [];
    }

    /// <summary>Referred to by its thread alone, and so finalized once the thread has ended.</summary>
    private sealed class ThreadEnd(ThreadCounts counts)
    {
        internal ThreadCounts Counts { get; } = counts;

        ~ThreadEnd() => Threads.Leave(Counts);
    }

    /// <summary>All threads that count, and which slots are taken.</summary>
    private static class Threads
    {
        /// <summary>Slots that nobody uses at the end of each array: the array behind it in memory is another thread's.</summary>
        private const int Padding = 16;

        internal static readonly Lock Gate = new();
        internal static readonly List<ThreadCounts> All = [];
        private static readonly Stack<ThreadCounts> _left = [];
        private static readonly Queue<int> _freeSlots = [];

        internal static int Slots { get; private set; } = Nowhere + 1;

        internal static int TakeSlot(out long found)
        {
            lock (Gate)
            {
                if (!_freeSlots.TryDequeue(out var slot))
                {
                    slot = Slots++;
                }

                found = Sum(slot);
                return slot;
            }
        }

        internal static void Return(int slot)
        {
            Debug.Assert(Gate.IsHeldByCurrentThread);
            _freeSlots.Enqueue(slot);
        }

        internal static long Sum(int slot)
        {
            Debug.Assert(Gate.IsHeldByCurrentThread);
            var sum = 0L;
            foreach (var thread in All)
            {
                if (slot < thread.Slots.Length)
                {
                    sum += Volatile.Read(ref thread.Slots[slot]);
                }
            }

            return sum;
        }

        internal static ThreadCounts Register()
        {
            Debug.Assert(Gate.IsHeldByCurrentThread);
            if (!_left.TryPop(out var counts))
            {
                counts = new();
                All.Add(counts);
            }

            return counts;
        }

        /// <summary>Makes room for every slot there is. Called by the array's own thread, which therefore does not count meanwhile.</summary>
        internal static long[] Grow(ThreadCounts counts)
        {
            Debug.Assert(Gate.IsHeldByCurrentThread);
            if (counts.Slots.Length < Slots)
            {
                var slots = GC.AllocateArray<long>(LengthFor(Slots), pinned: true); // see ThreadSlots
                counts.Slots.CopyTo(slots, 0);
                counts.Slots = slots;
            }

            return counts.Slots;
        }

        internal static void Leave(ThreadCounts counts)
        {
            lock (Gate)
            {
                _left.Push(counts);
            }
        }

        private static int LengthFor(int slots) => (slots + Padding - 1) / Padding * Padding + Padding;
    }
}
