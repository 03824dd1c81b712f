using System.Runtime.CompilerServices;
using System.Text;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>A store in a directory: survives the process, and is shared by all processes that name it.</summary>
/// <remarks>
/// Small entries are read and written on the caller's thread, which is faster than handing them over: mostly they come from the
/// memory of the operating system. Larger ones are handed to the thread pool.
/// </remarks>
internal sealed class DiskStore : IEnumerableStore, IStreamStore, ISharedMemoryFeed, IBoundedStore, IStoreHealth
{
    private const int MostBytesInline = 64 << 10;

    private static readonly TimeSpan _timeBetweenLooks = TimeSpan.FromSeconds(2);

    private readonly DiskSettings _settings;
    private readonly DiskDirectory _directory;
    private readonly DiskIndex _index;
    private readonly Ring _ring;
    private readonly OperationGate _gate = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lookedAt;
    private int _isReclaiming, _isLooking;
    private int _isDisposed;
    private bool _isGone;

    private delegate T Step<TState, out T>(Ring ring, in TState state);

    internal DiskStore(DiskSettings settings)
    {
        _settings = settings;
        _directory = DiskDirectory.Open(settings);
        _index = _directory.Index;
        _ring = new(_index, _directory.Files, settings);
        _ring.ReclaimWith(StartReclaiming);
        _lookedAt = settings.TimeProvider.GetTimestamp();
        settings.Schedule(() => InGateIfOpen(_index.Fetch));
        if (settings.Geometry is not null)
        {
            LookIfDue();
        }
    }

    public string Name => "disk";

    public long MaximumEntryBytes => _ring.Writes.LargestValue;

    public long MissingBytes
    {
        get
        {
            long missing = 0;
            InGateIfOpen(() =>
            {
                LookIfDue();
                missing = _ring.Room.MissingBytes;
            });
            return missing;
        }
    }

    public string? Trouble => Volatile.Read(ref _isGone) ? GoneText : null;

    public unsafe long* Head => _index.FeedHeadAddress;

    internal bool IsShared => _directory.IsShared;

    internal string Folder => _directory.Folder;

