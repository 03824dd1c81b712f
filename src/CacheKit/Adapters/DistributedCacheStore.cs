using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using CacheKit.Diagnostics;
using CacheKit.Stores;
using Microsoft.Extensions.Caching.Distributed;

namespace CacheKit.Adapters;

/// <summary>A distributed cache as a store.</summary>
/// <remarks>
/// <para>Within a process the promises of a store hold: <see cref="DistributedCacheState"/> knows what was invalidated, and changes of one key take
/// turns. Between processes a distributed cache has no way to compare before it sets. So there two writes, or a write and a removal, of one key at the same
/// moment may pass each other, and clocks that differ may let a value begun just before another process's removal be stored; a removal of what is there
/// is seen by all.</para>
/// <para>Tags, and everything, have each a mark that says when they were last invalidated. An entry is live only if all of its marks are there and
/// none is later: a distributed cache that drops a mark to make room loses entries by it, and revives none.</para>
/// </remarks>
internal sealed class DistributedCacheStore : ICacheStore
{
    /// <summary>How long the mark of a removed key is kept for other processes.</summary>
    private static readonly TimeSpan _tombstoneLife = TimeSpan.FromMinutes(1);

    /// <summary>Entries are dropped by the distributed cache a little later than needed: its clock may differ, and this store looks itself.</summary>
    private static readonly TimeSpan _slack = TimeSpan.FromSeconds(2);

    /// <summary>Said where there is no limit: a distributed cache may have a short default.</summary>
    private static readonly TimeSpan _longestLife = TimeSpan.FromDays(3650);

    // Databases behind this interface have limits.
    private const int LongestName = 300;

    private readonly IDistributedCache _cache;
    private readonly string _prefix;
    private readonly TimeProvider _time;
    private readonly DistributedCacheState _state;
    private readonly string _clearName;
    private volatile bool _isDisposed;

    internal DistributedCacheStore(IDistributedCache cache, string prefix, TimeProvider time)
    {
        _cache = cache;
        _prefix = prefix;
        _time = time;
        _state = DistributedCacheState.Of(cache, prefix, time);
        _clearName = prefix + "c";
    }

