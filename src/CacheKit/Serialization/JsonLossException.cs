using System.Text.Json;

namespace CacheKit.Serialization;

/// <summary>A value would not come back from JSON as it was. The message says why and what to do, and never quotes the value.</summary>
/// <remarks>One that is thrown while JSON is written gets the <see cref="JsonException.Path"/> of where that was.</remarks>
/// <param name="reason">Why, in whole sentences.</param>
/// <param name="place">Where, within what JSON's own path leads to: members and elements, without keys of dictionaries.</param>
/// <param name="cause">What JSON has thrown, if that is where it comes from.</param>
internal sealed class JsonLossException(string reason, JsonPlace? place = null, Exception? cause = null) : JsonException(reason, cause)
{
    internal string Reason { get; } = reason;

    internal JsonPlace Place { get; } = place ?? JsonPlace.Root;

    /// <summary>Where it is, to stand behind what cannot be done; nothing if it is the value itself.</summary>
    internal string Because => Place.IsRoot ? "" : $", because of '{Place}'";
}
