using System.Text;

namespace CacheKit;

/// <summary>What makes a key: at least one character, well-formed UTF-16, at most 65,535 bytes of UTF-8.</summary>
internal static class CacheKey
{
    internal const int MaximumBytes = 65_535;

    /// <summary>Throws unless the text can be a key. Not on the hit path: a key that cannot be stored is never found.</summary>
    internal static void Check(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Length == 0)
        {
            throw new ArgumentException("A cache key must not be empty.", nameof(key));
        }

        CheckText(key, "cache key", nameof(key));
    }

    internal static void CheckText(string text, string what, string parameter)
    {
        // Ascii is by far the commonest, and is checked many characters at a time.
        if (!Ascii.IsValid(text))
        {
            for (var i = 0; i < text.Length; i++)
            {
                if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                {
                    i++;
                }
                else if (char.IsSurrogate(text[i]))
                {
                    throw new ArgumentException($"A {what} must be well-formed text, but has a lone surrogate at index {i}.", parameter);
                }
            }
        }

        if (text.Length > MaximumBytes / 3 && Encoding.UTF8.GetByteCount(text) is var bytes && bytes > MaximumBytes)
        {
            throw new ArgumentException($"A {what} must be at most {MaximumBytes:N0} bytes of UTF-8, but has {bytes:N0}. Use a digest of it instead.", parameter);
        }
    }
}
