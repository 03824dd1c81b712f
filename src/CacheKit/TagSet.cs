namespace CacheKit;

/// <summary>Checks tags and makes them a set: few, so an array without duplicates, in the order given.</summary>
internal static class TagSet
{
    /// <summary>From this many on, duplicates are found by hashing instead of by comparing each with each.</summary>
    private const int HashFrom = 16;

    internal static string[] Create(IReadOnlyList<string>? tags) => tags is null or { Count: 0 } ? [] : Union([], tags);

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
        ArgumentNullException.ThrowIfNull(tag, parameter);
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
