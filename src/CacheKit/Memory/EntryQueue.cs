using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Memory;

/// <summary>Entries in the order in which they came, of which any can be taken out in O(1). Under the eviction lock.</summary>
/// <remarks>
/// <para>A deque of references in small chunks; an entry keeps its position in <see cref="MemoryEntry.Slot"/>. Against
/// links in the entries this costs 12 bytes each instead of 16, writes one reference per move instead of four, and is
/// dense memory for the hand to walk on. Chunks come and go one at a time, so that no insert pays for copying a large
/// array, and there is no slack to speak of.</para>
/// <para>There are no gaps: the entry at the nearer end fills the place of one taken out of the middle. So nothing that
/// was removed stays reachable, and there is nothing to compact. The order suffers a little where entries are removed at
/// random, and hardly at all where the oldest or the newest are.</para>
/// <para>Positions count up and wrap around; chunk c is at index c modulo the length, a power of two, of the directory.</para>
/// </remarks>
internal sealed class EntryQueue(byte region)
{
    /// <summary>A bit of <see cref="MemoryEntry.Region"/> that is the policy's, and that an entry keeps when it leaves a queue or joins one.</summary>
    internal const byte Mark = 0x80;

    private const int ChunkBits = 6;
    private const int ChunkLength = 1 << ChunkBits;

    // A struct around the reference spares each store the check for array covariance.
    private struct Place
    {
        internal MemoryEntry? Entry;
    }

    private Place[]?[] _chunks = new Place[]?[1];
    private Place[]? _spare;
    private uint _head;
    private uint _tail;

    internal int Count => (int)(_tail - _head);

    /// <summary>The sum of the weights. Unsigned, so that a bound near the largest number plus a newcomer still fits.</summary>
    internal ulong Weight { get; private set; }

    /// <summary>The entry that came first. There must be one.</summary>
    internal MemoryEntry Oldest => At(_head).Entry!; // a place between head and tail is never empty

    /// <summary>Has the processor fetch the entry that came second. There must be one.</summary>
    internal void PrefetchSecond() => Prefetch.Of(ref At(_head + 1).Entry!.Hash);

    internal void Append(MemoryEntry entry)
    {
        AppendAlone(entry);
        Joined(entry);
    }

    /// <summary>Puts an entry back that was the oldest.</summary>
    internal void PushOldest(MemoryEntry entry)
    {
        Provide(_head - 1, _tail - 1);
        At(--_head).Entry = entry;
        entry.Slot = _head;
        Joined(entry);
    }

    internal MemoryEntry PopOldest()
    {
        var entry = Oldest;
        DropHead();
        Left(entry);
        return entry;
    }

    internal void MoveOldestToEnd()
    {
        var entry = Oldest;
        DropHead();
        AppendAlone(entry);
    }

    internal void Remove(MemoryEntry entry)
    {
        var slot = entry.Slot;
        if (slot - _head <= _tail - 1 - slot)
        {
            Fill(slot, Oldest);
            DropHead();
        }
        else
        {
            Fill(slot, At(_tail - 1).Entry!); // within head and tail
            DropTail();
        }

        Left(entry);
    }

    /// <summary>Puts one entry in the place of another.</summary>
    internal void Replace(MemoryEntry old, MemoryEntry entry)
    {
        Left(old);
        Fill(old.Slot, entry);
        Joined(entry);
    }

    /// <summary>Forgets everything, also where it contradicts itself.</summary>
    internal void Clear()
    {
        Array.Clear(_chunks);
        _spare = null;
        _head = _tail = 0;
        Weight = 0;
    }

    internal void CopyTo(List<MemoryEntry> entries)
    {
        for (var position = _head; position != _tail; position++)
        {
            entries.Add(At(position).Entry!); // within head and tail
        }
    }

    internal void Verify()
    {
        var weight = 0UL;
        for (var position = _head; position != _tail; position++)
        {
            var entry = At(position).Entry;
            if (entry is null || entry.Slot != position || (entry.Region & ~Mark) != region)
            {
                throw new InvalidOperationException("An entry is not where it believes to be.");
            }

            weight += (ulong)entry.Weight;
        }

        var held = (_spare is null ? 0 : Held(_spare)) + _chunks.Sum(chunk => chunk is null ? 0 : Held(chunk));
        if (weight != Weight || held != Count)
        {
            throw new InvalidOperationException($"A queue of {Count} entries and weight {Weight} holds {held} of weight {weight}.");
        }

        static int Held(Place[] chunk) => chunk.Count(place => place.Entry is not null);
    }

    // The chunk of a position between head and tail is there: Provide made it, and it is let go after its last place.
    private ref Place At(uint position) => ref Chunk(position >> ChunkBits)![position & (ChunkLength - 1)];

    // As the index is masked, neither bounds nor the array's type are checked.
    private ref Place[]? Chunk(uint number) =>
        ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_chunks), (nint)(number & (uint)(_chunks.Length - 1)));

    private void AppendAlone(MemoryEntry entry)
    {
        if ((_tail & (ChunkLength - 1)) == 0 || _head == _tail)
        {
            Provide(_head, _tail);
        }

        At(_tail).Entry = entry;
        entry.Slot = _tail++;
    }

    private void Fill(uint slot, MemoryEntry entry)
    {
        At(slot).Entry = entry;
        entry.Slot = slot;
    }

    private void Joined(MemoryEntry entry)
    {
        entry.Region = (byte)(region | (entry.Region & Mark));
        Weight += (ulong)entry.Weight;
    }

    private void Left(MemoryEntry entry)
    {
        entry.Region &= Mark;
        Weight -= (ulong)entry.Weight;
    }

    private void DropHead()
    {
        At(_head).Entry = null;
        if ((++_head & (ChunkLength - 1)) == 0 || _head == _tail)
        {
            LetGo(_head - 1);
        }
    }

    private void DropTail()
    {
        At(--_tail).Entry = null;
        if ((_tail & (ChunkLength - 1)) == 0 || _head == _tail)
        {
            LetGo(_tail);
        }
    }

    private void LetGo(uint position)
    {
        ref var chunk = ref Chunk(position >> ChunkBits);
        _spare = chunk;
        chunk = null;
    }

    /// <summary>Makes the chunks of the positions from <paramref name="first"/> to <paramref name="last"/>, of which at most the outermost is missing.</summary>
    private void Provide(uint first, uint last)
    {
        var chunks = ((last >> ChunkBits) - (first >> ChunkBits) & (uint.MaxValue >> ChunkBits)) + 1;
        if (chunks > _chunks.Length)
        {
            var old = _chunks;
            var grown = new Place[]?[old.Length * 2];
            for (var number = _head >> ChunkBits; old[number & (uint)(old.Length - 1)] is { } chunk; number++)
            {
                grown[number & (uint)(grown.Length - 1)] = chunk;
                old[number & (uint)(old.Length - 1)] = null;
            }

            _chunks = grown;
        }

        Make(ref Chunk(first >> ChunkBits));
        Make(ref Chunk(last >> ChunkBits));
    }

    private void Make(ref Place[]? chunk)
    {
        if (chunk is null)
        {
            chunk = _spare ?? new Place[ChunkLength];
            _spare = null;
        }
    }
}
