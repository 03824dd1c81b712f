using System.Diagnostics;

namespace CacheKit.Samples;

/// <summary>How far a pass has come, in one line that is written over; nothing where output is not a terminal, or the work is short.</summary>
internal sealed class Progress(string title, int total) : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromMilliseconds(300);
    private readonly bool _isShown = !Console.IsOutputRedirected;
    private readonly Lock _lock = new();
    private long _shownAt = Stopwatch.GetTimestamp();
    private int _done;
    private int _width;

    public void Advance()
    {
        var done = Interlocked.Increment(ref _done);
        if (!_isShown || Stopwatch.GetElapsedTime(Volatile.Read(ref _shownAt)) < _patience)
        {
            return;
        }

        lock (_lock)
        {
            _shownAt = Stopwatch.GetTimestamp();
            var line = $"{title}: {done:N0} of {total:N0}";
            _width = Math.Max(_width, line.Length);
            Console.Write($"\r{line.PadRight(_width)}");
        }
    }

    public void Dispose()
    {
        if (_width > 0)
        {
            Console.Write($"\r{new string(' ', _width)}\r");
        }
    }
}
