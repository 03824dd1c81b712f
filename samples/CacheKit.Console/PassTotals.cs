namespace CacheKit.Samples;

/// <summary>What one pass has seen, summed up by many threads.</summary>
internal sealed class PassTotals
{
    private long _bytes, _lines, _words, _unreadable;

    public long Bytes => _bytes;

    public long Lines => _lines;

    public long Words => _words;

    public long Unreadable => _unreadable;

    public void Add(FileDigest digest)
    {
        Interlocked.Add(ref _bytes, digest.Bytes);
        Interlocked.Add(ref _lines, digest.Lines);
        Interlocked.Add(ref _words, digest.Words);
    }

    public void AddUnreadable() => Interlocked.Increment(ref _unreadable);
}
