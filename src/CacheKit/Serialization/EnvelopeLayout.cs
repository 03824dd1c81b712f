namespace CacheKit.Serialization;

/// <summary>Where things are in an envelope: the one form in which an entry leaves the process, whatever store it goes to.</summary>
/// <remarks>
/// <para>A header of fixed size, then texts of varying size (key, type names, name of the serializer, id of the encryption key, tags),
/// then the payload to the end. Numbers are little-endian, instants are ticks of UTC since year 1, texts are UTF-8.</para>
/// <para>The checksum covers all but the stamp, which the store may give only after the bytes have been made: the stamp has a sum of its
/// own, which also depends on the checksum, so that a stamp cannot be taken for that of another envelope. Everything from
/// <see cref="Flags"/> up to the payload is what encryption authenticates along with the payload.</para>
/// <para>The layout of a version never changes. Whoever meets a version it does not know has a miss.</para>
/// </remarks>
internal static class EnvelopeLayout
{
    /// <summary>"CKE", and the version.</summary>
    internal const uint MagicAndVersion = 0x01_45_4B_43;

    internal const int Magic = 0;          // u32
    internal const int TotalLength = 4;    // i32
    internal const int Stamp = 8;          // i64
    internal const int StampSum = 16;      // u64
    internal const int Sum = 24;           // u64, of the first eight bytes and of all from here to the end
    internal const int Flags = 32;         // u16, EnvelopeFlags
    internal const int Form = 34;          // u8, PayloadForm
    internal const int SerializerLength = 35; // u8
    internal const int KeyLength = 36;     // u16
    internal const int TypeLength = 38;    // u16
    internal const int ContentTypeLength = 40; // u16
    internal const int TagCount = 42;      // u16
    internal const int TagsLength = 44;    // i32
    internal const int KeyIdLength = 48;   // u8, then three that are zero
    internal const int PlainLength = 52;   // i32, of the payload before it was compressed and encrypted
    internal const int CreatedAt = 56;     // i64
    internal const int ExpiresAt = 64;     // i64
    internal const int Sliding = 72;       // i64, 0 for none
    internal const int StaleFor = 80;      // i64, 0 for none
    internal const int Fingerprint = 88;   // u64
    internal const int HeaderLength = 96;
}

/// <summary>What is special about an envelope.</summary>
[Flags]
internal enum EnvelopeFlags : ushort
{
    None = 0,

    /// <summary>The value is null; the payload is empty.</summary>
    Null = 1,

    Compressed = 2,

    Encrypted = 4,

    /// <summary>The payload came part by part, and has a sum of its own, of which <see cref="EnvelopeLayout.Sum"/> is one: the header was made after it.</summary>
    Streamed = 8,

    /// <summary>There is a value of bytes, which a store nearer to whoever has set it keeps; here is only what belongs to it.</summary>
    Elsewhere = 16,

    All = Null | Compressed | Encrypted | Streamed | Elsewhere,
}

/// <summary>What the payload is, once decrypted and decompressed.</summary>
internal enum PayloadForm : byte
{
    /// <summary>Nothing: the value is null.</summary>
    None = 0,

    /// <summary>The bytes of the value itself, as its type says: a number, a text in UTF-8, an array.</summary>
    Raw = 1,

    /// <summary>A text in UTF-16, which UTF-8 could not hold.</summary>
    Utf16 = 2,

    Json = 3,

    /// <summary>What a serializer of the user's has made, whose name the envelope has.</summary>
    Custom = 4,
}
