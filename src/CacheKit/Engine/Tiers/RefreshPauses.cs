using System.Collections.Concurrent;

namespace CacheKit.Engine.Tiers;

/// <summary>Until when values that memory does not hold are not refreshed again, because that failed a moment ago.</summary>
/// <remarks>What memory holds remembers that itself. Bounded: beyond that, the pauses that are over are forgotten, then all.</remarks>
internal sealed class RefreshPauses(EntryLife life)
{
    private const int Capacity = 4096;

    private readonly ConcurrentDictionary<string, long> _until = new(StringComparer.Ordinal);

    internal void Begin(string key, long until)
    {
        if (_until.Count >= Capacity)
        {
            var now = life.After(TimeSpan.Zero);
            foreach (var pause in _until)
            {
                if (pause.Value <= now)
                {
                    _until.TryRemove(pause);
                }
            }

            if (_until.Count >= Capacity)
            {
                _until.Clear();
            }
        }

        _until[key] = until;
    }

    /// <summary>Until when a value is not to be refreshed; the past if it may be.</summary>
    internal long Until(string key) => _until.TryGetValue(key, out var until) ? until : long.MinValue;

    /// <summary>Whether a value is not to be refreshed yet.</summary>
    internal bool Covers(string key)
    {
        if (_until.IsEmpty || !_until.TryGetValue(key, out var until))
        {
            return false;
        }

        if (until > life.After(TimeSpan.Zero))
        {
            return true;
        }

        _until.TryRemove(new(key, until));
        return false;
    }
}
