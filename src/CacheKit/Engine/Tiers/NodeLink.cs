using System.Collections.Concurrent;
using CacheKit.Diagnostics;
using CacheKit.Engine.Feed;
using CacheKit.Memory;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Engine.Tiers;

/// <summary>
/// What ties a cache to the other nodes on its stores: tells them what it has changed, applies what they tell, and knows how far that can be relied on.
/// </summary>
/// <remarks>
/// <para>Stamps keep what is written late out of the stores; what memory holds already, only a message can end. So when messages may have been
/// lost, everything local becomes suspect, in O(1): at its next use an entry is compared with the authority by its stamp.</para>
/// <para>While messages cannot come at all, because the connection is down or the store has none to offer, that is repeated in intervals of
/// <see cref="CacheStoreOptions.MaximumStalenessWhenDisconnected"/>, which so bounds how long a change elsewhere goes unnoticed.</para>
/// </remarks>
internal sealed class NodeLink : IInvalidationListener, IStoreGuardListener, IAsyncDisposable
{
    /// <summary>Written into a near store to learn a stamp that nothing from before can have.</summary>
    private const string MarkKey = "cachekit:trusted-since";

    private static readonly TimeSpan _shortestDoubt = TimeSpan.FromMilliseconds(100);

    private readonly StoreTier[] _tiers;
    private readonly StoreTier _far;
    private readonly StoreInvalidator _invalidator;
    private readonly TagClock _tags;
    private readonly RemoteChanges _changes;
    private readonly EntryWriter _entries;
    private readonly TimeProvider _time;
    private readonly CacheReporter _reporter;
    private readonly InvalidationFeed? _feed;
    private readonly bool _needsFeed;
    private readonly WeakTimer<NodeLink> _doubts;
    private readonly ConcurrentDictionary<string, FillSignal> _fills = new(StringComparer.Ordinal);
    private long _disconnectedAt;
    private readonly SuspicionLog _log;
    private readonly Faults _faults;
    private long _nearSuspectAt;
    private long _suspicions;
    private volatile bool _isDisconnected;
    private volatile bool _isDisposed;

    internal NodeLink(
        string cacheName, StoreTier[] tiers, StoreInvalidator invalidator, TagClock tags, RemoteChanges changes, EntryWriter entries, CacheReporter reporter, TimeProvider time, ILogger logger,
        Faults faults)
    {
        _tiers = tiers;
        _far = tiers[^1];
        _invalidator = invalidator;
        _tags = tags;
        _changes = changes;
        _entries = entries;
        _reporter = reporter;
        _faults = faults;
        _time = time;
        _log = new(time, _far.Options.MaximumStalenessWhenDisconnected / 32);
        _doubts = new(this, static link => link.Doubt(), time);

        // Processes that share the authority's memory see at once what others change; nobody need tell.
        _needsFeed = _far.Store is not ISharedMemoryFeed;
        _feed = _needsFeed && _far.Store is IInvalidationTransport
            ? new InvalidationFeed(cacheName, _far.Guard, _far.Options, this, time, logger)
            : null;
    }

    /// <summary>How often everything local has become suspect.</summary>
    internal long Suspicions => Volatile.Read(ref _suspicions);

    /// <summary>
    /// Whether an entry of memory that may be outdated is served all the same while the authority cannot be asked: for so long as the options allow, from when it
    /// became suspect, and from when messages ceased to come.
    /// </summary>
    /// <param name="validThrough">The stamp up to which the entry is known to be valid.</param>
    internal bool MayTrust(long validThrough) =>
        IsWithinBound && _log.SuspectFor(validThrough) is { } suspectFor && suspectFor < _far.Options.MaximumStalenessWhenDisconnected;

    /// <summary>The same of an entry of a near store: one that could be trusted before it became suspect.</summary>
    internal bool MayTrust(StoreTier near, long stamp) =>
        IsWithinBound && stamp >= near.TrustMark
        && (near.TrustedSince != long.MaxValue || _time.GetElapsedTime(Volatile.Read(ref _nearSuspectAt)) < _far.Options.MaximumStalenessWhenDisconnected);

    private bool IsWithinBound => !_isDisconnected
        || _time.GetElapsedTime(Volatile.Read(ref _disconnectedAt)) < _far.Options.MaximumStalenessWhenDisconnected;

    /// <summary>Begins to listen. Once.</summary>
    internal void Start()
    {
        foreach (var tier in _tiers)
        {
            tier.Guard.Listener = this;

            // What other processes change at an authority whose memory they share, nobody tells the near stores: that is asked for each time.
            tier.TrustedSince = tier.IsFar ? 0 : long.MaxValue;
        }

        if (_needsFeed)
        {
            // Until somebody says that messages come, they do not.
            OnDisconnected();
            if (_feed is not null)
            {
                _ = _feed.StartAsync();
            }
        }
    }

