using System.IO.Compression;

namespace CacheKit.Benchmarks.HitRatio;

/// <summary>A sequence of requests. Ids are dense, numbered by first appearance.</summary>
internal sealed class Trace
{
    internal Trace(string name, IReadOnlyList<int> requests)
    {
        Name = name;
        var ids = new Dictionary<int, int>();
        Requests = new int[requests.Count];
        for (var index = 0; index < Requests.Length; index++)
        {
            if (!ids.TryGetValue(requests[index], out var id))
            {
                id = ids.Count;
                ids.Add(requests[index], id);
            }

            Requests[index] = id;
        }

        UniqueKeys = ids.Count;
    }

    internal string Name { get; }

    internal int[] Requests { get; }

    internal int UniqueKeys { get; }

    /// <summary>Reads a gzip stream of one unsigned LEB128 varint per request: the zigzag difference to the id before, from 0.</summary>
    internal static Trace Read(string path)
    {
        using var bytes = new BufferedStream(new GZipStream(File.OpenRead(path), CompressionMode.Decompress), 1 << 16);
        var requests = new List<int>();
        var id = 0;
        while (ReadVarint(bytes) is { } zigzag)
        {
            id += (int)(zigzag >> 1) ^ -(int)(zigzag & 1);
            requests.Add(id);
        }

        return new(Path.GetFileName(path).Replace(".trace.gz", "", StringComparison.Ordinal), requests);
    }

    private static uint? ReadVarint(Stream bytes)
    {
        var value = 0u;
        for (var shift = 0; ; shift += 7)
        {
            var part = bytes.ReadByte();
            if (part < 0)
            {
                return shift == 0 ? null : throw new InvalidDataException("The trace ends within a number.");
            }

            value |= (uint)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }
    }
}
