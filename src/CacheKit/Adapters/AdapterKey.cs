using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace CacheKit.Adapters;

/// <summary>Brings text that another interface allows as a key, and a cache does not, into a form that a cache takes.</summary>
internal static class AdapterKey
{
    // A control character, so that nobody's own key looks like it.
    private const string Prefix = "\u0001sha256:";
    private const int MaximumBytes = 65_535;

    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Whether a cache takes the text as a key as it is.</summary>
    internal static bool IsPossible(string text)
    {
        if (text.Length is 0 or > MaximumBytes)
        {
            return false;
        }

        if (Ascii.IsValid(text))
        {
            return true;
        }

        try
        {
            return _strict.GetByteCount(text) <= MaximumBytes;
        }
        catch (EncoderFallbackException)
        {
            return false; // a lone surrogate
        }
    }

    /// <summary>The text itself, or else a digest of it: different for every text, the same every time.</summary>
    internal static string For(string text) => IsPossible(text) ? text : DigestOf(text);

    /// <summary>The same for a tag.</summary>
    internal static string ForTag(string text) => text == "*" ? DigestOf(text) : For(text);

    /// <summary>A key that stands for the text, whatever it is.</summary>
    internal static string DigestOf(string text) => Prefix + Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan())));
}