    /// <summary>Tells the others of a key, if the authority has been told.</summary>
    /// <returns>Whether it is on its way. What is not is sent later, and nobody need wait for that; so of the other members.</returns>
    internal ValueTask<bool> TellKeyAsync(KeyChange change, string key, long stamp)
    {
        if (_feed is null || stamp == 0)
        {
            return default;
        }

        _feed.TellKey(change, key, stamp);
        return _feed.FlushAsync();
    }

    /// <summary>Tells the others of many keys, as above.</summary>
    internal ValueTask<bool> TellKeysAsync(KeyChange change, IReadOnlyList<(string Key, long Stamp)> changes)
    {
        if (_feed is null)
        {
            return default;
        }

        foreach (var (key, stamp) in changes)
        {
            if (stamp != 0)
            {
                _feed.TellKey(change, key, stamp);
            }
        }

        return _feed.FlushAsync();
    }

    /// <summary>Tells the others of tags, as above.</summary>
    internal ValueTask<bool> TellTagsAsync(string[] tags, TagMatch match, InvalidationKind kind, long stamp)
    {
        if (_feed is null || stamp == 0)
        {
            return default;
        }

        _feed.TellTags(tags, match, kind, stamp);
        return _feed.FlushAsync();
    }

    /// <summary>Tells the others that everything is gone, as above.</summary>
    internal ValueTask<bool> TellClearedAsync(long stamp)
    {
        if (_feed is null || stamp == 0)
        {
            return default;
        }

        _feed.TellCleared(stamp);
        return _feed.FlushAsync();
    }

    /// <summary>Wakes those on other nodes who wait for a value.</summary>
    internal void TellFilled(string key) => _feed?.TellFilled(key);

