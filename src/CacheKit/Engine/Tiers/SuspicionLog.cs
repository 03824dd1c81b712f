namespace CacheKit.Engine.Tiers;

/// <summary>Since when entries are suspect: how long what may be outdated is served, if nobody can be asked, is counted from there.</summary>
/// <remarks>
/// A suspicion concerns what was valid before its stamp; the first one that concerns an entry counts. Those that follow each other closely are kept as
/// one, with the time of the first and the stamp of the last, and of more than there is room for the two oldest: either way an entry is taken to be suspect for longer
/// than it is, never for less.
/// </remarks>
internal sealed class SuspicionLog(TimeProvider time, TimeSpan closeness)
{
    private const int Capacity = 64;

    private readonly Lock _lock = new();
    private readonly List<(long Stamp, long Time)> _suspicions = [];

    internal void Note(long stamp)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            if (_suspicions.Count > 0 && time.GetElapsedTime(_suspicions[^1].Time, now) < closeness)
            {
                _suspicions[^1] = (stamp, _suspicions[^1].Time);
                return;
            }

            if (_suspicions.Count == Capacity)
            {
                _suspicions[1] = (_suspicions[1].Stamp, _suspicions[0].Time);
                _suspicions.RemoveAt(0);
            }

            _suspicions.Add((stamp, now));
        }
    }

    /// <summary>For how long an entry has been suspect.</summary>
    /// <param name="validThrough">The stamp up to which it is known to be valid.</param>
    /// <returns>Nothing if no suspicion of it has been noted.</returns>
    internal TimeSpan? SuspectFor(long validThrough)
    {
        lock (_lock)
        {
            foreach (var (stamp, since) in _suspicions)
            {
                if (stamp > validThrough)
                {
                    return time.GetElapsedTime(since);
                }
            }

            return null;
        }
    }
}
