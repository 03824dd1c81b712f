using System.Globalization;

namespace CacheKit.Diagnostics;

/// <summary>How many messages were held back since the last one, as the end of a message: nothing if there were none.</summary>
/// <param name="Count">How many.</param>
internal readonly record struct HeldBackMessages(long Count)
{
    /// <summary>The sentence.</summary>
    public override string ToString() => Count switch
    {
        0 => "",
        1 => " 1 earlier message like this was held back.",
        _ => string.Create(CultureInfo.InvariantCulture, $" {Count} earlier messages like this were held back."),
    };
}
