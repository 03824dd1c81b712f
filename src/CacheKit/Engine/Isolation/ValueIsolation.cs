using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Text.Json;
using CacheKit.Memory;
using CacheKit.Serialization;

namespace CacheKit.Engine.Isolation;

/// <summary>Decides which values are copied for every caller, and how.</summary>
internal sealed class ValueIsolation
{
    private readonly bool _isolateAll;
    private readonly FrozenDictionary<Type, bool> _settings;
    private readonly FrozenDictionary<Type, ValueCopier> _givenCopiers;
    private readonly ImmutableTypes _immutableTypes;
    private readonly Lazy<JsonSerializerOptions> _jsonOptions;
    private readonly ISerializerSource? _serializers;
    private readonly ConcurrentDictionary<Type, ValueCopier> _copiers = new();
    private readonly ConcurrentDictionary<Type, ValueCopier> _serializingCopiers = new();

    /// <param name="options">Read here and not kept; changing them later has no effect.</param>
    internal ValueIsolation(IsolationOptions options)
    {
        _isolateAll = options.IsolateAll;
        _serializers = options.Serializers;
        _settings = options.Types.ToFrozenDictionary();
        _givenCopiers = options.Copiers.ToFrozenDictionary(copier => copier.Key, copier => (ValueCopier)new FunctionCopier(copier.Value));
        _immutableTypes = new(options.Types.Where(setting => !setting.Value).Select(setting => setting.Key), options.TrustsOnlySealedMarkedClasses);

        // Copied at once, as everything is, but looked into only if a value ever needs it.
        var given = options.JsonSerializerOptions is { } json ? new JsonSerializerOptions(json) : null;
        _jsonOptions = new(() => JsonCopier.CreateOptions(given));
    }

    /// <summary>Whether every caller is due a copy of <paramref name="value"/>.</summary>
    /// <param name="value">The value to store.</param>
    /// <param name="perEntry">What the entry's options say, if anything.</param>
    /// <remarks>
    /// The entry's word counts before that of the value's own type, that of the type it is stored as, and the cache's.
    /// None of them makes a copy of what cannot change.
    /// </remarks>
    internal bool Applies<T>(T value, bool? perEntry)
    {
        // First, because it is what most stores come to: nothing asks for copies.
        if (perEntry is false || value is null || (perEntry is null && !_isolateAll && _settings.Count == 0))
        {
            return false;
        }

        var type = value.GetType();
        bool? perType = _settings.TryGetValue(type, out var setting) || _settings.TryGetValue(typeof(T), out setting) ? setting : null;
        if (perType is false || !(perEntry ?? perType ?? _isolateAll))
        {
            return false;
        }

        // Whoever gives a function to copy a type knows of a way to change it that its fields do not show.
        return _givenCopiers.ContainsKey(type) || !_immutableTypes.IncludesValueOf(type, isBoxed: !typeof(T).IsValueType);
    }

    /// <summary>Makes an entry that holds a copy of <paramref name="value"/> and gives every caller another.</summary>
    /// <exception cref="InvalidOperationException">The value cannot be copied. An exception of the user's own copy function is thrown as it is.</exception>
    internal IsolatedEntry<T> Capture<T>(string key, T value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var type = value.GetType();
        if (_givenCopiers.TryGetValue(type, out var copier) || _givenCopiers.TryGetValue(typeof(T), out copier))
        {
            return new(key, copier.Capture(value), copier);
        }

        if (_serializers?.Find<T>() is { } serializer)
        {
            copier = _serializingCopiers.GetOrAdd(typeof(T), static (_, found) => new SerializingCopier<T>(found), serializer);
            return new(key, copier.Capture(value), copier);
        }

        try
        {
            copier = _copiers.GetOrAdd(type, ChooseCopier);
            return new(key, copier.Capture(value), copier);
        }
        catch (Exception exception)
        {
            // The messages of others may quote the value.
            var loss = exception as JsonLossException;
            var reason = loss?.Reason ?? JsonFault.OfType(exception);
            throw new UncopyableValueException(
                $"A value of type {type} cannot be copied to isolate its callers{loss?.Because}. {reason} "
                + $"Or give a function with {nameof(IsolationOptions)}.{nameof(IsolationOptions.CopyWith)}, "
                + $"declare with {nameof(IsolationOptions.Share)} that nobody changes such values, "
                + $"or turn isolation off for the entry with {nameof(CacheEntryOptions)}.{nameof(CacheEntryOptions.Isolate)}.",
                loss is { InnerException: { } cause } ? cause : exception);
        }
    }

    private ValueCopier ChooseCopier(Type type)
    {
        if (type.IsArray && _immutableTypes.IncludesVariableOf(type.GetElementType()!)) // an array has one
        {
            return new FunctionCopier(static array => ((Array)array).Clone());
        }

        if (type == typeof(ReadOnlyMemory<byte>))
        {
            return new FunctionCopier(static memory => new ReadOnlyMemory<byte>(((ReadOnlyMemory<byte>)memory).ToArray()));
        }

        if (type == typeof(Memory<byte>))
        {
            return new FunctionCopier(static memory => new Memory<byte>(((Memory<byte>)memory).ToArray()));
        }

        if (type == typeof(ReadOnlySequence<byte>))
        {
            return new FunctionCopier(static sequence => new ReadOnlySequence<byte>(((ReadOnlySequence<byte>)sequence).ToArray()));
        }

        return new JsonCopier(_jsonOptions.Value.GetTypeInfo(type));
    }

    /// <summary>Holds a copy, and copies it for every caller, with a function.</summary>
    private sealed class FunctionCopier(Func<object, object> copy) : ValueCopier
    {
        internal override object Capture(object value) => copy(value);

        internal override object Copy(object captured) => copy(captured);
    }
}
