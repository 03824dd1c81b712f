using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace CacheKit.Serialization;

/// <summary>The number behind a name, in eight bytes. The fingerprint has the names with their numbers.</summary>
/// <typeparam name="T">The enum, it as a nullable, or the <see cref="object"/> that holds it.</typeparam>
internal sealed class EnumFormat<T>(Type type) : RawFormat<T>
{
    private readonly bool _isUnsigned = Enum.GetUnderlyingType(type) == typeof(ulong);

    internal override ulong Fingerprint { get; } = SchemaFingerprint.OfType(type);

    protected override void WriteRaw(EncodedEntry target, T value)
    {
        // Not through a box where the type is the enum itself, which is the common case.
        long number;
        if (!typeof(T).IsEnum)
        {
            number = _isUnsigned ? (long)((IConvertible)value!).ToUInt64(null) : ((IConvertible)value!).ToInt64(null); // never null
        }
        else
        {
            number = Unsafe.SizeOf<T>() switch
            {
                1 => Unsafe.BitCast<T, byte>(value),
                2 => Unsafe.BitCast<T, short>(value),
                4 => Unsafe.BitCast<T, int>(value),
                _ => Unsafe.BitCast<T, long>(value),
            };
        }

        BinaryPrimitives.WriteInt64LittleEndian(target.GetSpan(sizeof(long)), number);
        target.Advance(sizeof(long));
    }

    protected override T ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, sizeof(long));
        var number = BinaryPrimitives.ReadInt64LittleEndian(payload);
        if (!typeof(T).IsEnum)
        {
            return (T)(_isUnsigned ? Enum.ToObject(type, (ulong)number) : Enum.ToObject(type, number));
        }

        return Unsafe.SizeOf<T>() switch
        {
            1 => Unsafe.BitCast<byte, T>((byte)number),
            2 => Unsafe.BitCast<short, T>((short)number),
            4 => Unsafe.BitCast<int, T>((int)number),
            _ => Unsafe.BitCast<long, T>(number),
        };
    }
}
