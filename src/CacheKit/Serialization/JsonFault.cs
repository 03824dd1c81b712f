using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>Makes what JSON throws into a reason that may be told: where it was and why, without a word of the value.</summary>
internal static class JsonFault
{
    private const string PathMark = " Path: ";

    /// <summary>Of what was thrown while a value was written.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="typeInfo">What was written.</param>
    /// <param name="writer">Left as it was then; <see langword="null"/> if it is not there any more.</param>
    internal static JsonLossException OfWriting(Exception exception, JsonTypeInfo typeInfo, Utf8JsonWriter? writer)
    {
        var levels = typeInfo.Options.MaxDepth == 0 ? 64 : typeInfo.Options.MaxDepth;
        var reason = exception switch
        {
            JsonLossException loss => loss.Reason,
            JsonException { InnerException: null } when IsFromJson(exception) && (writer is null || writer.CurrentDepth >= levels) =>
                $"It is nested more than {levels} levels deep, as objects are that lead back to themselves (a cycle). "
                + "Put [JsonIgnore] on the member that leads back, or give JsonSerializerOptions with a ReferenceHandler.",
            _ when TextOf(exception) is { } text => text + " Put [JsonIgnore] on the member, or give JSON a converter for its type.",
            _ => TypeOf(exception),
        };
        return Make(exception, typeInfo, isOfWriting: true, reason);
    }

    /// <summary>Of what was thrown while that was read back which had just been written.</summary>
    internal static JsonLossException OfReadingBack(Exception exception, JsonTypeInfo typeInfo) => Make(
        exception,
        typeInfo,
        isOfWriting: false,
        exception is JsonLossException loss ? loss.Reason : "It can be written as JSON, but not be read back. " + (TextOf(exception) ?? TypeOf(exception)));

    /// <summary>Of what was thrown before there was a value to write.</summary>
    internal static string OfType(Exception exception) => TextOf(exception) ?? TypeOf(exception);

    private static JsonLossException Make(Exception exception, JsonTypeInfo typeInfo, bool isOfWriting, string reason)
    {
        var path = exception is JsonException json ? json.Path : PathIn(exception);
        var within = exception as JsonLossException;
        var place = JsonPlace.Of(path, typeInfo, isOfWriting, within?.Place ?? JsonPlace.Root);
        return new(reason, place, within is null ? exception : within.InnerException);
    }

    /// <summary>What JSON itself says of types. What others say may quote the value, and so may what it says of JSON.</summary>
    private static string? TextOf(Exception exception)
    {
        var first = exception;
        while (first.InnerException is { Source: not null } inner) // one without was made by JSON and never thrown
        {
            first = inner;
        }

        return exception is NotSupportedException or InvalidOperationException && IsFromJson(first) ? exception.Message.Split(PathMark)[0] : null;
    }

    private static bool IsFromJson(Exception exception) => exception.Source?.StartsWith("System.Text.Json", StringComparison.Ordinal) == true;

    private static string TypeOf(Exception exception) => $"The serializer has thrown a {exception.GetType()}; see the inner exception.";

    private static string? PathIn(Exception exception) =>
        exception is NotSupportedException && exception.Message.LastIndexOf(PathMark, StringComparison.Ordinal) is >= 0 and var at
            ? exception.Message[(at + PathMark.Length)..].Split(" | ")[0].TrimEnd('.')
            : null;
}
