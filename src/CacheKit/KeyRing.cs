using System.Collections.Immutable;
using System.Text;
using CacheKit.Serialization;

namespace CacheKit;

/// <summary>The keys that entries in stores are encrypted with: one to encrypt with, and any number that can still be read.</summary>
/// <remarks>
/// <para>Encryption is AES-GCM. Key, type, tags and times of an entry are authenticated with it, so that nobody who can only write to the store can
/// change an entry or put it under another key. Keys and tags themselves are not encrypted.</para>
/// <para>To change keys without a gap on several nodes: <see cref="Add"/> the new one on all of them; then <see cref="Use"/> it on all; then
/// <see cref="Remove"/> the old one when its entries have expired. All members are safe for concurrent use, and take effect at once in every
/// cache that has the ring.</para>
/// </remarks>
public sealed class KeyRing
{
    private readonly Lock _lock = new();
    private volatile State _state;

    /// <summary>Creates a ring with one key, which is used to encrypt.</summary>
    /// <param name="id">Names the key; stored with every entry. 1 to 255 bytes of UTF-8.</param>
    /// <param name="key">16, 24 or 32 random bytes. Copied.</param>
    /// <exception cref="ArgumentException">The id or the length of the key is not possible.</exception>
    public KeyRing(string id, ReadOnlySpan<byte> key)
    {
        var first = CreateKey(id, key);
        _state = new(ImmutableDictionary.Create<string, EncryptionKey>(StringComparer.Ordinal).Add(id, first), first);
    }

    /// <summary>The id of the key that is used to encrypt.</summary>
    public string CurrentId => _state.Current.Id;

    /// <summary>How many keys there are.</summary>
    public int Count => _state.Keys.Count;

    internal EncryptionKey Current => _state.Current;

    /// <summary>Adds a key that can be read from now on.</summary>
    /// <param name="id">Names the key.</param>
    /// <param name="key">16, 24 or 32 random bytes. Copied.</param>
    /// <returns>This ring.</returns>
    /// <exception cref="ArgumentException">The id or the length is not possible, or there is another key of this id.</exception>
    public KeyRing Add(string id, ReadOnlySpan<byte> key)
    {
        var added = CreateKey(id, key);
        lock (_lock)
        {
            if (!_state.Keys.TryGetValue(id, out var there))
            {
                _state = _state with { Keys = _state.Keys.Add(id, added) };
            }
            else if (!there.IsSame(added))
            {
                throw new ArgumentException($"There is another key with the id '{id}'. Entries name the key they are encrypted with by its id: give each its own.", nameof(id));
            }
        }

        return this;
    }

    /// <summary>Encrypts with a key of the ring from now on. The one used until now can still be read.</summary>
    /// <param name="id">The id of a key that was added.</param>
    /// <exception cref="ArgumentException">There is no such key.</exception>
    public void Use(string id)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        lock (_lock)
        {
            _state = _state.Keys.TryGetValue(id, out var key)
                ? _state with { Current = key }
                : throw new ArgumentException($"There is no key with the id '{id}'. Add it first, on every node that reads what this one writes.", nameof(id));
        }
    }

    /// <summary>Removes a key: entries that were encrypted with it are misses from now on.</summary>
    /// <param name="id">The id of the key.</param>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="ArgumentException">It is the key that is used to encrypt.</exception>
    public bool Remove(string id)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        lock (_lock)
        {
            if (_state.Current.Id == id)
            {
                throw new ArgumentException($"The key with the id '{id}' is used to encrypt. Use another one first.", nameof(id));
            }

            var before = _state.Keys;
            _state = _state with { Keys = before.Remove(id) };
            return _state.Keys != before;
        }
    }

    internal EncryptionKey? Find(ReadOnlySpan<byte> id)
    {
        // Almost always the present one, which costs no text.
        var state = _state;
        return id.SequenceEqual(state.Current.IdBytes) ? state.Current : state.Keys.GetValueOrDefault(Encoding.UTF8.GetString(id));
    }

    private static EncryptionKey CreateKey(string id, ReadOnlySpan<byte> key)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        CacheKey.CheckText(id, "key id", nameof(id));
        if (Encoding.UTF8.GetByteCount(id) > byte.MaxValue)
        {
            throw new ArgumentException($"A key id must be at most {byte.MaxValue} bytes of UTF-8.", nameof(id));
        }

        if (key.Length is not (16 or 24 or 32))
        {
            throw new ArgumentException($"An encryption key must have 16, 24 or 32 bytes, but has {key.Length}.", nameof(key));
        }

        return new(id, key);
    }

    private sealed record State(ImmutableDictionary<string, EncryptionKey> Keys, EncryptionKey Current);
}
