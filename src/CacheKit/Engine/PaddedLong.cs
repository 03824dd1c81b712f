using System.Runtime.InteropServices;

namespace CacheKit.Engine;

/// <summary>A number that many threads write, alone on its cache lines, so that writing it slows no reader of its neighbours.</summary>
[StructLayout(LayoutKind.Explicit, Size = 2 * Line)]
internal struct PaddedLong
{
    private const int Line = 64;

    [FieldOffset(Line)]
    internal long Value;
}
