using System.Runtime.InteropServices;

namespace CacheKit.Memory;

/// <summary>A number that writers change all the time, on a cache line of its own: what lies beside it is read by others.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct PaddedCount
{
    [FieldOffset(64)]
    internal int Value;
}
