using System.Buffers.Binary;
using System.Text;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>The tags of an entry: as text, as the bytes in its record, and as the names of what is known of them.</summary>
internal sealed class EntryTags
{
    private const int SumLength = 4;

    private ulong[]? _hashes;

    private EntryTags(string[] tags, byte[] block, RedisKey[] keys)
    {
        Tags = tags;
        Block = block;
        Keys = keys;
    }

    internal static EntryTags None { get; } = new([], [], []);

    internal string[] Tags { get; }

    /// <summary>As they lie in an entry: for each tag its length in two bytes, and its UTF-8 bytes; then a sum of all that, in four. Empty if there are none.</summary>
    internal byte[] Block { get; }

    /// <summary>The names of their records.</summary>
    internal RedisKey[] Keys { get; }

    internal ulong[] Hashes => _hashes ??= Array.ConvertAll(Tags, StableHash.Of);

    internal static EntryTags Of(IReadOnlyList<string>? tags, KeyLayout layout)
    {
        if (tags is not { Count: > 0 })
        {
            return None;
        }

        var names = new string[tags.Count];
        var length = SumLength;
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = tags[i];
            length += 2 + Encoding.UTF8.GetByteCount(names[i]);
        }

        var block = new byte[length];
        var rest = block.AsSpan();
        foreach (var name in names)
        {
            var written = Encoding.UTF8.GetBytes(name, rest[2..]);
            BinaryPrimitives.WriteUInt16BigEndian(rest, checked((ushort)written));
            rest = rest[(2 + written)..];
        }

        BinaryPrimitives.WriteUInt32BigEndian(rest, Sum(block.AsSpan(0, length - SumLength)));
        return new(names, block, Array.ConvertAll(names, layout.Tag));
    }

    /// <summary>Reads the tags of an entry.</summary>
    /// <returns><see langword="null"/> if the bytes are not tags.</returns>
    internal static EntryTags? Parse(ReadOnlySpan<byte> block, KeyLayout layout)
    {
        if (block.IsEmpty)
        {
            return None;
        }

        if (block.Length <= SumLength || BinaryPrimitives.ReadUInt32BigEndian(block[^SumLength..]) != Sum(block[..^SumLength]))
        {
            return null;
        }

        var names = new List<string>();
        for (var rest = block[..^SumLength]; !rest.IsEmpty;)
        {
            if (rest.Length < 2 || BinaryPrimitives.ReadUInt16BigEndian(rest) is var length && rest.Length < 2 + length)
            {
                return null;
            }

            names.Add(Encoding.UTF8.GetString(rest.Slice(2, length)));
            rest = rest[(2 + length)..];
        }

        string[] tags = [.. names];
        return new(tags, block.ToArray(), Array.ConvertAll(tags, layout.Tag));
    }

    // FNV-1a: a few bytes, against a bit that has flipped.
    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        var sum = 2166136261u;
        foreach (var value in bytes)
        {
            sum = (sum ^ value) * 16777619;
        }

        return sum;
    }
}
