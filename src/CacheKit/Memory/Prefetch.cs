using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace CacheKit.Memory;

/// <summary>Has the processor fetch what will be needed in a moment, so that the wait for it overlaps with other work.</summary>
internal static class Prefetch
{
    /// <remarks>A hint alone: nothing is read, and if a collection moves the object meanwhile, nothing is gained. Processors without one that the runtime knows do without.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void Of<T>(ref readonly T place)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.AsRef(in place)));
        }
    }
}
