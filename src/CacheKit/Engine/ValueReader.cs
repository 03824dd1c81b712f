using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Hands out the value of an entry as the type asked for.</summary>
internal static class ValueReader
{
    /// <summary>Gives the value, a copy if it is isolated.</summary>
    /// <returns><see langword="false"/> if the entry holds a value of another type, which does not convert.</returns>
    /// <exception cref="OverflowException">An integer is too large for the type asked for.</exception>
    internal static bool TryRead<T>(MemoryEntry entry, [MaybeNullWhen(false)] out T value)
    {
        switch (entry)
        {
            case MemoryEntry<T> shared:
                value = shared.Value;
                return true;
            case IsolatedEntry<T> isolated:
                value = isolated.Copy();
                return true;
            default:
                return TryConvert(entry.ValueType, entry is IsolatedEntry copied ? copied.CopyAsObject() : entry.StoredValue, out value);
        }
    }

    /// <summary>Gives a value that was just made, and is nobody else's, as the type asked for.</summary>
    internal static bool TryConvert<TStored, T>(TStored stored, [MaybeNullWhen(false)] out T value)
    {
        if (typeof(TStored) == typeof(T))
        {
            value = Unsafe.As<TStored, T>(ref stored); // they are the same
            return true;
        }

        return TryConvert(typeof(TStored), stored, out value);
    }

    private static bool TryConvert<T>(Type storedAs, object? stored, [MaybeNullWhen(false)] out T value)
    {
        switch (stored)
        {
            case T same: // a base, an interface, a nullable, or the very type of what was stored as its base
                value = same;
                return true;
            case null when default(T) is null && (typeof(T).IsAssignableFrom(storedAs) || storedAs.IsAssignableFrom(typeof(T))):
                value = default!; // T admits null
                return true;
            case not null when ToInteger(stored) is { } integer && FromInteger(integer, Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T), stored.GetType()) is T converted:
                value = converted;
                return true;
            default:
                value = default;
                return false;
        }
    }

    private static Int128? ToInteger(object value) => value switch
    {
        int number => number,
        long number => number,
        uint number => number,
        ulong number => number,
        short number => number,
        ushort number => number,
        byte number => number,
        sbyte number => number,
        _ => null,
    };

    private static object? FromInteger(Int128 value, Type type, Type storedAs)
    {
        try
        {
            return Type.GetTypeCode(type.IsEnum ? null : type) switch
            {
                TypeCode.Int32 => checked((int)value),
                TypeCode.Int64 => checked((long)value),
                TypeCode.UInt32 => checked((uint)value),
                TypeCode.UInt64 => checked((ulong)value),
                TypeCode.Int16 => checked((short)value),
                TypeCode.UInt16 => checked((ushort)value),
                TypeCode.Byte => checked((byte)value),
                TypeCode.SByte => checked((sbyte)value),
                _ => null,
            };
        }
        catch (OverflowException exception)
        {
            throw new OverflowException(
                $"The cache holds an integer of type '{storedAs}' under this key that does not fit into '{type}', as which it was asked for. Ask for it as '{storedAs}'.", exception);
        }
    }
}
