using System.Globalization;
using System.Reflection;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>Where in a value something is, as a user would write it: <c>Orders[].Customer</c>. Keys of dictionaries are part of the value, and not told.</summary>
internal sealed class JsonPlace
{
    private const string AnyElement = "[]";
    private const string AnyKey = "[key]";
    private const int LongestTold = 8;

    private readonly string[] _steps;

    private JsonPlace(string[] steps) => _steps = steps;

    /// <summary>The value itself.</summary>
    internal static JsonPlace Root { get; } = new([]);

    internal bool IsRoot => _steps.Length == 0;

    internal JsonPlace Member(string name) => new([.. _steps, name]);

    internal JsonPlace Element(int index) => new([.. _steps, string.Create(CultureInfo.InvariantCulture, $"[{index}]")]);

    internal JsonPlace Key() => new([.. _steps, AnyKey]);

    /// <summary>What JSON calls a path, as far as the types can be followed along it.</summary>
    /// <param name="path">The path.</param>
    /// <param name="typeInfo">Of the value.</param>
    /// <param name="isOfWriting">While it writes, JSON does not tell which element or entry it is at, nor that it is at one.</param>
    /// <param name="further">Where it goes on from the end of the path, which is no collection then.</param>
    internal static JsonPlace Of(string? path, JsonTypeInfo? typeInfo, bool isOfWriting, JsonPlace further)
    {
        var steps = new List<string>();
        foreach (var name in Split(path))
        {
            if (isOfWriting)
            {
                typeInfo = EnterCollections(typeInfo, steps);
            }

            switch (typeInfo?.Kind)
            {
                case JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary:
                    steps.Add(typeInfo.Kind == JsonTypeInfoKind.Enumerable ? name : AnyKey);
                    typeInfo = Follow(typeInfo, typeInfo.ElementType);
                    break;
                case JsonTypeInfoKind.Object when FindMember(typeInfo, name) is { } member:
                    steps.Add(NameOf(member));
                    typeInfo = Follow(typeInfo, member.PropertyType);
                    break;
                default:
                    return new([.. steps, .. further._steps]); // a converter's own business
            }
        }

        if (isOfWriting && !further.IsRoot)
        {
            EnterCollections(typeInfo, steps);
        }

        return new([.. steps, .. further._steps]);
    }

    private static JsonTypeInfo? EnterCollections(JsonTypeInfo? typeInfo, List<string> steps)
    {
        for (; typeInfo is { Kind: JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary }; typeInfo = Follow(typeInfo, typeInfo.ElementType))
        {
            steps.Add(typeInfo.Kind == JsonTypeInfoKind.Enumerable ? AnyElement : AnyKey);
        }

        return typeInfo;
    }

    /// <summary>The name in the code; the one in JSON may be another.</summary>
    internal static string NameOf(JsonPropertyInfo member) => (member.AttributeProvider as MemberInfo)?.Name ?? member.Name;

    internal static JsonTypeInfo? Follow(JsonTypeInfo from, Type? type)
    {
        try
        {
            return type is not null && from.Options.TryGetTypeInfo(type, out var typeInfo) ? typeInfo : null;
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException)
        {
            return null; // which may be the very thing that is to be told
        }
    }

    public override string ToString()
    {
        var told = Math.Min(_steps.Length, LongestTold);
        if (told < _steps.Length)
        {
            told = LengthOfRound() ?? told;
        }

        var text = string.Concat(_steps.Take(told).Select(static step => step[0] == '[' ? step : "." + step)).TrimStart('.');
        return told < _steps.Length ? text + "…" : text;
    }

    /// <summary>Where a path goes round, once is enough.</summary>
    private int? LengthOfRound()
    {
        for (var start = 0; start < LongestTold; start++)
        {
            for (var length = 1; start + length <= LongestTold; length++)
            {
                if (Enumerable.Range(start, _steps.Length - start - length).All(at => _steps[at] == _steps[at + length]))
                {
                    return start + length;
                }
            }
        }

        return null;
    }

    private static JsonPropertyInfo? FindMember(JsonTypeInfo typeInfo, string name) =>
        typeInfo.Properties.FirstOrDefault(property => property.Name == name || NameOf(property) == name)
        ?? typeInfo.PolymorphismOptions?.DerivedTypes
            .Where(derived => derived.DerivedType != typeInfo.Type)
            .Select(derived => Follow(typeInfo, derived.DerivedType) is { Kind: JsonTypeInfoKind.Object } own ? FindMember(own, name) : null)
            .FirstOrDefault(found => found is not null);

    /// <summary>Splits <c>$.a[0]['b.c']</c> into <c>a</c>, <c>[0]</c>, <c>b.c</c>.</summary>
    private static IEnumerable<string> Split(string? path)
    {
        for (var at = 1; at < path?.Length;)
        {
            int end;
            if (path[at] == '.')
            {
                end = path.AsSpan(at + 1).IndexOfAny('.', '[') is >= 0 and var length ? at + 1 + length : path.Length;
                yield return path[(at + 1)..end];
            }
            else if (path.AsSpan(at).StartsWith("['"))
            {
                end = path.IndexOf("']", at, StringComparison.Ordinal) is >= 0 and var close ? close + 2 : path.Length;
                yield return path[(at + 2)..Math.Max(at + 2, end - 2)];
            }
            else
            {
                end = path.IndexOf(']', at) is >= 0 and var close ? close + 1 : path.Length;
                yield return path[at..end];
            }

            at = end;
        }
    }
}
