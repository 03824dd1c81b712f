namespace CacheKit.Diagnostics;

/// <summary>Why something has failed, in a line that can stand in a sentence: clients put pages into their messages.</summary>
internal static class ReasonText
{
    private const int Longest = 300;

    internal static string Of(Exception exception)
    {
        var text = exception.Message.AsSpan().Trim();
        if (text.IndexOfAny('\r', '\n') is >= 0 and var end)
        {
            text = text[..end].TrimEnd();
        }

        return text.Length <= Longest ? text.ToString() : $"{text[..Longest].TrimEnd()}…";
    }
}
