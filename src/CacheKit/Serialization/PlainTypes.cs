using System.Buffers;
using System.Text.Json;

namespace CacheKit.Serialization;

/// <summary>The base library's types that can be read without having been named by anybody; most are written as they are.</summary>
/// <remarks>
/// Each comes with a function that adds it where it is needed. To add all at once would have the compiler make code for sixty types, of which
/// most programs store five.
/// </remarks>
internal static class PlainTypes
{
    private static readonly (Action<KnownTypes> Add, Type[] Types)[] _all =
    [
        (static types => AddNumber<sbyte>(types), [typeof(sbyte), typeof(sbyte?), typeof(sbyte[])]),
        (static types => AddNumber<byte>(types), [typeof(byte), typeof(byte?), typeof(byte[])]),
        (static types => AddNumber<short>(types), [typeof(short), typeof(short?), typeof(short[])]),
        (static types => AddNumber<ushort>(types), [typeof(ushort), typeof(ushort?), typeof(ushort[])]),
        (static types => AddNumber<int>(types), [typeof(int), typeof(int?), typeof(int[])]),
        (static types => AddNumber<uint>(types), [typeof(uint), typeof(uint?), typeof(uint[])]),
        (static types => AddNumber<long>(types), [typeof(long), typeof(long?), typeof(long[])]),
        (static types => AddNumber<ulong>(types), [typeof(ulong), typeof(ulong?), typeof(ulong[])]),
        (static types => AddNumber<Int128>(types), [typeof(Int128), typeof(Int128?), typeof(Int128[])]),
        (static types => AddNumber<UInt128>(types), [typeof(UInt128), typeof(UInt128?), typeof(UInt128[])]),
        (static types => AddNumber<Half>(types), [typeof(Half), typeof(Half?), typeof(Half[])]),
        (static types => AddNumber<float>(types), [typeof(float), typeof(float?), typeof(float[])]),
        (static types => AddNumber<double>(types), [typeof(double), typeof(double?), typeof(double[])]),
        (static types => AddNumber<char>(types), [typeof(char), typeof(char?), typeof(char[])]),
        (static types => AddWithNullable(types, new BooleanFormat()), [typeof(bool), typeof(bool?)]),
        (static types => AddWithNullable(types, new DecimalFormat()), [typeof(decimal), typeof(decimal?)]),
        (static types => AddWithNullable(types, new GuidFormat()), [typeof(Guid), typeof(Guid?)]),
        (static types => AddWithNullable(types, new TimeSpanFormat()), [typeof(TimeSpan), typeof(TimeSpan?)]),
        (static types => AddWithNullable(types, new DateTimeFormat()), [typeof(DateTime), typeof(DateTime?)]),
        (static types => AddWithNullable(types, new DateTimeOffsetFormat()), [typeof(DateTimeOffset), typeof(DateTimeOffset?)]),
        (static types => AddWithNullable(types, new DateOnlyFormat()), [typeof(DateOnly), typeof(DateOnly?)]),
        (static types => AddWithNullable(types, new TimeOnlyFormat()), [typeof(TimeOnly), typeof(TimeOnly?)]),
        (static types => AddWithNullable(types, new BytesFormat<ReadOnlyMemory<byte>>(static value => new(value), static bytes => bytes)), [typeof(ReadOnlyMemory<byte>), typeof(ReadOnlyMemory<byte>?)]),
        (static types => AddWithNullable(types, new BytesFormat<Memory<byte>>(static value => new(value), static bytes => bytes)), [typeof(Memory<byte>), typeof(Memory<byte>?)]),
        (static types => AddWithNullable(types, new BytesFormat<ReadOnlySequence<byte>>(static value => value, static bytes => new(bytes))), [typeof(ReadOnlySequence<byte>), typeof(ReadOnlySequence<byte>?)]),
        (static types => types.AddRaw(new StringFormat()), [typeof(string)]),
        (static types => types.Add<JsonElement>(null), [typeof(JsonElement)]),
        (static types => types.Add<object[]>(null), [typeof(object[])]),
        (static types => types.Add<string[]>(null), [typeof(string[])]),
        (static types => types.Add<List<object>>(null), [typeof(List<object>)]),
        (static types => types.Add<List<string>>(null), [typeof(List<string>)]),
        (static types => types.Add<Dictionary<string, object>>(null), [typeof(Dictionary<string, object>)]),
        (static types => types.Add<Dictionary<string, string>>(null), [typeof(Dictionary<string, string>)]),
    ];

    private static readonly Dictionary<Type, Action<KnownTypes>> _byType =
        _all.SelectMany(entry => entry.Types.Select(type => (type, entry.Add))).ToDictionary(entry => entry.type, entry => entry.Add);

    private static readonly Lazy<Dictionary<string, Action<KnownTypes>>> _byName =
        new(() => _byType.ToDictionary(entry => TypeNames.Of(entry.Key), entry => entry.Value, StringComparer.Ordinal));

    /// <summary>Makes a type known, if it is one of these.</summary>
    internal static bool TryAdd(Type type, KnownTypes types) => TryAdd(_byType, type, types);

    /// <inheritdoc cref="TryAdd(Type, KnownTypes)"/>
    internal static bool TryAdd(string name, KnownTypes types) => TryAdd(_byName.Value, name, types);

    private static bool TryAdd<TKey>(Dictionary<TKey, Action<KnownTypes>> all, TKey key, KnownTypes types)
        where TKey : notnull
    {
        var isOne = all.TryGetValue(key, out var add);
        add?.Invoke(types);
        return isOne;
    }

    private static void AddNumber<T>(KnownTypes types)
        where T : unmanaged
    {
        AddWithNullable(types, new NumberFormat<T>());

        // An array is copied as a whole, which is as it lies in memory.
        if (BitConverter.IsLittleEndian)
        {
            types.AddRaw(new ArrayFormat<T>());
        }
        else
        {
            types.Add<T[]>(null);
        }
    }

    private static void AddWithNullable<T>(KnownTypes types, ValueFormat<T> format)
        where T : struct
    {
        types.AddRaw(format);
        types.AddRaw(new NullableFormat<T>(format));
    }
}
