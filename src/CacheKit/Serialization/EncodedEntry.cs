using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace CacheKit.Serialization;

/// <summary>An envelope in a rented buffer, and the writer of it. Dispose it once the bytes have been used.</summary>
internal sealed class EncodedEntry : IBufferWriter<byte>, IDisposable
{
    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly bool _isSecret;
    private byte[] _buffer;

    /// <param name="capacity">About how many bytes it will come to.</param>
    /// <param name="isSecret">Whether what is written is wiped out before the buffer is given back.</param>
    internal EncodedEntry(int capacity, bool isSecret)
    {
        _buffer = ArrayPool<byte>.Shared.Rent(capacity);
        _isSecret = isSecret;
    }

    /// <summary>The envelope. Not to be used any more once this is disposed.</summary>
    internal ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, Length);

    /// <summary>How many bytes of it are payload, as they are stored.</summary>
    internal int PayloadLength { get; set; }

    internal int Length { get; private set; }

    /// <summary>What has been written, to change it.</summary>
    internal Span<byte> Written => _buffer.AsSpan(0, Length);

    public void Advance(int count)
    {
        // A serializer that counts wrongly must not make others' bytes part of an envelope.
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - Length);
        Length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(Length);
    }

    public void Dispose()
    {
        var buffer = Interlocked.Exchange(ref _buffer, []);
        var length = Length;
        Length = 0;
        Return(buffer, length);
    }

    /// <summary>Takes back what was written after a place.</summary>
    internal void Truncate(int length) => Length = length;

    internal void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Length += bytes.Length;
    }

    /// <summary>Writes a text as UTF-8.</summary>
    /// <returns>How many bytes it came to.</returns>
    /// <exception cref="ArgumentException">It has a lone surrogate.</exception>
    internal int WriteText(string text)
    {
        var written = _strictUtf8.GetBytes(text, GetSpan(text.Length * 3));
        Length += written;
        return written;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Reserve(int sizeHint)
    {
        if (_buffer.Length - Length < Math.Max(sizeHint, 1))
        {
            Grow(sizeHint);
        }
    }

    private void Grow(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        ObjectDisposedException.ThrowIf(_buffer.Length == 0, this);
        var needed = (long)Length + Math.Max(sizeHint, 1);
        if (needed > Array.MaxLength)
        {
            throw new InvalidOperationException($"It comes to more than the {Array.MaxLength:N0} bytes that an array can have.");
        }

        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(needed, 2L * _buffer.Length), Array.MaxLength));
        _buffer.AsSpan(0, Length).CopyTo(larger);
        Return(_buffer, Length);
        _buffer = larger;
    }

    private void Return(byte[] buffer, int length)
    {
        if (buffer.Length > 0)
        {
            if (_isSecret)
            {
                Array.Clear(buffer, 0, length);
            }

            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
