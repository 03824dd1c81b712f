using System.Buffers;
using System.Collections.Frozen;

namespace CacheKit.Serialization;

/// <summary>The types whose values are written as they are.</summary>
internal static class RawFormats
{
    private static readonly FrozenDictionary<Type, Registration> _all = Create().ToFrozenDictionary(format => format.Type);

    /// <summary>Makes them known by their names, so that they can be read without having been asked for.</summary>
    internal static void AddTo(KnownTypes types)
    {
        foreach (var registration in _all.Values)
        {
            registration.AddTo(types);
        }
    }

    internal static bool Has(Type type) => type.IsEnum || _all.ContainsKey(type);

    /// <summary>The format of a type; <see langword="null"/> if it has none.</summary>
    internal static ValueFormat<T>? For<T>()
    {
        if (_all.TryGetValue(typeof(T), out var registration))
        {
            return ((Registration<T>)registration).Format;
        }

        if (typeof(T).IsEnum)
        {
            return new EnumFormat<T>(typeof(T));
        }

        return Nullable.GetUnderlyingType(typeof(T)) is { IsEnum: true } enumType ? new EnumFormat<T>(enumType) : null;
    }

    private static IEnumerable<Registration> Create()
    {
        Registration[][] numbers =
        [
            Number<sbyte>(), Number<byte>(), Number<short>(), Number<ushort>(), Number<int>(), Number<uint>(), Number<long>(), Number<ulong>(),
            Number<Int128>(), Number<UInt128>(), Number<Half>(), Number<float>(), Number<double>(), Number<char>(),
        ];
        foreach (var registration in numbers.SelectMany(number => number))
        {
            yield return registration;
        }

        Registration[][] others =
        [
            WithNullable(new BooleanFormat()), WithNullable(new DecimalFormat()), WithNullable(new GuidFormat()), WithNullable(new TimeSpanFormat()),
            WithNullable(new DateTimeFormat()), WithNullable(new DateTimeOffsetFormat()), WithNullable(new DateOnlyFormat()), WithNullable(new TimeOnlyFormat()),
            WithNullable(new BytesFormat<ReadOnlyMemory<byte>>(static value => new(value), static bytes => bytes)),
            WithNullable(new BytesFormat<Memory<byte>>(static value => new(value), static bytes => bytes)),
            WithNullable(new BytesFormat<ReadOnlySequence<byte>>(static value => value, static bytes => new(bytes))),
        ];
        foreach (var registration in others.SelectMany(other => other))
        {
            yield return registration;
        }

        yield return new Registration<string>(new StringFormat());
    }

    private static Registration[] Number<T>()
        where T : unmanaged
    {
        var number = WithNullable(new NumberFormat<T>());

        // An array is copied as a whole, which is as it lies in memory.
        return BitConverter.IsLittleEndian ? [.. number, new Registration<T[]>(new ArrayFormat<T>())] : number;
    }

    private static Registration[] WithNullable<T>(ValueFormat<T> format)
        where T : struct => [new Registration<T>(format), new Registration<T?>(new NullableFormat<T>(format))];

    private abstract class Registration
    {
        internal abstract Type Type { get; }

        internal abstract void AddTo(KnownTypes types);
    }

    private sealed class Registration<T>(ValueFormat<T> format) : Registration
    {
        internal ValueFormat<T> Format => format;

        internal override Type Type => typeof(T);

        internal override void AddTo(KnownTypes types) => types.Add<T>(null);
    }
}
