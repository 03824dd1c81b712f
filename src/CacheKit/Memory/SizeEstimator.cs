using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace CacheKit.Memory;

/// <summary>Estimates how many bytes an entry takes, from what can be seen without running anyone's code.</summary>
/// <remarks>
/// <para>Exact, on a 64-bit runtime, for keys, strings, and one-dimensional arrays of numbers and other plain structs. The base
/// library's own collections come out within a factor of two of what they take when filled to the brim: their count is
/// known, a few elements are looked at, and the rest is taken to be like those. Room they keep for growth is not seen.
/// Any other object counts as <see cref="ObjectBytes"/>, whatever hangs on it; an object that is referenced twice is
/// counted twice.</para>
/// <para>Cost: bounded, some hundred nanoseconds for a collection, however large. Only collections of the base library are
/// enumerated, never a sequence that would have to compute its elements. It does not throw, also while another thread
/// changes the value.</para>
/// </remarks>
internal static class SizeEstimator
{
    /// <summary>The entry itself and its place in the table and the policy.</summary>
    internal const int EntryBytes = 104;

    /// <summary>An object of which nothing more is known: room for a dozen fields, or for few and a short string.</summary>
    internal const int ObjectBytes = 128;

    /// <summary>How many elements of one collection are looked at.</summary>
    internal const int Samples = 8;

    /// <summary>How many objects are looked at altogether, in collections of collections.</summary>
    private const int MostVisits = 100;

    private const int Pointer = 8;
    private const int ObjectHeader = 16;
    private const int ArrayHeader = 24;
    private const int StringHeader = 22;

    /// <summary>Collections that are known not to compute anything when counted and enumerated, with what each element costs beside itself.</summary>
    private static readonly FrozenDictionary<Type, Kind> _kinds = new Dictionary<Type, Kind>
    {
        // One array of elements.
        [typeof(List<>)] = new(IsPacked: true, Fixed: 32, PerElement: 0),
        [typeof(Queue<>)] = new(IsPacked: true, Fixed: 40, PerElement: 0),
        [typeof(Stack<>)] = new(IsPacked: true, Fixed: 32, PerElement: 0),
        [typeof(ImmutableArray<>)] = new(IsPacked: true, Fixed: 0, PerElement: 0),
        [typeof(SortedList<,>)] = new(IsPacked: true, Fixed: 80, PerElement: 0),

        // An array of slots with a hash and a link, and one of buckets.
        [typeof(Dictionary<,>)] = new(IsPacked: true, Fixed: 104, PerElement: 12),
        [typeof(HashSet<>)] = new(IsPacked: true, Fixed: 88, PerElement: 12),
        [typeof(FrozenDictionary<,>)] = new(IsPacked: true, Fixed: 200, PerElement: 12),
        [typeof(FrozenSet<>)] = new(IsPacked: true, Fixed: 200, PerElement: 12),

        // An object for each element.
        [typeof(LinkedList<>)] = new(IsPacked: false, Fixed: 40, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(SortedSet<>)] = new(IsPacked: false, Fixed: 48, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(SortedDictionary<,>)] = new(IsPacked: false, Fixed: 112, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(ConcurrentDictionary<,>)] = new(IsPacked: false, Fixed: 200, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(ImmutableList<>)] = new(IsPacked: false, Fixed: 24, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(ImmutableSortedSet<>)] = new(IsPacked: false, Fixed: 32, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(ImmutableSortedDictionary<,>)] = new(IsPacked: false, Fixed: 40, PerElement: ObjectHeader + (3 * Pointer)),
        [typeof(ImmutableHashSet<>)] = new(IsPacked: false, Fixed: 40, PerElement: ObjectHeader + (5 * Pointer)),
        [typeof(ImmutableDictionary<,>)] = new(IsPacked: false, Fixed: 40, PerElement: ObjectHeader + (5 * Pointer)),
    }.ToFrozenDictionary();

