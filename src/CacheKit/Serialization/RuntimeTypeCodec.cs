namespace CacheKit.Serialization;

/// <summary>Writes and reads values of a type that no code here names: that of a value which was stored as something less.</summary>
internal sealed class RuntimeTypeCodec(KnownTypes types, Type type) : TypeCodec(types, type), IFormatSource<object>
{
    private ValueFormat<object>? _format;

    internal override ValueFormat Format => TypedFormat;

    public ValueFormat<object> TypedFormat => _format ??= Types.CreateFormat(Type);

    internal override PayloadForm WriteObject(EncodedEntry target, object value) => TypedFormat.Write(target, value);

    internal override DecodeStatus Decode<TAsked, TReceiver>(EntryCodec codec, in Envelope envelope, ref TReceiver receiver, out Exception? error)
    {
        object? value = null;
        error = null;
        if (!envelope.IsNull)
        {
            var status = TryReadObject(codec, envelope, out value, out error);
            if (status != DecodeStatus.Decoded)
            {
                return status;
            }
        }

        if (value is TAsked asked)
        {
            receiver.Accept(asked);
            return DecodeStatus.Decoded;
        }

        if (value is null && default(TAsked) is null && (typeof(TAsked).IsAssignableFrom(Type) || Type.IsAssignableFrom(typeof(TAsked))))
        {
            receiver.Accept(default(TAsked)!); // null, as it was stored
            return DecodeStatus.Decoded;
        }

        return DecodeStatus.TypeMismatch;
    }

    internal override DecodeStatus TryReadObject(EntryCodec codec, in Envelope envelope, out object? value, out Exception? error) =>
        codec.TryRead<object>(this, envelope, out value, out error);
}
