using System.Collections.Concurrent;
using System.Text;

namespace CacheKit.Serialization;

/// <summary>Writes and reads values of one type.</summary>
internal abstract class TypeCodec
{
    private protected TypeCodec(KnownTypes types, Type type)
    {
        Types = types;
        Type = type;
        Name = TypeNames.Of(type);
        NameBytes = Encoding.UTF8.GetBytes(Name);
    }

    internal Type Type { get; }

    internal string Name { get; }

    internal byte[] NameBytes { get; }

    /// <summary>About how long the last values were, so that the next one gets a buffer that is large enough at once.</summary>
    internal int ExpectedLength { get; set; } = 256;

    /// <summary>How values are written. Throws if they cannot be.</summary>
    internal abstract ValueFormat Format { get; }

    /// <summary>Whether the options give the type a serializer of its own.</summary>
    internal bool IsGiven { get; private protected init; }

    /// <summary>Whether values are written as they are.</summary>
    internal bool IsRaw { get; private protected init; }

    private protected KnownTypes Types { get; }

    internal abstract PayloadForm WriteObject(EncodedEntry target, object value);

    /// <summary>Reads a value of the envelope and hands it over as what it was stored as, or as what was asked for if only that is known.</summary>
    internal abstract DecodeStatus Decode<TAsked, TReceiver>(EntryCodec codec, in Envelope envelope, ref TReceiver receiver, out Exception? error)
        where TReceiver : IDecodedValue;

    /// <summary>Reads a value of the envelope that is not null.</summary>
    internal abstract DecodeStatus TryReadObject(EntryCodec codec, in Envelope envelope, out object? value, out Exception? error);
}

/// <inheritdoc/>
internal sealed class TypeCodec<T> : TypeCodec, IFormatSource<T>
{
    private ConcurrentDictionary<Type, TypeCodec>? _contents;
    private ValueFormat<T>? _format;

    /// <param name="types">Where it is known.</param>
    /// <param name="given">The format the options give to the type.</param>
    /// <param name="raw">The format in which its values are as they are. With neither the format is found when it is needed.</param>
    internal TypeCodec(KnownTypes types, ValueFormat<T>? given, ValueFormat<T>? raw = null)
        : base(types, typeof(T))
    {
        _format = given ?? raw;
        IsRaw = raw is not null;
        IsGiven = given is not null;
    }

    internal override ValueFormat Format => TypedFormat;

    public ValueFormat<T> TypedFormat => _format ??= Types.CreateFormat<T>();

    /// <summary>The codec to write a value with: that of its own type, if there is more to it than to the type it is stored as.</summary>
    internal TypeCodec ForContent(T value)
    {
        if (typeof(T).IsValueType || value!.GetType() == typeof(T)) // never null
        {
            return this;
        }

        return (_contents ??= new()).GetOrAdd(value.GetType(), static (type, declared) => declared.ChooseForContent(type), this);
    }

    internal override PayloadForm WriteObject(EncodedEntry target, object value) => TypedFormat.Write(target, (T)value);

    internal override DecodeStatus Decode<TAsked, TReceiver>(EntryCodec codec, in Envelope envelope, ref TReceiver receiver, out Exception? error)
    {
        error = null;
        T? value = default;
        if (!envelope.IsNull)
        {
            var status = codec.TryRead<T>(this, envelope, out value, out error);
            if (status != DecodeStatus.Decoded)
            {
                return status;
            }
        }
        else if (value is not null)
        {
            return DecodeStatus.Corrupt; // null of a type that has none
        }

        receiver.Accept(value!); // null if it was stored
        return DecodeStatus.Decoded;
    }

    internal override DecodeStatus TryReadObject(EntryCodec codec, in Envelope envelope, out object? value, out Exception? error)
    {
        var status = codec.TryRead<T>(this, envelope, out var typed, out error);
        value = typed;
        return status;
    }

    private TypeCodec ChooseForContent(Type type)
    {
        // Who gives a serializer takes over what is declared so, whatever it holds.
        if (IsGiven)
        {
            return this;
        }

        var own = Types.OfRuntimeType(type);
        if (own.IsGiven)
        {
            return own;
        }

        return Types.HasSerializer || Types.IsPolymorphic(typeof(T), type) || (!Types.CanRead(own) && Types.CanRead(this)) ? this : own;
    }
}
