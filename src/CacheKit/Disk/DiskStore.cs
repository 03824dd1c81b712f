using System.Runtime.CompilerServices;
using System.Text;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>A store in a directory: survives the process, and is shared by all processes that name it.</summary>
/// <remarks>
/// Small entries are read and written on the caller's thread, which is faster than handing them over: mostly they come from the
/// memory of the operating system. Larger ones are handed to the thread pool.
/// </remarks>
internal sealed class DiskStore : IEnumerableStore, IStreamStore, ISharedMemoryFeed
{
    private const int MostBytesInline = 64 << 10;

    private readonly DiskSettings _settings;
    private readonly DiskDirectory _directory;
    private readonly DiskIndex _index;
    private readonly Ring _ring;
    private readonly OperationGate _gate = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _isReclaiming;
    private int _isDisposed;

    internal DiskStore(DiskSettings settings)
    {
        _settings = settings;
        _directory = DiskDirectory.Open(settings);
        _index = _directory.Index;
        _ring = new(_index, _directory.Files, settings);
        _ring.ReclaimWith(StartReclaiming);
    }

    public string Name => "disk";

    public unsafe long* Head => _index.FeedHeadAddress;

    internal bool IsShared => _directory.IsShared;

    internal string Folder => _directory.Folder;

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreLookup>(cancellationToken);
        }

        var stripe = Enter();
        try
        {
            var lookup = _ring.Read(key, options, MostBytesInline, out var isTooLarge);
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

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreWriteResult>(cancellationToken);
        }

        return entry.Payload.Length > MostBytesInline
            ? new(Task.Run(() => Write(key, entry, condition, cancellationToken), CancellationToken.None))
            : new(Write(key, entry, condition, cancellationToken));
    }

    public ValueTask<IStoreWriteStream> BeginWriteAsync(string key, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IStoreWriteStream>(cancellationToken);
        }

        var (place, stamp) = InsideGate("write", () => _ring.BeginStream(key));
        return new(new DiskWriteStream(this, _ring, key, place, stamp));
    }

    public async ValueTask<IStoreReadStream?> OpenReadAsync(string key, CancellationToken cancellationToken) =>
        await Task.Run(() => InsideGate("read", () => _ring.OpenRead(key, this)), cancellationToken).ConfigureAwait(false);

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreInvalidation>(cancellationToken);
        }

        var stripe = Enter();
        try
        {
            return new(_ring.Invalidate(key, kind));
        }
        catch (Exception exception) when (IsOfDisk(exception))
        {
            return ValueTask.FromException<StoreInvalidation>(Translate("invalidate", exception));
        }
        finally
        {
            Leave(stripe);
        }
    }

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<long>(cancellationToken);
        }

        var stripe = Enter();
        try
        {
            return new(_ring.InvalidateTags(tags, match, kind));
        }
        finally
        {
            Leave(stripe);
        }
    }

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<long>(cancellationToken);
        }

        var stripe = Enter();
        try
        {
            return new(_ring.Clear());
        }
        finally
        {
            Leave(stripe);
        }
    }

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        var stripe = Enter();
        try
        {
            return new(_ring.SetExpiration(key, stamp, expiresAt.UtcTicks, retainUntil.UtcTicks));
        }
        catch (Exception exception) when (IsOfDisk(exception))
        {
            return ValueTask.FromException<bool>(Translate("renew", exception));
        }
        finally
        {
            Leave(stripe);
        }
    }

    public async IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const int PerTurn = 256;
        var start = Encoding.UTF8.GetBytes(prefix);
        var numbers = await Task.Run(() => InsideGate("be looked through", () => _ring.Scan.ByAddress(cancellationToken)), CancellationToken.None).ConfigureAwait(false);
        HashSet<ulong> seen = []; // a key may move to another slot meanwhile
        for (var at = 0; at < numbers.Length; at += PerTurn)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var turn = numbers.AsMemory(at, Math.Min(PerTurn, numbers.Length - at));
            var keys = await Task.Run(() => InsideGate("be looked through", () => KeysAt(turn.Span, start, seen)), CancellationToken.None).ConfigureAwait(false);
            foreach (var key in keys)
            {
                yield return key;
            }
        }
    }

    public ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken) =>
        new(InsideGate("be looked through", () => _ring.Scan.Count(cancellationToken)));

    public bool TryDrain(ISharedMemoryFeedReader reader)
    {
        var stripe = Enter();
        try
        {
            return _ring.Feed.TryDrain(reader);
        }
        finally
        {
            Leave(stripe);
        }
    }

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
        await Task.Run(() => InsideGate("read", () => _ring.Read(key, options, int.MaxValue, out _)), cancellationToken).ConfigureAwait(false);

    private StoreWriteResult Write(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        var stripe = Enter();
        try
        {
            return _ring.Write(key, entry, condition, cancellationToken);
        }
        catch (Exception exception) when (IsOfDisk(exception))
        {
            throw Translate("write", exception);
        }
        finally
        {
            Leave(stripe);
        }
    }

    private List<string> KeysAt(ReadOnlySpan<long> numbers, ReadOnlySpan<byte> prefix, HashSet<ulong> seen)
    {
        List<string> keys = [];
        foreach (var number in numbers)
        {
            if (_ring.Scan.KeyAt(number, prefix, out var hash) is { } key && seen.Add(hash))
            {
                keys.Add(key);
            }
        }

        return keys;
    }

    /// <summary>Does something that closing waits for.</summary>
    /// <param name="what">What it is, to say what the cache could not do.</param>
    /// <param name="work">Does it.</param>
    internal T InsideGate<T>(string what, Func<T> work)
    {
        var stripe = Enter();
        try
        {
            return work();
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

    private int Enter()
    {
        ObjectDisposedException.ThrowIf(!_gate.TryEnter(out var stripe), this);
        return stripe;
    }

    private void Leave(int stripe)
    {
        _gate.Leave(stripe);

        // The index is memory that goes with this object.
        GC.KeepAlive(this);
    }

    private void StartReclaiming()
    {
        if (Interlocked.Exchange(ref _isReclaiming, 1) == 0)
        {
            _settings.Schedule(Reclaim);
        }
    }

    private void Reclaim()
    {
        if (!_gate.TryEnter(out var stripe))
        {
            return;
        }

        try
        {
            _ring.Reclaimer.Run(() => !_gate.IsClosed);
        }
#pragma warning disable CA1031 // whatever it is: the cache lives without this, and nobody else would hear of it
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _settings.Logger.DiskReclaimFailed(_settings.CacheName, exception);
        }
        finally
        {
            Volatile.Write(ref _isReclaiming, 0);
            Leave(stripe);
        }
    }
}
