using System.Text;

namespace CacheKit.Redis.Protocol;

/// <summary>The slot of a cluster a name belongs to, as the Redis Cluster specification defines it.</summary>
internal static class HashSlot
{
    private static readonly ushort[] _table = CreateTable();

    internal static int Of(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name).AsSpan();
        var open = bytes.IndexOf((byte)'{');
        if (open >= 0 && bytes[(open + 1)..].IndexOf((byte)'}') is > 0 and var length)
        {
            bytes = bytes.Slice(open + 1, length);
        }

        var remainder = 0;
        foreach (var value in bytes)
        {
            remainder = ((remainder << 8) ^ _table[((remainder >> 8) ^ value) & 0xFF]) & 0xFFFF;
        }

        return remainder & 16383;
    }

    // CRC-16/XMODEM.
    private static ushort[] CreateTable()
    {
        var table = new ushort[256];
        for (var value = 0; value < table.Length; value++)
        {
            var remainder = value << 8;
            for (var bit = 0; bit < 8; bit++)
            {
                remainder = (remainder & 0x8000) != 0 ? (remainder << 1) ^ 0x1021 : remainder << 1;
            }

            table[value] = (ushort)remainder;
        }

        return table;
    }
}