    /// <summary>Waits for another node to say that it has stored a value. The caller disposes it.</summary>
    internal FillSignal WaitForFill(string key) => _fills.AddOrUpdate(
        key, static (key, link) => new FillSignal(link, key), static (_, signal, _) => signal.Join(), this);

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        _doubts.Dispose();
        if (_feed is not null)
        {
            await _feed.DisposeAsync().ConfigureAwait(false);
        }
    }

    // ---- what others tell ----
    void IInvalidationListener.OnKeyChanged(string key, KeyChange change, long stamp)
    {
        var kind = change == KeyChange.Expired ? InvalidationKind.Expire : InvalidationKind.Remove;
        Apply(key, kind, stamp);
        if (_tiers.Length > 1)
        {
            _ = ApplyToNearAsync(key, kind, stamp);
        }
    }

    void IInvalidationListener.OnTagsInvalidated(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, long stamp)
    {
        string[] changed = [.. tags];
        _changes.ApplyTags(changed, match, kind);
        if (_tiers.Length > 1)
        {
            _ = ApplyToNearAsync(changed, match, kind);
        }
    }

    void IInvalidationListener.OnCleared(long stamp)
    {
        _changes.ApplyClear();
        if (_tiers.Length > 1)
        {
            _ = ClearNearAsync();
        }
    }

    void IInvalidationListener.OnKeyFilled(string key)
    {
        if (_fills.TryGetValue(key, out var signal))
        {
            signal.Raise();
        }
    }

    void IInvalidationListener.OnSuspect() => Suspect();

    void IInvalidationListener.OnDisconnected()
    {
        OnDisconnected();
        _far.Guard.LookWhetherLost(); // as below
    }

    void IInvalidationListener.OnReconnected()
    {
        _isDisconnected = false;
        _far.Guard.TryAgain(); // messages come from where the store is
    }

    // ---- what becomes of the stores ----
    void IStoreGuardListener.OnOpened(StoreGuard guard)
    {
        // So that somebody finds out when it answers again, even if nobody asks for anything meanwhile.
        guard.RequestProbe();
    }

    void IStoreGuardListener.OnReachable(StoreGuard guard)
    {
        if (TierOf(guard) is { } tier)
        {
            _ = RecoverAsync(tier);
        }
    }

    /// <summary>Sends what a store could not be told, and lets the other nodes know that there was something.</summary>
    private async Task RecoverAsync(StoreTier tier)
    {
        var before = tier.Recovery.Deliveries;
        await tier.Recovery.DrainAsync().ConfigureAwait(false);
        if (tier.Recovery.Deliveries != before)
        {
            TellDelivered(tier);
        }

        if (tier.IsFar)
        {
            _feed?.Resume();
        }
    }

    /// <summary>Tells the other nodes what the authority was told late.</summary>
    internal void TellDelivered(StoreTier tier)
    {
        if (!tier.IsFar || _feed is null)
        {
            return;
        }

        if (tier.Recovery.TakeDelivered() is { } delivered)
        {
            foreach (var notice in delivered)
            {
                _feed.Tell(notice);
            }
        }
        else
        {
            _feed.TellEverythingSuspect();
        }
    }

    private StoreTier? TierOf(StoreGuard guard) => Array.Find(_tiers, tier => ReferenceEquals(tier.Guard, guard));

    private void Apply(string key, InvalidationKind kind, long stamp)
    {
        var ended = new EndedEntries();
        _changes.ApplyKey(key, kind, stamp, ref ended);
        _entries.Announce(in ended);
    }

    private async Task ApplyToNearAsync(string key, InvalidationKind kind, long stamp)
    {
        await _invalidator.InvalidateNearAsync(key, kind).ConfigureAwait(false);
        Apply(key, kind, stamp); // what was read from there in between goes too
    }

    private async Task ApplyToNearAsync(string[] tags, TagMatch match, InvalidationKind kind)
    {
        await _invalidator.InvalidateTagsAsync(tags, match, kind, nearOnly: true).ConfigureAwait(false);
        _changes.ApplyTags(tags, match, kind);
    }

    private async Task ClearNearAsync()
    {
        await _invalidator.ClearAsync(nearOnly: true).ConfigureAwait(false);
        _changes.ApplyClear();
    }

    private void OnDisconnected()
    {
        Volatile.Write(ref _disconnectedAt, _time.GetTimestamp());
        _isDisconnected = true;
        ScheduleDoubt();
    }

    private void ScheduleDoubt()
    {
        var interval = _far.Options.MaximumStalenessWhenDisconnected;
        _doubts.Start(interval > _shortestDoubt ? interval : _shortestDoubt);
    }

    /// <summary>So long have no messages come that what memory holds must be compared again.</summary>
    private void Doubt()
    {
        if (_isDisconnected && !_isDisposed)
        {
            Suspect();
            _reporter.EntriesSuspected(_far.Name);
            ScheduleDoubt();
        }
    }

    private void Suspect()
    {
        if (_faults.HasFlag(Faults.TrustAfterLoss))
        {
            return;
        }

        var suspicion = Interlocked.Increment(ref _suspicions);
        foreach (var tier in _tiers)
        {
            if (!tier.IsFar)
            {
                if (tier.TrustedSince != long.MaxValue)
                {
                    Volatile.Write(ref _nearSuspectAt, _time.GetTimestamp());
                }

                tier.TrustedSince = long.MaxValue;
            }
        }

        _log.Note(_tags.Suspect());
        if (_tiers.Length > 1 && _feed is not null)
        {
            _ = TrustFromNowOnAsync(suspicion);
        }
    }

    /// <summary>Learns from which stamp on the near stores' entries are newer than what may have been missed.</summary>
    private async Task TrustFromNowOnAsync(long suspicion)
    {
        for (var i = 0; i < _tiers.Length - 1; i++)
        {
            var mark = await _tiers[i].InvalidateAsync(MarkKey, InvalidationKind.Remove).ConfigureAwait(false);
            if (mark is { } known && Volatile.Read(ref _suspicions) == suspicion)
            {
                _tiers[i].TrustMark = known.Stamp;
                _tiers[i].TrustedSince = known.Stamp;
            }
        }
    }

    /// <summary>Raised when another node says that it has stored the value of a key.</summary>
    internal sealed class FillSignal(NodeLink link, string key) : IDisposable
    {
        private readonly Lock _lock = new();
        private TaskCompletionSource _raised = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _users = 1;

        internal FillSignal Join()
        {
            Interlocked.Increment(ref _users);
            return this;
        }

        internal void Raise()
        {
            lock (_lock)
            {
                _raised.TrySetResult();
                _raised = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        /// <summary>Waits until it is raised, for so long at most.</summary>
        internal async Task WaitAsync(TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
        {
            Task raised;
            lock (_lock)
            {
                raised = _raised.Task;
            }

            Task limited = raised.WaitAsync(patience, time, cancellationToken);
            await limited.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        public void Dispose()
        {
            // Somebody who joins at this moment waits for his pauses instead of the signal.
            if (Interlocked.Decrement(ref _users) == 0)
            {
                link._fills.TryRemove(new(key, this));
            }
        }
    }
}
