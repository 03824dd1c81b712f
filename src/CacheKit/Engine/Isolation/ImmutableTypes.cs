using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;

namespace CacheKit.Engine.Isolation;

/// <summary>Tells the types whose values nobody can change, which many callers may therefore hold at once.</summary>
/// <remarks>
/// <para>Immutable are: what is listed here, collections that cannot change of such, what the user declared or marked,
/// and what is made of such only. A class counts by what it is made of if it is sealed and all its fields, inherited
/// ones too, are read-only, as those behind <c>init</c> properties are; a struct whatever its fields allow, since
/// whoever holds one holds a copy. Whenever in doubt the answer is no: a needless copy costs time, a needless share
/// corrupts data.</para>
/// <para>The graph of field types may have cycles. A type met again is taken to be immutable: it either was found to be,
/// or is being looked at, and if it turns out not to be then neither is the type the question was about.</para>
/// </remarks>
internal sealed class ImmutableTypes
{
    /// <summary>No real type is made of this many; a generic one that contains ever larger ones of itself has no end.</summary>
    private const int MostParts = 256;

    private static readonly FrozenSet<Type> _plain = new[]
    {
        typeof(string), typeof(decimal), typeof(Half), typeof(Int128), typeof(UInt128), typeof(BigInteger), typeof(Complex),
        typeof(DateTime), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan), typeof(TimeZoneInfo),
        typeof(Guid), typeof(Uri), typeof(Version), typeof(Rune), typeof(Index), typeof(Range), typeof(DBNull), typeof(Regex),
    }.ToFrozenSet();

    /// <summary>Immutable if their type arguments are.</summary>
    private static readonly FrozenSet<Type> _generic = new[]
    {
        typeof(Nullable<>), typeof(KeyValuePair<,>),
        typeof(Tuple<>), typeof(Tuple<,>), typeof(Tuple<,,>), typeof(Tuple<,,,>), typeof(Tuple<,,,,>), typeof(Tuple<,,,,,>),
        typeof(Tuple<,,,,,,>), typeof(Tuple<,,,,,,,>),
        typeof(ValueTuple<>), typeof(ValueTuple<,>), typeof(ValueTuple<,,>), typeof(ValueTuple<,,,>), typeof(ValueTuple<,,,,>),
        typeof(ValueTuple<,,,,,>), typeof(ValueTuple<,,,,,,>), typeof(ValueTuple<,,,,,,,>),
        typeof(ImmutableArray<>), typeof(ImmutableList<>), typeof(ImmutableQueue<>), typeof(ImmutableStack<>),
        typeof(ImmutableHashSet<>), typeof(ImmutableSortedSet<>), typeof(ImmutableDictionary<,>), typeof(ImmutableSortedDictionary<,>),
        typeof(FrozenSet<>), typeof(FrozenDictionary<,>),
    }.ToFrozenSet();

    // Per cache, not static: types declared by one cache's user say nothing to another, and types of an unloadable
    // assembly must not be held for ever.
    private readonly ConcurrentDictionary<(Type Type, Holder Holder), bool> _answers = new();
    private readonly FrozenSet<Type> _declared;

    private readonly bool _mustBeMarked;

    /// <param name="declared">Types the user vouches for.</param>
    /// <param name="mustBeMarked">Whether of the classes that are not listed only those count that are declared or marked, and of the marked ones only the sealed.</param>
    internal ImmutableTypes(IEnumerable<Type> declared, bool mustBeMarked = false)
    {
        _declared = declared.ToFrozenSet();
        _mustBeMarked = mustBeMarked;
    }

    /// <summary>Where a value is found, which decides what its type must rule out.</summary>
    private enum Holder
    {
        /// <summary>In a variable of the type, which may hold a value of a derived one.</summary>
        Variable,

        /// <summary>By itself: the type is the value's own.</summary>
        Value,

        /// <summary>In a box, which methods called through an interface can change.</summary>
        Box,
    }

    /// <summary>Whether a value of exactly this type can be shared.</summary>
    /// <param name="type">The value's own type.</param>
    /// <param name="isBoxed">Whether the value, if it is a struct, is shared in its box.</param>
    internal bool IncludesValueOf(Type type, bool isBoxed) => Includes(type, isBoxed && type.IsValueType ? Holder.Box : Holder.Value);

    /// <summary>Whether whatever a variable or array element of this type may hold can be shared.</summary>
    internal bool IncludesVariableOf(Type type) => Includes(type, Holder.Variable);

    private bool Includes(Type type, Holder holder)
    {
        if (!_answers.TryGetValue((type, holder), out var answer))
        {
            // Answers for the parts are not kept: they may rest on what the cycle was taken to be.
            answer = IsImmutable(type, holder, []);
            _answers.TryAdd((type, holder), answer);
        }

        return answer;
    }

    private bool IsImmutable(Type type, Holder holder, HashSet<Type> met)
    {
        if (_declared.Contains(type) || type.IsPrimitive || type.IsEnum || _plain.Contains(type) || type.IsAssignableTo(typeof(Type)))
        {
            return true;
        }

        if (type.IsArray || type.IsPointer || type.IsByRef || type.IsFunctionPointer || type.IsAssignableTo(typeof(Delegate)))
        {
            return false;
        }

        if (!met.Add(type))
        {
            return true;
        }

        if (met.Count > MostParts)
        {
            return false;
        }

        if (ArgumentsOfCollection(type) is { } arguments)
        {
            return arguments.All(argument => IsImmutable(argument, Holder.Variable, met));
        }

        // Not inherited: the author of a class can speak for it, not for what others derive from it.
        var isKnownExactly = type.IsSealed || (holder != Holder.Variable && !_mustBeMarked);
        if (isKnownExactly && type.GetCustomAttribute<ImmutableObjectAttribute>(inherit: false) is { } mark)
        {
            return mark.Immutable;
        }

        return type.IsSealed && (type.IsValueType || !_mustBeMarked) && IsMadeOfImmutables(type, mustBeReadOnly: !type.IsValueType || holder == Holder.Box, met);
    }

    /// <summary>The type arguments of a collection or tuple in the list above; frozen ones are found by their base.</summary>
    private static Type[]? ArgumentsOfCollection(Type type)
    {
        for (var current = type; current is not null; current = current.BaseType)
        {
            if (current.IsGenericType && _generic.Contains(current.GetGenericTypeDefinition()))
            {
                return current.GetGenericArguments();
            }
        }

        return null;
    }

    private bool IsMadeOfImmutables(Type type, bool mustBeReadOnly, HashSet<Type> met)
    {
        // Natively compiled code may lack the metadata of fields that are there, and would seem to have none.
        if (!RuntimeFeature.IsDynamicCodeSupported)
        {
            return false;
        }

        for (var current = type; current is not null; current = current.BaseType)
        {
            foreach (var field in FieldsOf(current))
            {
                if ((mustBeReadOnly && !field.IsInitOnly) || !IsImmutable(field.FieldType, Holder.Variable, met))
                {
                    return false;
                }
            }
        }

        return true;
    }

    [UnconditionalSuppressMessage("Trimming", "IL2070",
        Justification = "A trimmer takes away only fields that no code uses, through which nothing can be changed.")]
    private static FieldInfo[] FieldsOf(Type type) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
}