    public string Name => "distributed";

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        Enter(cancellationToken);
        return GuardAsync(ReadCoreAsync(key, options, cancellationToken), cancellationToken);
    }

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        Enter(cancellationToken);

        // Copied: the write may go on after its caller has given it up.
        var record = new DistributedRecord(
            DistributedRecordKind.Entry, 0, 0, entry.ExpiresAt, entry.RetainUntil, [.. entry.Tags ?? []], entry.Payload.ToArray());
        return InTurnAsync(key, () => WriteCoreAsync(key, record, condition), cancellationToken);
    }

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken)
    {
        Enter(cancellationToken);
        return InTurnAsync(key, () => InvalidateCoreAsync(key), cancellationToken);
    }

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tags);
        Enter(cancellationToken);

        // What carries all of them carries the first.
        var meant = match == TagMatch.All ? [tags[0]] : tags.ToArray();
        var stamp = _state.InvalidateTags(meant);
        return GuardAsync(SendAsync(), cancellationToken);

        async Task<long> SendAsync()
        {
            await Task.WhenAll(meant.Select(SendMarkOfAsync)).ConfigureAwait(false);
            return stamp;
        }

        async Task SendMarkOfAsync(string tag) =>
            _state.NoteSent(tag, await SendMarkAsync(TagName(tag), tag, () => _state.InvalidationOf(tag), stamp).ConfigureAwait(false));
    }

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken)
    {
        Enter(cancellationToken);
        var stamp = _state.Clear();
        return GuardAsync(SendAsync(), cancellationToken);

        async Task<long> SendAsync()
        {
            await SendMarkAsync(_clearName, _clearName, () => _state.Cleared, stamp).ConfigureAwait(false);
            return stamp;
        }
    }

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        Enter(cancellationToken);
        return InTurnAsync(key, SetCoreAsync, cancellationToken);

        async Task<bool> SetCoreAsync()
        {
            if (await FindAsync(key, _state.Current(), default).ConfigureAwait(false) is not { } found || found.Stamp != stamp)
            {
                return false;
            }

            await PutAsync(key, found with { ExpiresAt = expiresAt, RetainUntil = retainUntil }).ConfigureAwait(false);
            return true;
        }
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        return default;
    }

    private async Task<StoreLookup> ReadCoreAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        var loadStamp = _state.Current(); // before anything is looked at
        if (await FindAsync(key, loadStamp, cancellationToken).ConfigureAwait(false) is not { } found)
        {
            return StoreLookup.Missing(loadStamp);
        }

        return options.KnownStamp == found.Stamp
            ? StoreLookup.NotModified(loadStamp, found.Stamp, found.ExpiresAt, found.RetainUntil)
            : StoreLookup.Found(loadStamp, found.Stamp, options.WithoutPayload ? default : found.Payload, found.ExpiresAt, found.RetainUntil);
    }

    private async Task<StoreWriteResult> WriteCoreAsync(string key, DistributedRecord record, StoreCondition condition)
    {
        switch (condition.Kind)
        {
            case StoreConditionKind.IfCurrent:
                var before = await GetAsync(EntryName(key), key, default).ConfigureAwait(false);
                var isSame = before?.Stamp == condition.Stamp;
                if (!_state.IsCurrent(key, record.Tags, condition.Stamp) || before?.Stamp > condition.Stamp
                    || (isSame && await IsLiveAsync(key, before!, null, default).ConfigureAwait(false))) // the same as one that is there
                {
                    return new(StoreWriteOutcome.Overtaken, _state.Current());
                }

                // Beside a dead one of the same stamp it gets another: who knows the dead one must not take this one for it.
                record = record with { Stamp = isSame ? _state.Change(key) : condition.Stamp, CoveredFrom = condition.Stamp };
                _state.Change(key, record.Stamp);
                break;
            case StoreConditionKind.IfAbsent:
                if (await FindAsync(key, _state.Current(), default).ConfigureAwait(false) is { } there && _time.GetUtcNow() < there.ExpiresAt)
                {
                    return new(StoreWriteOutcome.Overtaken, there.Stamp);
                }

                goto default;
            case StoreConditionKind.IfUnchanged:
                if (await FindAsync(key, _state.Current(), default).ConfigureAwait(false) is not { } known || known.Stamp != condition.Stamp)
                {
                    return new(StoreWriteOutcome.Overtaken, _state.Current());
                }

                record = record with { Stamp = _state.Change(key), CoveredFrom = condition.Stamp };
                break;
            default:
                var stamp = _state.Change(key);
                record = record with { Stamp = stamp, CoveredFrom = stamp };
                break;
        }

        try
        {
            // The marks first: without them the entry would be dead.
            await EnsureMarkAsync(_clearName, _clearName, record.CoveredFrom).ConfigureAwait(false);
            foreach (var tag in record.Tags)
            {
                await EnsureMarkAsync(TagName(tag), tag, record.CoveredFrom).ConfigureAwait(false);
            }

            await PutAsync(key, record).ConfigureAwait(false);
        }
        catch
        {
            await LeaveNothingOlderAsync(key, record.Stamp).ConfigureAwait(false);
            throw;
        }

        // Not sooner: until then what it replaces may be served.
        _state.Bury(key, record.Stamp - 1, isLeftBehind: false);
        return new(StoreWriteOutcome.Stored, record.Stamp);
    }

    private async Task<StoreInvalidation> InvalidateCoreAsync(string key)
    {
        var wasFresh = await IsFreshAsync(key).ConfigureAwait(false);
        var stamp = _state.Change(key);
        try
        {
            await SetAsync(EntryName(key), DistributedRecord.Mark(DistributedRecordKind.Tombstone, stamp).ToBytes(key), _tombstoneLife).ConfigureAwait(false);
        }
        catch
        {
            await LeaveNothingOlderAsync(key, stamp).ConfigureAwait(false);
            throw;
        }

        _state.Bury(key, stamp - 1, isLeftBehind: false);
        return new(stamp, wasFresh);
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Not knowing what is there must not keep it from being removed.")]
    private async Task<bool> IsFreshAsync(string key)
    {
        try
        {
            return await FindAsync(key, _state.Current(), default).ConfigureAwait(false) is { } found && _time.GetUtcNow() < found.ExpiresAt;
        }
        catch (Exception)
        {
            return false;
        }
    }

    /// <summary>After a change that may not have got through.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "The failure that led here is told; what is left behind is known to be dead.")]
    private async Task LeaveNothingOlderAsync(string key, long stamp)
    {
        _state.Bury(key, stamp - 1, isLeftBehind: true);
        try
        {
            await _cache.RemoveAsync(EntryName(key), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is buried.
        }
    }

    /// <summary>The live entry under a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="loadStamp">The stamp before anything was looked at.</param>
    /// <param name="cancellationToken">Gives the reads up.</param>
    private async Task<DistributedRecord?> FindAsync(string key, long loadStamp, CancellationToken cancellationToken)
    {
        var reading = GetAsync(EntryName(key), key, cancellationToken);
        var clear = GetAsync(_clearName, _clearName, cancellationToken);
        await Task.WhenAll(reading, clear).ConfigureAwait(false);
        if (await clear.ConfigureAwait(false) is null)
        {
            // Now, not when the value is stored that is made after this: it would seem to be from before.
            _state.NoteEnsured(_clearName, isThere: false);
            await EnsureMarkAsync(_clearName, _clearName, loadStamp).ConfigureAwait(false);
            return null;
        }

        var record = await reading.ConfigureAwait(false);
        while (record is not null && !await IsLiveAsync(key, record, clear, cancellationToken).ConfigureAwait(false))
        {
            // If it was replaced since it was read, there is another: a key that always has a value is never missing.
            var again = _state.IsBuried(key, record.Stamp) ? await GetAsync(EntryName(key), key, cancellationToken).ConfigureAwait(false) : null;
            record = again?.Stamp == record.Stamp ? null : again;
        }

        return record;
    }

    private async Task<bool> IsLiveAsync(string key, DistributedRecord record, Task<DistributedRecord?>? clear, CancellationToken cancellationToken)
    {
        if (record.Kind != DistributedRecordKind.Entry || !_state.IsLive(key, record))
        {
            return false;
        }

        if (_time.GetUtcNow() >= record.RetainUntil)
        {
            // Also if the clock is set back.
            _state.Bury(key, record.Stamp, isLeftBehind: false);
            return false;
        }

        var marks = new List<(string Name, Task<DistributedRecord?> Reading)>(record.Tags.Length + 1)
        {
            (_clearName, clear ?? GetAsync(_clearName, _clearName, cancellationToken)),
        };
        foreach (var tag in record.Tags)
        {
            marks.Add((TagName(tag), GetAsync(TagName(tag), tag, cancellationToken)));
        }

        await Task.WhenAll(marks.Select(static mark => mark.Reading)).ConfigureAwait(false);
        var isLive = true;
        foreach (var (name, reading) in marks)
        {
            if (await reading.ConfigureAwait(false) is not { } mark)
            {
                _state.NoteEnsured(name, isThere: false);
                isLive = false;
            }
            else if (mark.Stamp > record.CoveredFrom)
            {
                isLive = false;
            }
        }

        return isLive;
    }

    private async Task PutAsync(string key, DistributedRecord record)
    {
        var left = record.RetainUntil - _time.GetUtcNow();
        if (left <= TimeSpan.Zero)
        {
            // Its time is over: nothing is left, and what was there is not either.
            _state.Bury(key, record.Stamp, isLeftBehind: false);
            await _cache.RemoveAsync(EntryName(key), CancellationToken.None).ConfigureAwait(false);
            return;
        }

        await SetAsync(EntryName(key), record.ToBytes(key), left < _longestLife ? left + _slack : _longestLife).ConfigureAwait(false);
    }

    /// <summary>Sees to it that the mark of a tag, or of everything, is there.</summary>
    private async Task EnsureMarkAsync(string name, string what, long stamp)
    {
        if (_state.IsEnsured(name))
        {
            return;
        }

        var turn = _state.TurnOf(name, isMark: true);
        await turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (await GetAsync(name, what, default).ConfigureAwait(false) is null)
            {
                // What was stored before this one has lost its mark, and is dead.
                await SetAsync(name, DistributedRecord.Mark(DistributedRecordKind.Invalidation, stamp).ToBytes(what), _longestLife).ConfigureAwait(false);
            }

            _state.NoteEnsured(name, isThere: true);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <returns>The stamp that the mark has now.</returns>
    private async Task<long> SendMarkAsync(string name, string what, Func<long> latest, long stamp)
    {
        var turn = _state.TurnOf(name, isMark: true);
        await turn.WaitAsync().ConfigureAwait(false);
        try
        {
            // The latest of this process, which another call may have drawn and sent before; and of others, whose clock may be ahead.
            var there = await GetAsync(name, what, default).ConfigureAwait(false);
            var newest = Math.Max(Math.Max(latest(), stamp), there?.Stamp ?? 0);
            await SetAsync(name, DistributedRecord.Mark(DistributedRecordKind.Invalidation, newest).ToBytes(what), _longestLife).ConfigureAwait(false);
            _state.NoteEnsured(name, isThere: true);
            return newest;
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task<DistributedRecord?> GetAsync(string name, string key, CancellationToken cancellationToken)
    {
        var record = DistributedRecord.Parse(await _cache.GetAsync(name, cancellationToken).ConfigureAwait(false), key);
        if (record is not null)
        {
            _state.Observe(record.Stamp);
        }

        return record;
    }

    private Task SetAsync(string name, byte[] bytes, TimeSpan life) =>
        _cache.SetAsync(name, bytes, new() { AbsoluteExpirationRelativeToNow = life }, CancellationToken.None);

    /// <summary>Runs a change of a key when those before it have ended, also those that were given up. Once begun it goes on when given up.</summary>
    private ValueTask<T> InTurnAsync<T>(string key, Func<Task<T>> change, CancellationToken cancellationToken)
    {
        return GuardAsync(RunAsync(), cancellationToken);

        async Task<T> RunAsync()
        {
            var turn = _state.TurnOf(key, isMark: false);
            await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return await change().ConfigureAwait(false);
            }
            finally
            {
                turn.Release();
            }
        }
    }

    /// <summary>Waits for a call, which goes on if it is given up, and says of any failure that it is the store's.</summary>
    private static async ValueTask<T> GuardAsync<T>(Task<T> call, CancellationToken cancellationToken)
    {
        // If it is given up, a failure of it is nobody's business.
        _ = call.ContinueWith(
            static ended => _ = ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        try
        {
            return await call.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not CacheStoreException && !(exception is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            throw new CacheStoreException($"The distributed cache has failed: {ReasonText.Of(exception)}", StoreFailure.Unavailable, exception);
        }
    }

    private string EntryName(string key) => NameOf("e:", key);

    private string TagName(string tag) => NameOf("t:", tag);

    private string NameOf(string kind, string text) =>
        text.Length <= LongestName
            ? $"{_prefix}{kind}{text}"
            : $"{_prefix}h{kind}{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private void Enter(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(ICacheStore));
        cancellationToken.ThrowIfCancellationRequested();
    }
}
