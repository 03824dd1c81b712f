using System.Buffers.Binary;
using System.Security.Cryptography;

namespace CacheKit.Serialization;

/// <summary>One process's key, and its count of nonces.</summary>
internal sealed class DerivedKey(byte[] salt, byte[] key)
{
    internal const int TagLength = 16;

    private const int NonceLength = 12;

    // A cipher serves one thread at a time. A few are kept; who finds none makes one.
    private readonly AesGcm?[] _idle = new AesGcm?[Environment.ProcessorCount];
    private ulong _nonces;

    internal ReadOnlySpan<byte> Salt => salt;

    internal ulong NextNonce() => Interlocked.Increment(ref _nonces);

    /// <summary>Encrypts bytes where they are.</summary>
    internal void Encrypt(ulong nonce, Span<byte> bytes, Span<byte> tag, ReadOnlySpan<byte> alsoAuthenticated)
    {
        Span<byte> nonceBytes = stackalloc byte[NonceLength];
        Write(nonce, nonceBytes);
        var cipher = Take();
        cipher.Encrypt(nonceBytes, bytes, bytes, tag, alsoAuthenticated);
        Return(cipher);
    }

    /// <summary>Decrypts.</summary>
    /// <returns>Whether it is what was encrypted with this key, and with the same beside it.</returns>
    internal bool TryDecrypt(ulong nonce, ReadOnlySpan<byte> encrypted, ReadOnlySpan<byte> tag, Span<byte> plain, ReadOnlySpan<byte> alsoAuthenticated)
    {
        Span<byte> nonceBytes = stackalloc byte[NonceLength];
        Write(nonce, nonceBytes);
        var cipher = Take();
        try
        {
            cipher.Decrypt(nonceBytes, encrypted, tag, plain, alsoAuthenticated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        finally
        {
            Return(cipher);
        }
    }

    private static void Write(ulong nonce, Span<byte> bytes)
    {
        bytes.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, nonce);
    }

    private AesGcm Take()
    {
        foreach (ref var place in _idle.AsSpan())
        {
            if (place is not null && Interlocked.Exchange(ref place, null) is { } cipher)
            {
                return cipher;
            }
        }

        return new(key, TagLength);
    }

    private void Return(AesGcm cipher)
    {
        foreach (ref var place in _idle.AsSpan())
        {
            if (place is null && Interlocked.CompareExchange(ref place, cipher, null) is null)
            {
                return;
            }
        }

        cipher.Dispose();
    }
}
