using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CacheKit.Redis.Gathering;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>The names of everything a cache keeps in Redis.</summary>
/// <remarks>
/// <para>All begin with <c>{prefix}/{cache}/</c>. The prefix holds no slash, and those of the cache's name are escaped, so no two pairs of prefix
/// and cache share a name, whatever their keys. Then follow the kind and what it is for:</para>
/// <list type="table">
/// <item><term><c>e:{key}</c></term><description>an entry, or what is left of it to refuse values made before</description></item>
/// <item><term><c>t:{tag}</c></term><description>when entries with the tag were invalidated</description></item>
/// <item><term><c>a:{n}</c></term><description>when everything was removed; several copies, so that no cluster node has to answer for all reads</description></item>
/// <item><term><c>l:{key}</c></term><description>a lock</description></item>
/// <item><term><c>w:{store}:{n}</c></term><description>bytes on their way to an entry, within one transaction</description></item>
/// <item><term><c>clock</c></term><description>the clock, and the journal of recent invalidations by tag</description></item>
/// <item><term><c>log</c></term><description>the latest messages; the channel <c>feed</c> carries them</description></item>
/// </list>
/// <para>No two of them need to be in one slot of a cluster.</para>
/// </remarks>
internal sealed class KeyLayout
{
    /// <summary>How many copies there are of the record of clears.</summary>
    internal const int ClearCopies = 8;

    private readonly string _entries;
    private readonly byte[] _entriesInBytes;
    private readonly string _tags;
    private readonly string _locks;
    private readonly RedisKey[] _clears;
    private readonly RedisKey[] _waiting;

    internal KeyLayout(string keyPrefix, string cacheName)
    {
        Prefix = $"{keyPrefix}/{Escape(cacheName)}/";
        _entries = Prefix + "e:";
        _entriesInBytes = Encoding.UTF8.GetBytes(_entries);
        _tags = Prefix + "t:";
        _locks = Prefix + "l:";
        _clears = [.. Enumerable.Range(0, ClearCopies).Select(copy => (RedisKey)Encoding.UTF8.GetBytes($"{Prefix}a:{copy}"))];

        // Nobody else's, even where a server does not keep a transaction together.
        var own = Convert.ToHexString(RandomNumberGenerator.GetBytes(4));
        _waiting = [.. Enumerable.Range(0, CallGatherer.MostCalls).Select(n => (RedisKey)Encoding.UTF8.GetBytes($"{Prefix}w:{own}:{n}"))];
        Clock = Prefix + "clock";
        Log = Prefix + "log";
    }

    internal string Prefix { get; }

    internal RedisKey Clock { get; }

    internal RedisKey Log { get; }

    /// <summary>The channel of a database. Channels know none, so those of all but the first have its number in their name: what is changed in one database is not in the others.</summary>
    internal RedisChannel Channel(int database) =>
        new(Encoding.UTF8.GetBytes(database > 0 ? string.Create(CultureInfo.InvariantCulture, $"{Prefix}feed@{database}") : Prefix + "feed"), RedisChannel.PatternMode.Literal);

    internal IReadOnlyList<RedisKey> Clears => _clears;

    internal RedisKey Entry(string key)
    {
        // As they are sent: bytes are half as long as text, and are not encoded once more.
        var name = new byte[_entriesInBytes.Length + Encoding.UTF8.GetByteCount(key)];
        _entriesInBytes.CopyTo(name, 0);
        Encoding.UTF8.GetBytes(key, name.AsSpan(_entriesInBytes.Length));
        return name;
    }

    /// <summary>The keys of a script that changes an entry: on a single server the clock is one of them, so that it can draw its stamp itself.</summary>
    internal RedisKey[] KeysOf(RedisKey entryName, bool isSingle) => isSingle ? [entryName, Clock] : [entryName];

    /// <summary>Where the bytes of one of several entries are before they get its name.</summary>
    internal RedisKey Waiting(int number) => _waiting[number];

    internal RedisKey Tag(string tag) => Encoding.UTF8.GetBytes(_tags + tag);

    internal RedisKey Lock(string key) => _locks + key;

    /// <summary>The copy of the record of clears that is read with a key.</summary>
    internal RedisKey Clear(string key) => _clears[ClearCopy(key)];

    /// <summary>The number of that copy.</summary>
    internal static int ClearCopy(string key) => (int)(StableHash.Of(key) % ClearCopies);

    /// <summary>A pattern for SCAN that matches the entries whose keys begin with a literal.</summary>
    internal string EntryPattern(string literalPrefix)
    {
        var pattern = new StringBuilder();
        foreach (var character in _entries + literalPrefix)
        {
            if (character is '*' or '?' or '[' or ']' or '^' or '-' or '\\')
            {
                pattern.Append('\\');
            }

            pattern.Append(character);
        }

        return pattern.Append('*').ToString();
    }

    /// <summary>The key of an entry's name, or <see langword="null"/> if it is none.</summary>
    internal string? KeyOf(string name) => name.StartsWith(_entries, StringComparison.Ordinal) ? name[_entries.Length..] : null;

    // Braces as well: they would say which slot the whole cache belongs to.
    private static string Escape(string cacheName)
    {
        var escaped = new StringBuilder();
        foreach (var character in cacheName)
        {
            if (character is '/' or '%' or '{' or '}')
            {
                escaped.Append('%').Append(((int)character).ToString("X2", CultureInfo.InvariantCulture));
            }
            else
            {
                escaped.Append(character);
            }
        }

        return escaped.ToString();
    }
}
