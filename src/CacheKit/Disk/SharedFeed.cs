using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>Tells the memory tiers of all processes on a disk cache what has changed, through a ring in the shared index.</summary>
/// <remarks>
/// <para>A writer reserves a place, writes its message there with a sum, marks the place, and only then moves the head. So a
/// reader that sees the head where it was has missed nothing of what has returned to its caller.</para>
/// <para>A reserved place without its mark is a <em>hole</em>: its writer is on the way, and will move the head when it arrives, or has
/// died, and has promised nothing. Readers remember holes and look again each time. When a hole, or the reader, is a whole ring behind, or
/// a sum does not fit, it is no longer known what changed.</para>
/// </remarks>
[SkipLocalsInit]
internal sealed unsafe class SharedFeed(DiskIndex index, ulong origin, Action<DiskStep>? hook)
{
    internal const int MessageBytes = 256;

    private const int TextOffset = 32;
    private const int MostText = MessageBytes - TextOffset;
    private const int MostHoles = 64;

    private readonly List<long> _holes = [];
    private readonly int _messages = index.Geometry.FeedMessages;
    private long _next = Volatile.Read(ref index.FeedReserved);

    private enum Kind : byte
    {
        Key = 1,
        Tag = 2,
        TagExpiry = 3,
        All = 4,
        Clear = 5,
        TooLong = 6,
    }

    private enum Reading
    {
        Done,
        Hole,
        Lost,
    }

    internal void PublishKey(ReadOnlySpan<byte> key) => Publish(Kind.Key, key);

    internal void PublishTag(string tag, InvalidationKind kind)
    {
        Span<byte> text = stackalloc byte[MostText];
        var isWhole = Encoding.UTF8.TryGetBytes(tag, text, out var length);
        Publish(!isWhole ? Kind.TooLong : kind == InvalidationKind.Expire ? Kind.TagExpiry : Kind.Tag, text[..(isWhole ? length : 0)]);
    }

    internal void PublishAll(bool isCleared) => Publish(isCleared ? Kind.Clear : Kind.All, default);

    /// <summary>Hands over what others have published. Not concurrently with itself.</summary>
    internal bool TryDrain(ISharedMemoryFeedReader reader)
    {
        // Whoever moved the head before this has reserved its place before this, too.
        var end = Volatile.Read(ref index.FeedReserved);
        var isComplete = true;
        for (var i = _holes.Count - 1; i >= 0; i--)
        {
            var reading = Read(_holes[i], reader);
            if (reading != Reading.Hole)
            {
                isComplete &= reading == Reading.Done;
                _holes.RemoveAt(i);
            }
        }

        if (_next < end - _messages)
        {
            _next = end;
            return false;
        }

        for (; _next < end; _next++)
        {
            var reading = Read(_next, reader);
            if (reading == Reading.Hole && _holes.Count < MostHoles)
            {
                _holes.Add(_next);
            }
            else
            {
                isComplete &= reading == Reading.Done;
            }
        }

        return isComplete;
    }

    /// <summary>Has every reader look, though there is nothing to read: whoever cannot takes everything for changed.</summary>
    internal void Wake() => Interlocked.Increment(ref index.FeedHead);

    private void Publish(Kind kind, ReadOnlySpan<byte> text)
    {
        if (text.Length > MostText)
        {
            kind = Kind.TooLong;
            text = default;
        }

        while (!TryPublish(kind, text))
        {
            // Overtaken by a whole ring: whoever looks for that place finds a later message there.
        }

        Interlocked.Increment(ref index.FeedHead);
    }

    private bool TryPublish(Kind kind, ReadOnlySpan<byte> text)
    {
        var place = Interlocked.Increment(ref index.FeedReserved) - 1;
        hook?.Invoke(DiskStep.Telling);
        var message = Message(place);
        ref var mark = ref *(long*)message;
        if (IsLater(Volatile.Read(ref mark), place))
        {
            return false;
        }

        var bytes = new Span<byte>(message, MessageBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], origin);
        BinaryPrimitives.WriteInt16LittleEndian(bytes[24..], (short)text.Length);
        bytes[26] = (byte)kind;
        text.CopyTo(bytes[TextOffset..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], Sum(bytes[..(TextOffset + text.Length)], place));

        // Marks only grow. Of two who write here at once, the later stays, and if the earlier has spoilt its text, the sum says so.
        for (var seen = Volatile.Read(ref mark); !IsLater(seen, place);)
        {
            var before = Interlocked.CompareExchange(ref mark, place + 1, seen);
            if (before == seen)
            {
                return true;
            }

            seen = before;
        }

        return false;
    }

    /// <summary>Whether a mark is of a later message. One beyond what was ever reserved is damaged, and would send writers on for ever.</summary>
    private bool IsLater(long mark, long place) => mark > place && mark <= Volatile.Read(ref index.FeedReserved);

    private Reading Read(long place, ISharedMemoryFeedReader reader)
    {
        var message = Message(place);
        var mark = Volatile.Read(ref *(long*)message);
        if (mark != place + 1)
        {
            return mark > place || Volatile.Read(ref index.FeedReserved) - place > _messages ? Reading.Lost : Reading.Hole;
        }

        Span<byte> copy = stackalloc byte[MessageBytes];
        new ReadOnlySpan<byte>(message, MessageBytes).CopyTo(copy);
        var length = BinaryPrimitives.ReadInt16LittleEndian(copy[24..]);
        if (length is < 0 or > MostText || BinaryPrimitives.ReadUInt64LittleEndian(copy[8..]) != Sum(copy[..(TextOffset + length)], place))
        {
            return Reading.Lost;
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(copy[16..]) == origin)
        {
            return Reading.Done;
        }

        var text = copy.Slice(TextOffset, length);
        switch ((Kind)copy[26])
        {
            case Kind.Key:
                reader.OnKeyChanged(Encoding.UTF8.GetString(text));
                return Reading.Done;
            case Kind.Tag:
                reader.OnTagInvalidated(Encoding.UTF8.GetString(text), InvalidationKind.Remove);
                return Reading.Done;
            case Kind.TagExpiry:
                reader.OnTagInvalidated(Encoding.UTF8.GetString(text), InvalidationKind.Expire);
                return Reading.Done;
            case Kind.All:
                reader.OnAllChanged(isCleared: false);
                return Reading.Done;
            case Kind.Clear:
                reader.OnAllChanged(isCleared: true);
                return Reading.Done;
            default:
                return Reading.Lost;
        }
    }

    private static ulong Sum(ReadOnlySpan<byte> message, long place) => Mix64.Of(message[16..], (ulong)place);

    private byte* Message(long place) => index.Feed + (place % _messages * MessageBytes);
}