    // This one is called so often that it does without what the others share.
    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreLookup>(cancellationToken);
        }

        if (!_gate.TryEnter(out var stripe))
        {
            return ValueTask.FromException<StoreLookup>(IsClosed());
        }

        try
        {
            _ring.Reads.Read(key, options, MostBytesInline, out var lookup, out var isTooLarge);
            if (!isTooLarge)
            {
                return new(lookup);
            }
        }
        catch (Exception exception) when (IsOfDisk(exception))
        {
            return ValueTask.FromException<StoreLookup>(Translate("read", exception));
        }
        finally
        {
            Leave(stripe);
        }

        return ReadLargeAsync(key, options, cancellationToken);
    }

    // So is this one.
    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreWriteResult>(cancellationToken);
        }

        if (entry.Payload.Length > MostBytesInline)
        {
            return WriteLargeAsync(key, entry, condition, cancellationToken);
        }

        if (!_gate.TryEnter(out var stripe))
        {
            return ValueTask.FromException<StoreWriteResult>(IsClosed());
        }

        try
        {
            return new(_ring.Writes.Write(key, entry, condition, cancellationToken));
        }
        catch (Exception exception) when (IsOfDisk(exception))
        {
            return ValueTask.FromException<StoreWriteResult>(Translate("write", exception));
        }
        finally
        {
            Leave(stripe);
        }
    }

    public ValueTask<IStoreWriteStream> BeginWriteAsync(string key, CancellationToken cancellationToken) => InsideGateAsync(
        "write", (store: this, key), static (ring, in of) => ring.Writes.BeginStream(of.key) is var begun
            ? (IStoreWriteStream)new DiskWriteStream(of.store, ring.Writes, of.key, begun.Place, begun.Stamp) : null!, cancellationToken);

    public async ValueTask<IStoreReadStream?> OpenReadAsync(string key, CancellationToken cancellationToken) =>
        await Task.Run(() => InsideGate("read", () => _ring.Reads.OpenRead(key, this)), cancellationToken).ConfigureAwait(false);

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) => InsideGateAsync(
        "invalidate", (key, kind), static (ring, in of) => ring.Invalidate(of.key, of.kind), cancellationToken);

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        InsideGateAsync(
            "invalidate", (tags, match, kind), static (ring, in of) => ring.InvalidateTags(of.tags, of.match, of.kind), cancellationToken);

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) =>
        InsideGateAsync("be emptied", 0, static (ring, in _) => ring.Clear(), cancellationToken);

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) => InsideGateAsync(
            "renew",
            (key, stamp, expiresAt, retainUntil),
            static (ring, in of) => ring.SetExpiration(of.key, of.stamp, of.expiresAt.UtcTicks, of.retainUntil.UtcTicks),
            cancellationToken);

    public async IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const int PerTurn = 256;
        var start = Encoding.UTF8.GetBytes(prefix);
        var slots = _ring.Scan.List();
        while (await InBackground(() => slots.TryGoOn(cancellationToken), cancellationToken).ConfigureAwait(false))
        {
            for (var at = 0; at < slots.Part.Length; at += PerTurn)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var turn = slots.Part.Slice(at, Math.Min(PerTurn, slots.Part.Length - at));
                foreach (var key in await InBackground(() => KeysOf(turn.Span, start), cancellationToken).ConfigureAwait(false))
                {
                    yield return key;
                }
            }
        }
    }

    public async ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken) =>
        await InBackground(() => _ring.Scan.Count(cancellationToken), cancellationToken).ConfigureAwait(false);

    public bool TryDrain(ISharedMemoryFeedReader reader) =>
        !Volatile.Read(ref _isGone) && InsideGate("be listened to", reader, static (ring, in of) => ring.Feed.TryDrain(of));

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            await _gate.CloseAsync().ConfigureAwait(false);
            await Task.Run(_directory.Close).ConfigureAwait(false);
            _closed.TrySetResult();
        }

        await _closed.Task.ConfigureAwait(false);
    }

    /// <summary>Reads every entry and says what is live, dead or damaged.</summary>
    internal DiskCheckResult Check(CancellationToken cancellationToken) => InsideGate("be looked through", () => _ring.Scan.Check(cancellationToken));

    internal DiskStatistics GetStatistics() => InsideGate("be looked through", () =>
    {
        var (files, bytes) = _directory.Files.Measure();
        return new DiskStatistics
        {
            MaximumBytes = _index.Geometry.DataBytes + _index.Geometry.IndexBytes,
            BytesOnDisk = bytes + (IsShared ? _index.Geometry.IndexBytes : 0),
            IndexBytes = _index.Geometry.IndexBytes,
            BytesInUse = Volatile.Read(ref _index.Tail) - Volatile.Read(ref _index.Begin),
            BytesWritten = Volatile.Read(ref _index.Tail) - _index.Geometry.SegmentBytes,
            SegmentBytes = _index.Geometry.SegmentBytes,
            Segments = files,
            Entries = _ring.Scan.Count(CancellationToken.None),
            ReinsertedEntries = Volatile.Read(ref _index.ReinsertedRecords),
            ReinsertedBytes = Volatile.Read(ref _index.ReinsertedBytes),
            DroppedSegments = Volatile.Read(ref _index.DroppedSegments),
            DisplacedEntries = Volatile.Read(ref _index.DisplacedEntries),
            DeclinedWrites = Volatile.Read(ref _index.DeclinedWrites),
            IsShared = IsShared,
        };
    });

    /// <summary>Throws if the index contradicts itself. Only while nobody writes.</summary>
    internal void Verify() => InsideGate("be looked through", () =>
    {
        _ring.Scan.Verify();
        return 0;
    });

    private static bool IsOfDisk(Exception exception) => exception is IOException or UnauthorizedAccessException;

    private static CacheStoreException Translate(string what, Exception exception) =>
        new($"The disk cache could not {what}: {exception.Message}", StoreFailure.Transient, exception);

    private async ValueTask<StoreLookup> ReadLargeAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        await Task.Run(() => InsideGate("read", () =>
        {
            _ring.Reads.Read(key, options, int.MaxValue, out var lookup, out _);
            return lookup;
        }), cancellationToken).ConfigureAwait(false);

    // Apart: what the work needs is not to be allocated for small ones.
    private ValueTask<StoreWriteResult> WriteLargeAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        new(Task.Run(() => InsideGate("write", () => _ring.Writes.Write(key, entry, condition, cancellationToken)), CancellationToken.None));

    private List<string> KeysOf(ReadOnlySpan<ListedSlot> slots, ReadOnlySpan<byte> prefix)
    {
        List<string> keys = [];
        foreach (var slot in slots)
        {
            if (_ring.Scan.KeyOf(slot, prefix) is { } key)
            {
                keys.Add(key);
            }
        }

        return keys;
    }

    private Task<T> InBackground<T>(Func<T> look, CancellationToken cancellationToken) => Task.Run(() => InsideGate("be looked through", look), cancellationToken);

    /// <summary>Does something that closing waits for.</summary>
    /// <param name="what">What it is, to say what the cache could not do.</param>
    /// <param name="work">Does it.</param>
    internal T InsideGate<T>(string what, Func<T> work) => InsideGate(what, work, static (_, in of) => of());

    private T InsideGate<TState, T>(string what, in TState state, Step<TState, T> work)
    {
        if (!_gate.TryEnter(out var stripe))
        {
            throw IsClosed();
        }

        try
        {
            return work(_ring, state);
        }
        catch (Exception exception) when (IsOfDisk(exception))
        {
            throw Translate(what, exception);
        }
        finally
        {
            Leave(stripe);
        }
    }

    /// <summary>Does something that closing waits for. What fails, the task tells.</summary>
    private ValueTask<T> InsideGateAsync<TState, T>(string what, in TState state, Step<TState, T> work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<T>(cancellationToken);
        }

        try
        {
            return new(InsideGate(what, state, work));
        }
        catch (Exception exception) when (exception is CacheStoreException or ObjectDisposedException)
        {
            return ValueTask.FromException<T>(exception);
        }
    }

    /// <summary>Does something that closing waits for, unless it has begun.</summary>
    private void InGateIfOpen(Action work)
    {
        if (!_gate.TryEnter(out var stripe))
        {
            return;
        }

        try
        {
            work();
        }
        finally
        {
            Leave(stripe);
        }
    }

    private string GoneText => $"The directory of the disk cache, '{Folder}', was deleted or replaced while it was in use; the next start begins a new one.";

    private Exception IsClosed() => Volatile.Read(ref _isGone) && Volatile.Read(ref _isDisposed) == 0
        ? new CacheStoreException(GoneText, StoreFailure.Unavailable)
        : new ObjectDisposedException(GetType().FullName);

    private void Leave(int stripe)
    {
        _gate.Leave(stripe);
        if (_ring.Room.HasNews)
        {
            _ring.Room.TellNews();
        }

        // The index is memory that goes with this object.
        GC.KeepAlive(this);
    }

    /// <summary>Has somebody look in the background whether the directory is still there, and a disk that was full still is, if nobody has lately.</summary>
    private void LookIfDue()
    {
        var isDue = _settings.TimeProvider.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= _timeBetweenLooks;
        if ((isDue || _ring.Room.IsLookNeeded) && Interlocked.Exchange(ref _isLooking, 1) == 0)
        {
            Volatile.Write(ref _lookedAt, _settings.TimeProvider.GetTimestamp());
            _settings.Schedule(() =>
            {
                try
                {
                    InGateIfThere(LookForRoom);
                }
                finally
                {
                    Volatile.Write(ref _isLooking, 0);
                }
            });
        }
    }

    private void LookForRoom()
    {
        if (_ring.Room.IsLookNeeded)
        {
            _ring.Room.Look();
        }
    }

    /// <summary>Does something that closing waits for, unless it has begun, or the directory is gone: then this is the end of using it.</summary>
    /// <remarks>Files that are deleted can still be read and written. But nobody else sees what is done to them, and who has deleted them wants the room back, or the entries gone.</remarks>
    private void InGateIfThere(Action work)
    {
        var isGone = false;
        InGateIfOpen(() =>
        {
            isGone = _directory.IsGone();
            if (!isGone)
            {
                work();
                return;
            }

            Volatile.Write(ref _isGone, true);
            _ = CloseFilesAsync();
            _ring.Feed.Wake();
        });
        if (isGone)
        {
            _directory.TellGone();
        }
    }

    /// <summary>Lets nothing in any more, and gives the files back when nothing is under way: that alone frees the room of those that are deleted.</summary>
    private async Task CloseFilesAsync()
    {
        await _gate.CloseAsync().ConfigureAwait(false);
        _directory.Files.Dispose();
    }

    private void StartReclaiming()
    {
        if (Interlocked.Exchange(ref _isReclaiming, 1) == 0)
        {
            _settings.Schedule(() =>
            {
                Exception? failure = null;
                InGateIfThere(() => failure = Reclaim());
                if (failure is not null)
                {
                    _settings.Logger.DiskReclaimFailed(_settings.CacheName, failure);
                }
            });
        }
    }

    /// <returns>What went wrong, to be told once nothing is held.</returns>
    private Exception? Reclaim()
    {
        try
        {
            _ring.Reclaimer.Run(() => !_gate.IsClosed);
            return null;
        }
#pragma warning disable CA1031 // whatever it is: the cache lives without this, and nobody else would hear of it
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return exception;
        }
        finally
        {
            Volatile.Write(ref _isReclaiming, 0);
        }
    }
}
