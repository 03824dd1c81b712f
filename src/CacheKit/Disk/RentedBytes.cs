using System.Buffers;

namespace CacheKit.Disk;

/// <summary>An array of the shared pool, given back once, however often it is disposed.</summary>
internal sealed class RentedBytes(int least) : IMemoryOwner<byte>
{
    private byte[]? _array = ArrayPool<byte>.Shared.Rent(least);

    public Memory<byte> Memory => Array;

    internal byte[] Array => _array ?? throw new ObjectDisposedException(nameof(RentedBytes));

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _array, null) is { } array)
        {
            ArrayPool<byte>.Shared.Return(array);
        }
    }
}
