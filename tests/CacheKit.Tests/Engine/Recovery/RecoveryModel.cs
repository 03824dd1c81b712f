using CacheKit.Engine;
using CacheKit.Engine.Recovery;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Engine.Recovery;

/// <summary>
/// A node that cannot reach a store others go on using, step by step at random: it misses removals and writes, reads slowly, and delivers
/// what it has missed, some of which fails. Whatever was outdated when a read began must be covered when it ends.
/// </summary>
internal sealed class RecoveryModel : IAsyncDisposable
{
    private static readonly string[] _keys = ["k", "l", "m"];
    private static readonly string[] _tags = ["s", "t", "u"];

    private readonly Random _random;
    private readonly int _seed;
    private readonly ManualTimeProvider _clock = new();
    private readonly InMemoryStore _store;
    private readonly GatedStore _gated;
    private readonly RecoveryQueue _queue;
    private readonly StoreGuard _guard;
    private readonly List<(string Key, string[] Tags)> _values = []; // by number
    private readonly HashSet<int> _outdated = [];
    private readonly List<(int Value, bool IsOutdated, long Deliveries)> _reads = [];
    private Task<bool> _drain = Task.FromResult(true);
    private Task<TaskCompletionSource<CallEnd>>? _nextCall;
    private TaskCompletionSource<CallEnd>? _call;
    private int _coverings;

    internal RecoveryModel(int seed)
    {
        _seed = seed;
        _random = new(seed);
        _store = new(_clock);
        _gated = new(_store);
        _guard = new("test", _gated, new() { FailuresToOpen = int.MaxValue, FailureShareToOpen = 1 }, _clock, NullLogger.Instance);
        _queue = new(_guard, capacity: 5);
    }

    /// <returns>How often something outdated was found covered.</returns>
    internal async Task<int> RunAsync(int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            await StepAsync();
            foreach (var key in _keys)
            {
                await BeginReadAsync(key);
                EndRead(_reads.Count - 1);
            }
        }

        while (_call is not null)
        {
            await EndCallAsync(CallEnd.Done);
        }

        await _drain;
        _gated.Always = CallEnd.Done;
        if (!await _queue.DrainAsync())
        {
            _clock.Advance(TimeSpan.FromMinutes(1)); // the circuit was open
            await _queue.DrainAsync();
        }

        _queue.IsEmpty.Should().BeTrue("of seed {0}", _seed);
        foreach (var key in _keys)
        {
            await BeginReadAsync(key);
            EndRead(_reads.Count - 1);
        }

        while (_reads.Count > 0)
        {
            EndRead(0);
        }

        return _coverings;
    }

    public ValueTask DisposeAsync() => _guard.DisposeAsync();

    private async Task StepAsync()
    {
        var key = Any(_keys);
        switch (_random.Next(14))
        {
            case 0 or 1 or 2: // another node sets
                var put = Create(key);
                await _store.WriteAsync(key, Entry(put), StoreCondition.Always, default);
                break;
            case 3: // this node could not set
                using (var lookup = await _store.ReadAsync(key, default, default))
                {
                    var value = Create(key);
                    _queue.AddWrite(key, Entry(value), lookup.LoadStamp);
                }

                break;
            case 4 or 5:
                Outdate(value => value.Key == key);
                _queue.AddInvalidation(key, AnyKind());
                break;
            case 6:
                var any = AnyTags();
                Outdate(value => value.Tags.Intersect(any).Any());
                _queue.AddTags(any, TagMatch.Any, AnyKind());
                break;
            case 7:
                var all = AnyTags();
                Outdate(value => all.All(value.Tags.Contains));
                _queue.AddTags(all, TagMatch.All, AnyKind());
                break;
            case 8 when _random.Next(4) == 0:
                Outdate(_ => true);
                _queue.AddClear();
                break;
            case 9:
                await BeginReadAsync(key);
                break;
            case 10 when _reads.Count > 0:
                EndRead(_random.Next(_reads.Count));
                break;
            default:
                if (_call is not null)
                {
                    await EndCallAsync((CallEnd)_random.Next(_random.Next(2) == 0 ? 1 : 4));
                }
                else
                {
                    await _drain;
                    _drain = _queue.DrainAsync();
                    await AwaitCallAsync();
                }

                break;
        }
    }

    private async Task EndCallAsync(CallEnd end)
    {
        _call!.SetResult(end); // only called while there is one
        await AwaitCallAsync();
    }

    /// <summary>Waits until the drain has come to its next call, or to its end.</summary>
    private async Task AwaitCallAsync()
    {
        _nextCall ??= _gated.NextCallAsync();
        await Task.WhenAny(_nextCall, _drain);
        _call = _nextCall.IsCompleted ? await _nextCall : null;
        _nextCall = _call is null ? _nextCall : null;
    }

    private int Create(string key)
    {
        Outdate(value => value.Key == key);
        _values.Add((key, AnyTags()));
        return _values.Count - 1;
    }

    private void Outdate(Func<(string Key, string[] Tags), bool> isMeant)
    {
        for (var value = 0; value < _values.Count; value++)
        {
            if (isMeant(_values[value]))
            {
                _outdated.Add(value);
            }
        }
    }

    private async Task BeginReadAsync(string key)
    {
        var deliveries = _queue.Deliveries;
        using var lookup = await _store.ReadAsync(key, default, default);
        var value = lookup.IsFound && lookup.ExpiresAt > _clock.GetUtcNow() ? BitConverter.ToInt32(lookup.Payload.Span) : -1;
        _reads.Add((value, _outdated.Contains(value), deliveries));
    }

    private void EndRead(int index)
    {
        var (value, isOutdated, deliveries) = _reads[index];
        _reads.RemoveAt(index);
        if (value >= 0 && isOutdated)
        {
            _queue.Covers(_values[value].Key, _values[value].Tags, deliveries).Should().BeTrue("of seed {0}: value {1} was outdated", _seed, value);
            _coverings++;
        }
    }

    private StoreEntry Entry(int value) => new()
    {
        Payload = BitConverter.GetBytes(value),
        ExpiresAt = DateTimeOffset.MaxValue,
        RetainUntil = DateTimeOffset.MaxValue,
        Tags = _values[value].Tags,
    };

    private string[] AnyTags() => [.. _tags.Where(_ => _random.Next(2) == 0).DefaultIfEmpty("s")];

    private InvalidationKind AnyKind() => (InvalidationKind)_random.Next(2);

    private T Any<T>(T[] some) => some[_random.Next(some.Length)];
}