    /// <summary>Estimates what an entry takes, in bytes.</summary>
    /// <param name="key">Its key, which is counted as if nobody else held it.</param>
    /// <param name="storedValue">What the entry holds; a struct is taken to lie within the entry, not in a box.</param>
    internal static long Estimate(string key, object? storedValue)
    {
        var entry = EntryBytes + OfString(key);
        try
        {
            var visits = MostVisits;
            if (storedValue is not ValueType)
            {
                return Sum(entry, OfContent(storedValue, typeof(object), ref visits));
            }

            var type = storedValue.GetType();
            return Sum(entry + Math.Max(0, SizeInPlace(type) - Pointer), OfContent(storedValue, type, ref visits));
        }
        catch (Exception)
        {
            // Another thread is changing it, or it is of a kind not foreseen. An estimate must not fail the store.
            return entry + ObjectBytes;
        }
    }

    /// <summary>What a value takes beside the place that holds it: nothing for a plain struct in place, all of it for an object.</summary>
    /// <param name="value">The value.</param>
    /// <param name="placeType">The type of the place; a struct in one of a reference type is boxed.</param>
    /// <param name="visits">How many more objects may be looked at.</param>
    private static long OfContent(object? value, Type placeType, ref int visits)
    {
        switch (value)
        {
            case null:
                return 0;
            case string text:
                return OfString(text);
            case byte[] bytes:
                return OfArray(bytes.LongLength, 1);
        }

        var type = value.GetType();
        var box = value is ValueType && !placeType.IsValueType ? RoundUp(ObjectHeader + SizeInPlace(type)) : 0;
        visits--;
        return Sum(box, OfObject(value, type, ref visits));
    }

    private static long OfObject(object value, Type type, ref int visits)
    {
        switch (value)
        {
            case Array array:
                var elementType = type.GetElementType()!; // an array has one
                return Sum(OfArray(array.LongLength, SizeInPlace(elementType)), OfElements(array, [elementType], array.LongLength, ref visits));
            case ReadOnlyMemory<byte> memory:
                return OfArray(memory.Length, 1);
            case Memory<byte> memory:
                return OfArray(memory.Length, 1);
            case IEnumerable elements when KindOf(type, out var kind, out var elementTypes) && CountOf(value) is { } count:
                return Sum(OfStructure(kind, elementTypes, count), OfElements(elements, elementTypes, count, ref visits));
            case ITuple tuple when type.IsGenericType && type.Assembly == typeof(Tuple).Assembly:
                return OfTuple(tuple, type, ref visits);
            default:
                return value is ValueType ? 0 : ObjectBytes;
        }
    }

    private static long OfString(string text) => RoundUp(StringHeader + (2L * text.Length));

    private static long OfArray(long length, int elementSize) => RoundUp(ArrayHeader + Scale(elementSize, length, 1));

    private static long OfStructure(Kind kind, Type[] elementTypes, long count)
    {
        // Beside a hash or link, and beside each other, the parts are aligned: an int and a string take sixteen bytes.
        var inPlace = elementTypes.Length == 1 ? SizeInPlace(elementTypes[0]) : elementTypes.Sum(type => (int)RoundUp(SizeInPlace(type)));
        var perElement = kind.PerElement == 0 ? inPlace : (int)RoundUp(kind.PerElement + inPlace);
        return Sum(kind.Fixed, kind.IsPacked ? OfArray(count, perElement) : Scale(perElement, count, 1));
    }

    private static long OfTuple(ITuple tuple, Type type, ref int visits)
    {
        var size = type.IsValueType ? 0L : ObjectHeader;
        var itemTypes = type.GetGenericArguments();
        for (var i = 0; i < itemTypes.Length && i < 7; i++) // the eighth is a tuple of the rest, and rare
        {
            var inPlace = type.IsValueType ? 0 : RoundUp(SizeInPlace(itemTypes[i]));
            size = Sum(size, Sum(inPlace, OfContent(tuple[i], itemTypes[i], ref visits)));
        }

        return size;
    }

