using System.Text;

namespace CacheKit.Samples.WebApi;

/// <summary>What is worth knowing of a text that was sent.</summary>
/// <param name="Sha256">Of its bytes; also the key it is cached under.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="Lines">How many lines it has, with one that does not end.</param>
/// <param name="Words">How many words there are.</param>
/// <param name="Frequent">The most frequent words, at most five, in lower case.</param>
/// <param name="CreatedAt">When it was made: an answer from the cache shows an earlier time.</param>
internal sealed record TextReport(
    string Sha256, int Bytes, int Lines, int Words, IReadOnlyList<WordCount> Frequent, DateTimeOffset CreatedAt)
{
    public static TextReport Create(string sha256, ReadOnlySpan<byte> body, CancellationToken cancellationToken)
    {
        var text = Encoding.UTF8.GetString(body); // what is no UTF-8 is replaced, not refused
        var counts = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        var lines = 0;
        var words = 0;
        foreach (var line in text.AsSpan().TrimEnd('\n').EnumerateLines())
        {
            cancellationToken.ThrowIfCancellationRequested();
            lines++;
            foreach (var word in line.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                words++;
                counts[word] = counts.GetValueOrDefault(word) + 1;
            }
        }

        var frequent = counts
            .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.OrdinalIgnoreCase)
            .Take(5).Select(pair => new WordCount(pair.Key.ToLowerInvariant(), pair.Value));
        return new(sha256, body.Length, lines, words, [.. frequent], DateTimeOffset.UtcNow);
    }
}

/// <summary>A word, and how often it was found.</summary>
internal sealed record WordCount(string Word, int Count);
