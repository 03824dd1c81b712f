using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>Finds where a value that was read back from JSON is not what was written, and why if that can be told.</summary>
internal static class JsonDifference
{
    private const string NotKept = "Read back from JSON it differs: a constructor, a setter or a converter does not keep what it is given.";
    private const string NotSet =
        "It can be read but not set, so it would come back without what it holds. Give it a set or init accessor, or the constructor a parameter of its name.";

    /// <summary>Finds the first place where two texts differ of which it is known that they do.</summary>
    /// <param name="json">What was written.</param>
    /// <param name="again">What is written of the value that was read back.</param>
    /// <param name="typeInfo">Of the value.</param>
    internal static JsonLossException Find(ReadOnlySpan<byte> json, ReadOnlySpan<byte> again, JsonTypeInfo typeInfo)
    {
        using var document = JsonDocument.Parse(json.ToArray());
        using var copy = JsonDocument.Parse(again.ToArray());
        return Find(document.RootElement, copy.RootElement, typeInfo, JsonPlace.Root) ?? new(NotKept);
    }

    private static JsonLossException? Find(JsonElement value, JsonElement copy, JsonTypeInfo? typeInfo, JsonPlace place)
    {
        if (JsonElement.DeepEquals(value, copy))
        {
            return null;
        }

        var isAlike = value.ValueKind == copy.ValueKind;
        return typeInfo?.Kind switch
        {
            JsonTypeInfoKind.Object when isAlike => FindInMembers(value, copy, typeInfo, place),
            JsonTypeInfoKind.Dictionary when isAlike => FindInEntries(value, copy, typeInfo, place),
            JsonTypeInfoKind.Enumerable when isAlike => FindInElements(value, copy, typeInfo, place),
            _ => null,
        } ?? new(NotKept, place);
    }

    private static JsonLossException? FindInMembers(JsonElement value, JsonElement copy, JsonTypeInfo typeInfo, JsonPlace place)
    {
        // What is computed from others differs because they do.
        foreach (var member in typeInfo.Properties.OrderBy(static member => CanBeSet(member) ? 0 : 1))
        {
            if (value.TryGetProperty(member.Name, out var written))
            {
                var at = place.Member(JsonPlace.NameOf(member));
                var isThere = copy.TryGetProperty(member.Name, out var read);
                if (!isThere || !JsonElement.DeepEquals(written, read))
                {
                    return !CanBeSet(member) && !(isThere && IsFilled(written, read)) ? new(NotSet, at)
                        : isThere ? Find(written, read, JsonPlace.Follow(typeInfo, member.PropertyType), at)
                        : new(NotKept, at);
                }
            }
        }

        return null;
    }

    private static bool CanBeSet(JsonPropertyInfo member) => member.Set is not null || member.AssociatedParameter is not null;

    /// <summary>Whether a collection without a setter has got its elements.</summary>
    private static bool IsFilled(JsonElement written, JsonElement read) =>
        written.ValueKind == JsonValueKind.Array && read.ValueKind == JsonValueKind.Array && written.GetArrayLength() == read.GetArrayLength();

    private static JsonLossException? FindInEntries(JsonElement value, JsonElement copy, JsonTypeInfo typeInfo, JsonPlace place)
    {
        foreach (var entry in value.EnumerateObject())
        {
            if (copy.TryGetProperty(entry.Name, out var read) && Find(entry.Value, read, JsonPlace.Follow(typeInfo, typeInfo.ElementType), place.Key()) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    private static JsonLossException? FindInElements(JsonElement value, JsonElement copy, JsonTypeInfo typeInfo, JsonPlace place)
    {
        for (var i = 0; i < Math.Min(value.GetArrayLength(), copy.GetArrayLength()); i++)
        {
            if (Find(value[i], copy[i], JsonPlace.Follow(typeInfo, typeInfo.ElementType), place.Element(i)) is { } found)
            {
                return found;
            }
        }

        return null;
    }
}
