using System.Buffers.Binary;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>When the entries with a tag were invalidated: for good, softly, and together with other tags only.</summary>
/// <remarks>
/// <code>
///  0  magic C5      10  softly until this stamp
///  1  version 01    18  any number of: stamp (8), kind R or E (1), number of other tags (1), their hashes (8 each)
///  2  removed until this stamp
/// </code>
/// <para>The other tags of a conjunction are kept as hashes: should two of them meet, more is removed than asked, never less.</para>
/// <para>While a record is made anew there is a marker in its place, which begins with another byte and says nothing.</para>
/// </remarks>
internal readonly struct TagRecord
{
    private const byte Magic = 0xC5;
    private const byte Version = 1;
    private const int HeaderLength = 18;

    /// <summary>How many conjunctions a record holds; the oldest of more counts as an invalidation by the tag alone.</summary>
    internal const int MaximumConjunctions = 32;

    private readonly byte[]? _bytes;

    private TagRecord(long removed, long expired, byte[]? bytes)
    {
        Removed = removed;
        Expired = expired;
        _bytes = bytes;
    }

    /// <summary>Entries that are covered by no later stamp than this are gone.</summary>
    internal long Removed { get; }

    /// <summary>Entries that are covered by no later stamp than this have expired.</summary>
    internal long Expired { get; }

    /// <summary>The latest stamp in it.</summary>
    internal long Latest
    {
        get
        {
            var latest = Math.Max(Removed, Expired);
            for (var rest = Conjunctions; TryTake(ref rest, out var stamp, out _, out _);)
            {
                latest = Math.Max(latest, stamp);
            }

            return latest;
        }
    }

    private ReadOnlySpan<byte> Conjunctions => _bytes is null ? default : _bytes.AsSpan(HeaderLength);

    internal static bool TryParse(RedisValue value, out TagRecord record)
    {
        record = default;
        if (value.IsNull || (byte[]?)value is not { Length: >= HeaderLength } bytes || bytes[0] != Magic || bytes[1] != Version)
        {
            return false;
        }

        record = new(
            BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(2)),
            BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(10)),
            bytes.Length > HeaderLength ? bytes : null);
        return true;
    }

    /// <summary>A record of a tag of which is known only that it was not invalidated after a stamp.</summary>
    internal static TagRecord Until(long stamp) => new(stamp, 0, null);

    internal static byte[] Write(long removed)
    {
        var bytes = new byte[HeaderLength];
        bytes[0] = Magic;
        bytes[1] = Version;
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(2), removed);
        return bytes;
    }

    /// <summary>Judges an entry that carries the tag.</summary>
    /// <param name="cover">Invalidations with a later stamp cover it.</param>
    /// <param name="tags">All of its tags.</param>
    /// <returns>What the tag leaves of it.</returns>
    internal Verdict Judge(long cover, EntryTags tags)
    {
        if (Removed > cover)
        {
            return Verdict.Removed;
        }

        var verdict = Expired > cover ? Verdict.Expired : Verdict.Live;
        for (var rest = Conjunctions; TryTake(ref rest, out var stamp, out var isRemoval, out var hashes);)
        {
            if (stamp > cover && HasAll(tags, hashes))
            {
                if (isRemoval)
                {
                    return Verdict.Removed;
                }

                verdict = Verdict.Expired;
            }
        }

        return verdict;
    }

    private static bool HasAll(EntryTags tags, ReadOnlySpan<byte> hashes)
    {
        for (; !hashes.IsEmpty; hashes = hashes[8..])
        {
            if (!tags.Hashes.Contains(BinaryPrimitives.ReadUInt64BigEndian(hashes)))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryTake(ref ReadOnlySpan<byte> rest, out long stamp, out bool isRemoval, out ReadOnlySpan<byte> hashes)
    {
        stamp = 0;
        isRemoval = false;
        hashes = default;
        if (rest.Length < 10 || rest.Length < 10 + (8 * rest[9]))
        {
            return false;
        }

        stamp = BinaryPrimitives.ReadInt64BigEndian(rest);
        isRemoval = rest[8] == (byte)'R';
        hashes = rest.Slice(10, 8 * rest[9]);
        rest = rest[(10 + hashes.Length)..];
        return true;
    }
}
