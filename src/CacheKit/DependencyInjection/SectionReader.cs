using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace CacheKit.DependencyInjection;

/// <summary>
/// Reads one section of a configuration and collects what is wrong with it. It learns the known names from what it is
/// asked for; what is left at the end is unknown.
/// </summary>
/// <remarks>Nothing depends on the culture. A value of <see langword="null"/> is as good as none.</remarks>
internal sealed class SectionReader
{
    private const string DurationForm = "a duration, written hh:mm:ss with hours up to 23, or d.hh:mm:ss, such as 00:05:00 for five minutes";

    private readonly IConfiguration _section;
    private readonly List<string> _errors;
    private readonly bool _hasStores;
    private readonly List<string> _known = [];
    private readonly Dictionary<string, IConfigurationSection> _unread = new(StringComparer.OrdinalIgnoreCase);

    private delegate bool TryParse<T>(string text, out T value);

    private SectionReader(IConfiguration section, List<string> errors, bool hasStores = false)
    {
        _section = section;
        _errors = errors;
        _hasStores = hasStores;
        foreach (var child in section.GetChildren())
        {
            _unread[child.Key] = child;
        }
    }

    /// <summary>Begins with the section that was named in code.</summary>
    /// <param name="configuration">The section.</param>
    /// <param name="errors">Receives what is wrong.</param>
    /// <param name="hasStores">Whether the stores have their sections in it.</param>
    internal static SectionReader Open(IConfiguration configuration, List<string> errors, bool hasStores = false)
    {
        var reader = new SectionReader(configuration, errors, hasStores);
        if (configuration is IConfigurationSection section)
        {
            reader.CheckIsSection(section);
        }

        return reader;
    }

    /// <summary>Begins with a section within it. What is wrong with the outer one is told by whoever reads that.</summary>
    internal static SectionReader? OpenWithin(IConfiguration configuration, string name, List<string> errors) =>
        configuration.GetSection(name) is { Value: null or "" } section && section.GetChildren().Any() ? new(section, errors) : null;

    /// <summary>Reads a text, of whatever form.</summary>
    internal string? Text(string name)
    {
        if (Take(name) is not { } section)
        {
            return null;
        }

        if (section.Value is null && section.GetChildren().Any())
        {
            Error(section, "but must be a text.");
        }

        return section.Value;
    }

    internal bool? Flag(string name) => Value<bool>(name, "true or false", bool.TryParse);