    /// <summary>What all elements refer to, as far as those that were looked at tell.</summary>
    private static long OfElements(IEnumerable elements, Type[] elementTypes, long count, ref int visits)
    {
        if (count == 0 || Array.TrueForAll(elementTypes, type => type.IsPrimitive))
        {
            return 0;
        }

        if (visits <= 0)
        {
            return Scale(elementTypes.Count(type => !type.IsValueType) * ObjectBytes, count, 1);
        }

        var sum = 0L;
        var seen = 0;
        if (elements is Array { Rank: 1 } or IList { IsFixedSize: false })
        {
            // Spread over the whole: the first elements are often not like the rest.
            var list = (IList)elements;
            var samples = (int)Math.Min(Samples, count);
            for (; seen < samples && visits > 0; seen++)
            {
                sum = Sum(sum, OfContent(list[(int)(seen * (count - 1) / Math.Max(1, samples - 1))], elementTypes[0], ref visits));
            }
        }
        else if (elements is IDictionary dictionary)
        {
            var pairs = dictionary.GetEnumerator();
            using (pairs as IDisposable)
            {
                for (; seen < Samples && visits > 0 && pairs.MoveNext(); seen++)
                {
                    sum = Sum(sum, OfContent(pairs.Key, elementTypes[0], ref visits));
                    sum = Sum(sum, OfContent(pairs.Value, elementTypes[^1], ref visits));
                }
            }
        }
        else
        {
            var enumerator = elements.GetEnumerator();
            using (enumerator as IDisposable)
            {
                for (; seen < Samples && visits > 0 && enumerator.MoveNext(); seen++)
                {
                    sum = Sum(sum, OfContent(enumerator.Current, elementTypes[0], ref visits));
                }
            }
        }

        return seen == 0 ? 0 : Scale(sum, count, seen);
    }

    /// <summary>Whether the collection is one of those listed; frozen ones are classes derived from the one that is.</summary>
    private static bool KindOf(Type type, out Kind kind, out Type[] elementTypes)
    {
        for (var current = type; current?.Assembly == type.Assembly; current = current.BaseType)
        {
            if (current.IsGenericType && _kinds.TryGetValue(current.GetGenericTypeDefinition(), out kind)
                && (current == type || type.Assembly == typeof(FrozenSet<>).Assembly))
            {
                elementTypes = current.GetGenericArguments();
                return true;
            }
        }

        kind = default;
        elementTypes = [];
        return false;
    }

    /// <summary>The count, where it can be had without knowing the type of the elements.</summary>
    private static long? CountOf(object value) => value switch
    {
        ICollection collection => collection.Count,
        IReadOnlyCollection<object> sets => sets.Count, // by variance, of any reference type
        IReadOnlyCollection<int> sets => sets.Count,
        IReadOnlyCollection<long> sets => sets.Count,
        IReadOnlyCollection<Guid> sets => sets.Count,
        _ => null,
    };

    /// <summary>What a value of the type takes in an array or field: itself if it is a struct, else a reference.</summary>
    private static int SizeInPlace(Type type) => type.IsValueType ? RuntimeHelpers.SizeOf(type.TypeHandle) : Pointer;

    private static long RoundUp(long bytes) => bytes > long.MaxValue - 7 ? long.MaxValue : (bytes + 7) & ~7L;

    private static long Sum(long bytes, long more) => bytes > long.MaxValue - more ? long.MaxValue : bytes + more;

    private static long Scale(long bytes, long count, int samples) =>
        (long)Int128.Min(long.MaxValue, (Int128)bytes * count / samples);

    /// <param name="IsPacked">Whether the elements lie in an array.</param>
    /// <param name="Fixed">The bytes of an empty one.</param>
    /// <param name="PerElement">The bytes that each element takes beside itself.</param>
    private readonly record struct Kind(bool IsPacked, int Fixed, int PerElement);
}
