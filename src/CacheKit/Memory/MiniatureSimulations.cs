namespace CacheKit.Memory;

/// <summary>Finds out which tuning suits the requests, by playing a sample of them through a small cache for each.</summary>
/// <remarks>
/// <para>A sample of keys, not of requests, on a cache scaled down alike, has about the hit ratio of the whole: Waldspurger et al., <i>Cache
/// Modeling and Optimization using Miniature Simulations</i>, ATC 2017. Here one request in 64: of a large cache, those of
/// one key in 64; of a smaller one, those of more keys, so that a miniature has 64 entries, or as many as the cache, but only for a part of the
/// time, in bursts long enough to fill the miniatures anew and then to judge them.</para>
/// <para>The score of a tuning is its hits, of which older ones count less and less. The best is taken at once: waiting for a clear
/// lead loses more than it saves, since a change of tuning costs little.</para>
/// </remarks>
internal sealed class MiniatureSimulations
{
    /// <summary>The share of requests that are played, as a divisor.</summary>
    private const int Budget = 64;

    private const int LeastCapacity = 64;
    private const int LeastBurst = 1000;
    private const int MostCapacity = 8192;

    /// <summary>Smaller caches do without the tunings that age. They judge by few requests, and one more candidate misleads them more often than it helps.</summary>
    private const int LeastForAgeing = 1024;

    private const double ScoreLimit = 1e30;

    /// <summary>So many sampled hits a miss plays at most, so that one insert cannot pay for many requests.</summary>
    private const int HitsPerMiss = 32;

    private readonly Tuning[] _tunings;
    private readonly MiniatureCache[] _caches;
    private readonly double[] _scores;
    private readonly int _keyRate;
    private readonly int _timeRate;
    private readonly int _miniature;
    private readonly int _burst;
    private readonly int _reviewEvery;
    private readonly double _growth;
    private int _best;
    private double _weight = 1;
    private int _unscored;
    private long _events;
    private int _inBurst;
    private int _missesInBurst;
    private long _missesToSkip;

    /// <param name="capacity">How many entries the cache has when it is full.</param>
    /// <param name="tunings">The tunings that compete, not all of them in a small cache; the first is the one to start with.</param>
    /// <param name="current">The one in use.</param>
    internal MiniatureSimulations(int capacity, Tuning[] tunings, Tuning current)
    {
        Capacity = capacity;
        _tunings = [.. tunings.Where(tuning => !tuning.Ages || capacity >= LeastForAgeing)];
        _best = Math.Max(0, Array.IndexOf(_tunings, current));
        _keyRate = 1;
        while ((_keyRate < Budget && capacity / (_keyRate * 2) >= LeastCapacity) || capacity / _keyRate > MostCapacity)
        {
            _keyRate *= 2;
        }

        _timeRate = Math.Max(1, Budget / _keyRate);
        _miniature = Math.Max(2, capacity / _keyRate);
        _burst = Math.Max(LeastBurst, 20 * _miniature);
        var halfLife = Math.Max(50, (_timeRate == 1 ? 20 : 10) * _miniature);
        _reviewEvery = Math.Max(1, halfLife / 16);
        _growth = Math.Pow(2, 1.0 / halfLife);
        SampleMask = (uint)_keyRate - 1;
        _caches = [.. _tunings.Select(tuning => new MiniatureCache(_miniature, tuning))];
        _scores = new double[_caches.Length];
    }

    /// <summary>
    /// The usual tunings, found by leaving out and adding: without the windows of 1, 40 or 99 % the worst cases of loops
    /// and of recency come back, without reuse those of sudden change, without ageing those of a loop after another; more of them gained little.
    /// </summary>
    internal static Tuning[] Tunings { get; } =
    [
        new(0.10, Admission.ByFrequency), new(0.01, Admission.ByFrequency), new(0.40, Admission.ByFrequency),
        new(0.99, Admission.ByFrequency), new(0.15, Admission.ByReuse), new(0.01, Admission.ByFrequency, Ages: true),
    ];

    /// <summary>The capacity of the cache it was made for.</summary>
    internal int Capacity { get; }

    /// <summary>A request is played if its hash has none of these bits. All bits while nothing is recorded.</summary>
    internal uint SampleMask { get; private set; }

    /// <summary>How many hits were played: what tells a policy that readers go past from one that sees them.</summary>
    internal long HitsPlayed { get; private set; }

    private bool IsRecording => SampleMask != uint.MaxValue;

    /// <summary>The best tuning of late; the one in use until there is reason to change it.</summary>
    internal Tuning Best => _tunings[_best];

    /// <summary>Plays the hits sampled since the last miss, some at least, and this miss. Between bursts it only counts misses.</summary>
    internal void Miss(uint hash, SampleBuffer hits)
    {
        // Time between two bursts is measured in misses, because hits are not counted.
        if (!IsRecording && --_missesToSkip <= 0)
        {
            SampleMask = (uint)_keyRate - 1;
            _inBurst = 0;
            _missesInBurst = 0;
            _unscored = _miniature; // the miniatures have missed what happened meanwhile
        }

        for (var count = 0; count < HitsPerMiss && hits.Take() is not 0 and var hit; count++)
        {
            if (IsRecording)
            {
                Play(hit, isHit: true);
            }
        }

        if (IsRecording && (hash & SampleMask) == 0)
        {
            Play(hash, isHit: false);
        }
    }

    private void Play(uint hash, bool isHit)
    {
        var isScored = _unscored == 0;
        if (isScored)
        {
            _weight *= _growth;
        }
        else
        {
            _unscored--;
        }

        for (var index = 0; index < _caches.Length; index++)
        {
            if (_caches[index].Access(hash) && isScored)
            {
                _scores[index] += _weight;
            }
        }

        if (++_events % _reviewEvery == 0)
        {
            Review();
        }

        _missesInBurst += isHit ? 0 : 1;
        HitsPlayed += isHit ? 1 : 0;
        if (_timeRate > 1 && ++_inBurst >= _burst && _missesInBurst > 0)
        {
            _missesToSkip = (long)_missesInBurst * _keyRate * (_timeRate - 1);
            SampleMask = uint.MaxValue;
        }
    }

    private void Review()
    {
        if (_weight > ScoreLimit)
        {
            for (var index = 0; index < _scores.Length; index++)
            {
                _scores[index] /= ScoreLimit;
            }

            _weight /= ScoreLimit;
        }

        if (_events > 2 * _miniature)
        {
            for (var index = 0; index < _scores.Length; index++)
            {
                if (_scores[index] > _scores[_best])
                {
                    _best = index;
                }
            }
        }
    }
}
