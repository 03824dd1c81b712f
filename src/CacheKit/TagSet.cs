namespace CacheKit;

/// <summary>Checks tags and makes them a set: few, so an array without duplicates, in the order given.</summary>
internal static class TagSet
{
    /// <summary>From this many on, duplicates are found by hashing instead of by comparing each with each.</summary>
    private const int HashFrom = 16;

    /// <summary>Sets made lately, each where the hash of its first tag says. A program uses few, for many entries: these share one array then.</summary>
    private static readonly string[]?[] _recent = new string[]?[64];

    internal static string[] Create(IReadOnlyList<string>? tags)
    {
        if (tags is null or { Count: 0 })
        {
            return [];
        }

        // An array that is there was checked when it was made, and nobody changes it.
        ref var place = ref _recent[tags[0] is { Length: > 0 } first ? (first[0] + (first[^1] * 31) + (first.Length * 7) + tags.Count) & 63 : 0];
        if (Volatile.Read(ref place) is { } recent && Equals(recent, tags))
        {
            return recent;
        }

        var created = Union([], tags);
        Volatile.Write(ref place, created);
        return created;
    }

    private static bool Equals(string[] set, IReadOnlyList<string> tags)
    {
        if (set.Length != tags.Count)
        {
            return false;
        }

        for (var index = 0; index < set.Length; index++)
        {
            if (!string.Equals(set[index], tags[index], StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }

    internal static string[] Union(string[] first, IEnumerable<string> second)
    {
        ArgumentNullException.ThrowIfNull(second, "tags");
        var tags = new List<string>(first);
        HashSet<string>? seen = null;
        foreach (var tag in second)
        {
            Check(tag, "tags");
            if (tags.Count >= HashFrom)
            {
                seen ??= new(tags, StringComparer.Ordinal);
                if (seen.Add(tag))
                {
                    tags.Add(tag);
                }
            }
            else if (!tags.Contains(tag))
            {
                tags.Add(tag);
            }
        }

        return tags.Count == first.Length ? first : [.. tags];
    }

    internal static void Check(string tag, string parameter)
    {
        if (tag is null)
        {
            throw new ArgumentNullException(parameter, "A tag must not be null.");
        }

        if (tag.Length == 0)
        {
            throw new ArgumentException("A tag must not be empty.", parameter);
        }

        if (tag == "*")
        {
            throw new ArgumentException("'*' is not a tag. To remove every entry, call ClearAsync.", parameter);
        }

        CacheKey.CheckText(tag, "tag", parameter);
    }
}
