using System.Buffers;

namespace CacheKit.Testing.Stores;

/// <summary>A copy of a payload that is spoilt when it is given back, so that whoever still reads it is found out.</summary>
internal sealed class LentPayload(byte[] payload, Action givenBack) : IMemoryOwner<byte>
{
    private const byte Spoilt = 0xDD;

    private readonly byte[] _copy = payload.AsSpan().ToArray();
    private int _isGivenBack;

    public Memory<byte> Memory => _copy;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isGivenBack, 1) == 0)
        {
            _copy.AsSpan().Fill(Spoilt);
            givenBack();
        }
    }
}
