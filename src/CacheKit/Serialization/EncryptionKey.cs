using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace CacheKit.Serialization;

/// <summary>A key of a ring, and the keys derived from it.</summary>
/// <remarks>
/// AES-GCM breaks when a key meets the same nonce twice, and 96 bits are too few to draw them at random for billions of entries. So each
/// process draws a salt of 128 bits once, derives a key of its own with it, and counts its nonces. The salt goes with the entry;
/// readers derive the same key.
/// </remarks>
internal sealed class EncryptionKey
{
    internal const int SaltLength = 16;

    /// <summary>How many other processes' keys are kept. One that is not is derived again, which costs microseconds.</summary>
    private const int MostReadKeys = 256;

    private readonly byte[] _key;
    private readonly Lazy<DerivedKey> _own;
    private ConcurrentDictionary<UInt128, DerivedKey> _others = new();

    internal EncryptionKey(string id, ReadOnlySpan<byte> key)
    {
        Id = id;
        IdBytes = Encoding.UTF8.GetBytes(id);
        _key = key.ToArray();
        _own = new(() => Derive(RandomNumberGenerator.GetBytes(SaltLength)));
    }

    internal string Id { get; }

    internal byte[] IdBytes { get; }

    /// <summary>The one this process encrypts with.</summary>
    internal DerivedKey Own => _own.Value;

    internal bool IsSame(EncryptionKey other) => CryptographicOperations.FixedTimeEquals(_key, other._key);

    /// <summary>The one that a process with this salt encrypts with.</summary>
    internal DerivedKey DerivedWith(ReadOnlySpan<byte> salt)
    {
        if (salt.SequenceEqual(Own.Salt))
        {
            return Own;
        }

        var number = BitConverter.ToUInt128(salt);
        var others = _others;
        if (!others.TryGetValue(number, out var derived))
        {
            derived = Derive(salt.ToArray());
            if (others.Count >= MostReadKeys)
            {
                _others = others = new(); // those in use come back
            }

            derived = others.GetOrAdd(number, derived);
        }

        return derived;
    }

    private DerivedKey Derive(byte[] salt)
    {
        var derived = new byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _key, derived, salt, "CacheKit entry 1"u8);
        return new(salt, derived);
    }
}
