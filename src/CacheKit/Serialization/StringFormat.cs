using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace CacheKit.Serialization;

/// <summary>A text in UTF-8, or in UTF-16 if it has a lone surrogate, which UTF-8 does not know.</summary>
internal sealed class StringFormat : ValueFormat<string>
{
    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    internal override bool Reads(PayloadForm form) => form is PayloadForm.Raw or PayloadForm.Utf16;

    internal override PayloadForm Write(EncodedEntry target, string value)
    {
        var before = target.Length;
        var rest = value.AsSpan();
        while (true)
        {
            // Room for ascii first; more only if that was not enough.
            var status = Utf8.FromUtf16(rest, target.GetSpan(rest.Length), out var read, out var written, replaceInvalidSequences: false);
            target.Advance(written);
            rest = rest[read..];
            switch (status)
            {
                case OperationStatus.Done:
                    return PayloadForm.Raw;
                case OperationStatus.DestinationTooSmall:
                    target.GetSpan(rest.Length + 16);
                    break;
                default:
                    target.Truncate(before);
                    WriteUtf16(target, value);
                    return PayloadForm.Utf16;
            }
        }
    }

    internal override string Read(ReadOnlyMemory<byte> payload, PayloadForm form)
    {
        if (form == PayloadForm.Raw)
        {
            return _strictUtf8.GetString(payload.Span);
        }

        if (payload.Length % sizeof(char) != 0)
        {
            throw new InvalidDataException("A text in UTF-16 has an even number of bytes.");
        }

        return string.Create(payload.Length / sizeof(char), payload, static (text, bytes) =>
        {
            for (var i = 0; i < text.Length; i++)
            {
                text[i] = (char)BinaryPrimitives.ReadUInt16LittleEndian(bytes.Span[(i * sizeof(char))..]);
            }
        });
    }

    private static void WriteUtf16(EncodedEntry target, string value)
    {
        var span = target.GetSpan(value.Length * sizeof(char));
        for (var i = 0; i < value.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(span[(i * sizeof(char))..], value[i]);
        }

        target.Advance(value.Length * sizeof(char));
    }
}
