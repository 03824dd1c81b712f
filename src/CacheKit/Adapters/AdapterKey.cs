using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace CacheKit.Adapters;

/// <summary>Brings text that another interface allows as a key, and a cache does not, into a form that a cache takes.</summary>
internal static class AdapterKey
{
    // A control character, so that nobody's own key looks like it.
    private const string Prefix = "\u0001sha256:";

    /// <summary>Whether a cache takes the text as a key or tag as it is.</summary>
    internal static bool IsPossible(string text)
    {
        if (text.Length == 0)
        {
            return false;
        }

        try
        {
            CacheKey.CheckText(text, "key", nameof(text));
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>The text itself, or else a digest of it: different for every text, the same every time.</summary>
    internal static string For(string text) => IsPossible(text) ? text : DigestOf(text);

    /// <summary>A key that stands for the text, whatever it is.</summary>
    internal static string DigestOf(string text) => Prefix + Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan())));
}
