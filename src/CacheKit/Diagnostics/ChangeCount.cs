using System.Globalization;

namespace CacheKit.Diagnostics;

/// <summary>A number of changes, in words: "1 change", "7 changes".</summary>
/// <param name="Count">How many.</param>
internal readonly record struct ChangeCount(long Count)
{
    /// <summary>The words.</summary>
    public override string ToString() => Count == 1 ? "1 change" : string.Create(CultureInfo.InvariantCulture, $"{Count} changes");
}