    internal long? Number(string name, OptionRange<long>? range = null) => Value(
        name, "a whole number, such as 10000",
        static (string text, out long value) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value), range);

    internal double? Share(string name, OptionRange<double>? range = null) => Value(
        name, "a number, such as 0.8",
        static (string text, out double value) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value), range);

    internal TimeSpan? Duration(string name, OptionRange<TimeSpan>? range = null) => Value(name, DurationForm, TryParseDuration, range);

    internal T? Choice<T>(string name)
        where T : struct, Enum => Value<T>(
            name, (IsFlags<T>() ? "one or several of " : "one of ") + string.Join(", ", Enum.GetNames<T>()), TryParseName<T>);

    /// <summary>Reads a list of texts; <see langword="null"/> if there is none.</summary>
    internal List<string>? Texts(string name, Func<string, string?> errorOf)
    {
        if (Take(name) is not { } section)
        {
            return null;
        }

        // An empty list has the value "", for want of anything else to tell it from a missing one by.
        if (!string.IsNullOrEmpty(section.Value))
        {
            Error(section, "which is one value, but must be a list.");
            return null;
        }

        List<string> texts = [];
        foreach (var item in section.GetChildren())
        {
            if (item.Value is not { } text)
            {
                Error(item, "but must be a text.");
            }
            else if (errorOf(text) is { } error)
            {
                Error(item, $"which cannot stand here: {error}");
            }
            else
            {
                texts.Add(text);
            }
        }

        return section.Value is null && texts.Count == 0 ? null : texts;
    }

    /// <summary>Reads a section within; <see langword="null"/> if there is none.</summary>
    internal SectionReader? Section(string name)
    {
        if (Take(name) is not { } section)
        {
            return null;
        }

        return CheckIsSection(section) ? new(section, _errors) : null;
    }

    /// <summary>An option that exists, but holds what no configuration can.</summary>
    internal void OnlyInCode(string name)
    {
        if (_unread.Remove(name, out var section))
        {
            _errors.Add($"Configuration '{section.Path}' cannot be set here: {name} can only be set in code.");
        }
    }

    /// <summary>Reports what an option cannot be beside others, some of which may have been set elsewhere.</summary>
    internal void Mistake(string name, string error) => _errors.Add($"Configuration '{_section.GetSection(name).Path}' {error}");

    /// <summary>Reports what nobody has asked for.</summary>
    internal void End()
    {
        foreach (var section in _unread.Values)
        {
            var nearest = _known.OrderBy(name => Distance(name, section.Key)).ThenBy(static name => name, StringComparer.Ordinal).ToArray();
            var meant = _known.Find(name => section.Key.Length > 1 && name.StartsWith(section.Key, StringComparison.OrdinalIgnoreCase))
                ?? (Distance(nearest[0], section.Key) <= Math.Max(2, section.Key.Length * 2 / 5) ? nearest[0] : null);
            var guess = meant is not null ? $" Did you mean '{meant}'?"
                : _hasStores && section.GetChildren().Any() ? " That of a store is known once the store is added, as UseRedis does."
                : "";
            _errors.Add($"Configuration '{section.Path}' is {Seen(section)}, but there is no option of this name.{guess} Known here: {string.Join(", ", nearest)}.");
        }
    }

    private static string Seen(IConfigurationSection section) =>
        section.Value is { } value ? $"'{value}'" : section.GetChildren().Any() ? "a section" : "null";

    private static bool TryParseDuration(string text, out TimeSpan value)
    {
        // Else "5" would be five days, and "05:00", meant as five minutes, five hours.
        value = default;
        return text.AsSpan().Count(':') == 2 && TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out value);
    }

    private static bool IsFlags<T>() => typeof(T).IsDefined(typeof(FlagsAttribute), inherit: false);

    private static bool TryParseName<T>(string text, out T value)
        where T : struct, Enum
    {
        // Names alone: Enum.TryParse would take any number as well.
        value = default;
        string[] names = IsFlags<T>() ? text.Split(',', StringSplitOptions.TrimEntries) : [text.Trim()];
        return names.All(static name => Enum.GetNames<T>().Contains(name, StringComparer.OrdinalIgnoreCase)) && Enum.TryParse(text, ignoreCase: true, out value);
    }

    /// <summary>How many letters to insert, delete or replace to make one name of the other, in any case.</summary>
    private static int Distance(string left, string right)
    {
        var previous = Enumerable.Range(0, right.Length + 1).ToArray();
        var current = new int[right.Length + 1];
        for (var i = 1; i <= left.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var replaced = previous[j - 1] + (char.ToUpperInvariant(left[i - 1]) == char.ToUpperInvariant(right[j - 1]) ? 0 : 1);
                current[j] = Math.Min(replaced, 1 + Math.Min(previous[j], current[j - 1]));
            }

            (previous, current) = (current, previous);
        }

        return previous[right.Length];
    }

    private T? Value<T>(string name, string form, TryParse<T> parse, OptionRange<T>? range = null)
        where T : struct
    {
        if (Take(name) is not { } section)
        {
            return null;
        }

        var expected = range is null ? form : $"{form}, and {range.Text}";
        if (section.Value is not { } text)
        {
            if (section.GetChildren().Any())
            {
                Error(section, $"but must be {expected}.");
            }

            return null;
        }

        if (parse(text, out var value) && (range is null || range.Holds(value)))
        {
            return value;
        }

        Error(section, $"but must be {expected}.");
        return null;
    }

    private bool CheckIsSection(IConfigurationSection section)
    {
        var isSection = string.IsNullOrEmpty(section.Value);
        if (!isSection)
        {
            Error(section, "which is one value, but must be a section with options in it.");
        }

        return isSection;
    }

    private void Error(IConfigurationSection section, string error) => _errors.Add($"Configuration '{section.Path}' is {Seen(section)}, {error}");

    private IConfigurationSection? Take(string name)
    {
        _known.Add(name);
        return _unread.Remove(name, out var section) ? section : null;
    }
}
