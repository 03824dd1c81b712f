using System.Buffers.Binary;

namespace CacheKit.Serialization;

/// <summary>Encrypts and decrypts payloads: the salt of the key, the nonce, the encrypted bytes, the tag that authenticates them.</summary>
internal static class EnvelopeCipher
{
    /// <summary>How many bytes stand before the encrypted ones.</summary>
    internal const int PrefixLength = EncryptionKey.SaltLength + sizeof(ulong);

    /// <summary>By how much the payload gets longer.</summary>
    internal const int Overhead = PrefixLength + DerivedKey.TagLength;

    /// <summary>Encrypts in place.</summary>
    /// <param name="key">The key.</param>
    /// <param name="payload">Room for the prefix, the plain bytes, and room for the tag.</param>
    /// <param name="header">What is authenticated with it.</param>
    internal static void Encrypt(EncryptionKey key, Span<byte> payload, ReadOnlySpan<byte> header)
    {
        var own = key.Own;
        var nonce = own.NextNonce();
        own.Salt.CopyTo(payload);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[EncryptionKey.SaltLength..], nonce);
        own.Encrypt(nonce, payload[PrefixLength..^DerivedKey.TagLength], payload[^DerivedKey.TagLength..], header);
    }

    /// <summary>Decrypts into a buffer that is shorter by <see cref="Overhead"/>.</summary>
    internal static bool TryDecrypt(KeyRing keys, in Envelope envelope, Span<byte> plain)
    {
        if (keys.Find(envelope.KeyId) is not { } key)
        {
            return false;
        }

        var payload = envelope.Payload.Span;
        var nonce = BinaryPrimitives.ReadUInt64LittleEndian(payload[EncryptionKey.SaltLength..]);
        return key.DerivedWith(payload[..EncryptionKey.SaltLength]).TryDecrypt(
            nonce, payload[PrefixLength..^DerivedKey.TagLength], payload[^DerivedKey.TagLength..], plain, envelope.AuthenticatedHeader);
    }
}
