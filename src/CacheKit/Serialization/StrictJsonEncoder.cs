using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;

namespace CacheKit.Serialization;

/// <summary>Escapes as another encoder does, but refuses text that is none: JSON would put a replacement character where it has a lone surrogate.</summary>
/// <remarks>Costs nothing where there is nothing to escape: a lone surrogate always is.</remarks>
internal sealed unsafe class StrictJsonEncoder(JavaScriptEncoder inner) : JavaScriptEncoder
{
    public override int MaxOutputCharactersPerInputCharacter => inner.MaxOutputCharactersPerInputCharacter;

    public override int FindFirstCharacterToEncode(char* text, int textLength) => inner.FindFirstCharacterToEncode(text, textLength);

    public override int FindFirstCharacterToEncodeUtf8(ReadOnlySpan<byte> utf8Text) => inner.FindFirstCharacterToEncodeUtf8(utf8Text);

    public override bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten) =>
        inner.TryEncodeUnicodeScalar(unicodeScalar, buffer, bufferLength, out numberOfCharactersWritten);

    public override bool WillEncode(int unicodeScalar) => inner.WillEncode(unicodeScalar);

    public override OperationStatus Encode(ReadOnlySpan<char> source, Span<char> destination, out int charsConsumed, out int charsWritten, bool isFinalBlock = true)
    {
        for (var rest = source; rest.IndexOfAnyInRange('\ud800', '\udfff') is >= 0 and var at;)
        {
            rest = rest[at..];
            if (Rune.DecodeFromUtf16(rest, out _, out var length) == OperationStatus.InvalidData || (isFinalBlock && rest.Length == 1))
            {
                throw new JsonLossException("It has a text with a lone surrogate in it, which is not well-formed, and which JSON would replace.");
            }

            rest = rest[length..];
        }

        return inner.Encode(source, destination, out charsConsumed, out charsWritten, isFinalBlock);
    }

    public override OperationStatus EncodeUtf8(ReadOnlySpan<byte> utf8Source, Span<byte> utf8Destination, out int bytesConsumed, out int bytesWritten, bool isFinalBlock = true) =>
        inner.EncodeUtf8(utf8Source, utf8Destination, out bytesConsumed, out bytesWritten, isFinalBlock);
}
