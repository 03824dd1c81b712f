using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>A cache in a log on disk with its index in shared memory: what each call does, from its key to the slot.</summary>
/// <remarks>Everything is synchronous and free of locks. Errors of the disk are thrown as they come; the caller translates them.</remarks>
[SkipLocalsInit]
internal sealed unsafe class Ring
{
    private const int MostTagsOnStack = 32;
    private const int MostRounds = 16;
    private const int MostRecordOnStack = 2048;
    private const int MostBytesToCheck = 64 << 10;

    private readonly DiskIndex _index;
    private readonly RingLog _log;
    private readonly RecordReader _reader;
    private readonly Invalidations _invalidations;
    private readonly EntryJudge _judge;
    private readonly SlotTable _slots;
    private readonly SharedFeed _feed;
    private readonly Action<DiskStep>? _hook;
    private readonly bool _raisesFences;

    internal Ring(DiskIndex index, SegmentFiles files, DiskSettings settings)
    {
        _index = index;
        _hook = settings.Hook;
        _raisesFences = settings.RaiseFences;
        Room = new(index, files, settings);
        _log = new(index, files, Room, settings.Hook);
        _reader = new(index, _log, settings.VerifySums);
        _invalidations = new(index);
        _judge = new(_invalidations, settings.TimeProvider);
        _slots = new(index, _reader, _judge, settings.Hook);
        _feed = new(index, origin: (ulong)Random.Shared.NextInt64(), settings.Hook);
        Reclaimer = new(index, _log, _slots, _reader, _judge, settings);
        Scan = new(index, _reader, _judge);
    }

    internal SharedFeed Feed => _feed;

    internal DiskRoom Room { get; }

    internal Reclaimer Reclaimer { get; }

    internal IndexScan Scan { get; }

    /// <summary>How much of a value a piece holds.</summary>
    internal int PieceBytes => _index.Geometry.PieceBytes;

    internal long LargestValue => _index.Geometry.LargestValue;

    /// <summary>Has segments made free ahead of the tail, whenever one is opened.</summary>
    internal void ReclaimWith(Action start) => _log.SegmentOpened = start;

    /// <summary>Reads an entry.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">What is needed of it.</param>
    /// <param name="mostBytes">Gives up before a larger read.</param>
    /// <param name="isTooLarge">Whether it did.</param>
    internal StoreLookup Read(string key, in StoreReadOptions options, int mostBytes, out bool isTooLarge)
    {
        // Before the first look at a slot: what is made under this stamp was begun after everything up to it.
        var loadStamp = Volatile.Read(ref _index.Sequence);
        isTooLarge = false;
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        ulong unreadable = 0;
        while (_slots.TryFind(hashed.Hash, out var place, out var slot))
        {
            if (_index.Slots.IsSameRecord(slot, unreadable))
            {
                break;
            }

            _hook?.Invoke(DiskStep.Found);
            if (options.WithoutPayload || options.KnownStamp is not null)
            {
                var glance = Glance(hashed, loadStamp, slot, options, out var known);
                if (glance != Finding.Unreadable && (glance == Finding.None || options.WithoutPayload || known.Status == StoreLookupStatus.NotModified))
                {
                    CountUse(place, slot, known);
                    return known;
                }
            }

            if (_index.Slots.RecordBound(slot) > mostBytes)
            {
                isTooLarge = true;
                return default;
            }

            var finding = ReadWhole(hashed, loadStamp, slot, mostBytes, options.Progress, out var lookup);
            if (finding == Finding.TooLarge)
            {
                isTooLarge = true;
                return default;
            }

            if (finding != Finding.Unreadable)
            {
                CountUse(place, slot, lookup);
                return lookup;
            }

            // Perhaps it was moved or replaced while it was read: then there is another record now.
            unreadable = slot;
        }

        return StoreLookup.Missing(loadStamp);
    }

    /// <summary>Writes an entry if the condition holds.</summary>
    internal StoreWriteResult Write(string key, in StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        _index.Prefetch(hashed.Hash);
        var tagCount = entry.Tags?.Count ?? 0;
        var tags = tagCount <= MostTagsOnStack ? stackalloc ulong[tagCount] : new ulong[tagCount];
        Hash(entry.Tags, tags);

        // What does not depend on the stamp, while memory is fetched.
        var value = entry.Payload.Span;
        ulong? sum = RecordLayout.Bytes(tagCount, hashed.Bytes.Length, value.Length) <= _index.Geometry.LargestRecord ? RecordLayout.SumOf(value, _index.StoreId) : null;
        ulong written = 0;
        var mayRepeat = condition.Kind is StoreConditionKind.Always or StoreConditionKind.IfAbsent;
        for (var round = 1; ; round++)
        {
            if (!TryBegin(hashed, tags, condition, out var fields))
            {
                return new(StoreWriteOutcome.Overtaken, Volatile.Read(ref _index.Sequence));
            }

            fields = fields with { ExpiresAt = entry.ExpiresAt.UtcTicks, RetainUntil = entry.RetainUntil.UtcTicks, ValueSum = sum };
            var outcome = Store(hashed, tags, fields, value, condition, ref written, out var isLapped);
            if (outcome == Publication.Done && !(isLapped && mayRepeat && round < MostRounds))
            {
                _hook?.Invoke(DiskStep.Published);
                if (condition.Kind == StoreConditionKind.IfCurrent)
                {
                    _index.MovePast(fields.Stamp);
                }
                else
                {
                    _feed.PublishKey(hashed.Bytes);
                }

                return new(StoreWriteOutcome.Stored, fields.Stamp);
            }

            if (outcome is null)
            {
                Interlocked.Increment(ref _index.DeclinedWrites);
                return new(StoreWriteOutcome.Declined, fields.Stamp);
            }

            // What a step is made from may have been moved, or made to expire: it may still hold, of that.
            if (outcome == Publication.Refused && condition.Kind == StoreConditionKind.IfUnchanged)
            {
                continue;
            }

            if (outcome == Publication.Refused || (outcome == Publication.Overtaken && condition.Kind == StoreConditionKind.IfCurrent))
            {
                return new(StoreWriteOutcome.Overtaken, fields.Stamp);
            }

            // A later stamp has been drawn for this key, or for one that shares its fences: write under a later one still. But a call that
            // was given up must not: whoever gave it up may have written since.
            if (outcome == Publication.Overtaken && (round >= MostRounds || cancellationToken.IsCancellationRequested))
            {
                if (condition.Kind != StoreConditionKind.Always)
                {
                    return new(StoreWriteOutcome.Overtaken, fields.Stamp);
                }

                // It was written, and overwritten at once.
                RemoveFailed(hashed, fields.Stamp);
                return new(StoreWriteOutcome.Stored, fields.Stamp);
            }
        }
    }

    /// <summary>Begins an entry that comes part by part: its stamp is older than whatever happens to its key from now on.</summary>
    /// <returns>Its place among the streams, to be given back with <see cref="EndStream"/>, and its stamp.</returns>
    internal (StreamPlace Place, long Stamp) BeginStream(string key)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        var place = _index.StreamMarks.Enter(hashed.Hash);
        return (place, _index.DrawWriteStamp());
    }

    internal void EndStream(StreamPlace place) => _index.StreamMarks.Leave(place);

    /// <summary>Publishes an entry whose bytes came part by part, unless something has overtaken it.</summary>
    /// <param name="key">The key.</param>
    /// <param name="entry">The entry, with the bytes that come before all others.</param>
    /// <param name="stamp">Its stamp.</param>
    /// <param name="place">Its place among the streams.</param>
    /// <param name="pieces">Where what came is in the log, in pieces of the full size.</param>
    /// <param name="rest">What came after these.</param>
    internal StoreWriteResult Complete(string key, in StoreEntry entry, long stamp, StreamPlace place, IReadOnlyList<long> pieces, ReadOnlySpan<byte> rest)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        var tagCount = entry.Tags?.Count ?? 0;
        var tags = tagCount <= MostTagsOnStack ? stackalloc ulong[tagCount] : new ulong[tagCount];
        Hash(entry.Tags, tags);
        if (_invalidations.AreCovering(tags, stamp))
        {
            // As if it had been written, and then been removed by the tag.
            RaiseFence(hashed.Hash, stamp);
            RemoveFailed(hashed, stamp);
            return new(StoreWriteOutcome.Overtaken, stamp);
        }

        // Loads that began before this did must not come after it.
        RaiseFence(hashed.Hash, stamp);
        var fields = new RecordFields
        {
            Kind = RecordKind.Entry,
            Stamp = stamp,
            Cover = stamp,
            ExpiresAt = entry.ExpiresAt.UtcTicks,
            RetainUntil = entry.RetainUntil.UtcTicks,
        };
        if (!TryAppendParts(hashed, tags, fields, entry.Payload.Span, pieces, rest, out var address, out var bytes)
            || (pieces.Count > 0 && !_index.IsInLog(pieces[0]))) // the log may have come round while the rest was waited for
        {
            Interlocked.Increment(ref _index.DeclinedWrites);
            return new(StoreWriteOutcome.Declined, stamp);
        }

        var slot = _index.Slots.Create(_index.Slots.Fingerprint(hashed.Hash), address, bytes);
        if (_slots.Publish(hashed, slot, stamp, StoreCondition.IfCurrent(stamp), isExpired: false, place) != Publication.Done)
        {
            return new(StoreWriteOutcome.Overtaken, stamp);
        }

        _hook?.Invoke(DiskStep.Published);
        _feed.PublishKey(hashed.Bytes);
        return new(StoreWriteOutcome.Stored, stamp);
    }

    /// <summary>Opens an entry to read it piece by piece.</summary>
    /// <param name="key">The key.</param>
    /// <param name="store">Whose it is.</param>
    /// <returns><see langword="null"/> for a miss.</returns>
    internal DiskReadStream? OpenRead(string key, DiskStore store)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        ulong unreadable = 0;
        while (_slots.TryFind(hashed.Hash, out var place, out var slot) && !_index.Slots.IsSameRecord(slot, unreadable))
        {
            _hook?.Invoke(DiskStep.Found);
            if (OpenRead(hashed, slot, store, out var opened) == Finding.None)
            {
                return null;
            }

            if (opened is not null)
            {
                _slots.CountUse(place, slot);
                return opened;
            }

            unreadable = slot;
        }

        return null;
    }

    private Finding OpenRead(in HashedKey key, ulong slot, DiskStore store, out DiskReadStream? opened)
    {
        opened = null;
        var bytes = new RentedBytes(_index.Slots.RecordBound(slot));
        try
        {
            var finding = ReadRecord(key, slot, bytes, out var record, out var value);
            if (finding != Finding.Found)
            {
                return finding;
            }

            var lifetime = new EntryLifetime(record.Stamp, _judge.ExpiryOf(record), EntryJudge.RetentionOf(record));
            if (record.Kind == RecordKind.Entry)
            {
                opened = new(store, this, lifetime, bytes, value);
            }
            else if (PieceList.TryRead(value.Span, _index.Geometry, out var pieces) && _reader.AreThere(pieces))
            {
                opened = new(store, this, lifetime, pieces);
            }

            return opened is null ? Finding.Unreadable : Finding.Found;
        }
        finally
        {
            if (opened is not { IsOneRecord: true })
            {
                bytes.Dispose();
            }
        }
    }

    /// <summary>Reads a piece of a value.</summary>
    internal bool TryReadPiece(long address, Span<byte> piece) => _reader.TryReadPiece(address, piece);

    /// <summary>Removes or expires the entry of a key.</summary>
    internal StoreInvalidation Invalidate(string key, InvalidationKind kind)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        var stamp = _index.DrawStamp();
        RaiseFence(hashed.Hash, stamp);
        _hook?.Invoke(DiskStep.Fenced);
        var wasFresh = kind == InvalidationKind.Expire ? Expire(hashed, stamp) : _slots.RemoveUpTo(hashed, stamp);
        _feed.PublishKey(hashed.Bytes);
        return new(stamp, wasFresh);
    }

    /// <summary>Removes or expires what carries any, or all, of some tags.</summary>
    internal long InvalidateTags(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind)
    {
        var hashes = tags.Count <= MostTagsOnStack ? stackalloc ulong[tags.Count] : new ulong[tags.Count];
        Hash(tags, hashes);
        var stamp = _invalidations.Add(hashes, match, kind);
        if (match == TagMatch.All && tags.Count > 1)
        {
            _feed.PublishAll(isCleared: false);
            return stamp;
        }

        foreach (var tag in tags)
        {
            _feed.PublishTag(tag, kind);
        }

        return stamp;
    }

    /// <summary>Removes everything.</summary>
    internal long Clear()
    {
        var stamp = _invalidations.Clear();

        // What is in the log now was begun before; dropping it gives slots and counts back at once. What is just being written is written again.
        _log.DropBefore(Volatile.Read(ref _index.Tail));
        _feed.PublishAll(isCleared: true);
        return stamp;
    }

    /// <summary>Changes the instants of an entry in its record.</summary>
    internal bool SetExpiration(string key, long stamp, long expiresAt, long retainUntil)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            Span<byte> life = stackalloc byte[RecordLayout.LifeBytes];
            while (_slots.TryFind(hashed.Hash, out var place, out var slot))
            {
                var record = _reader.ReadHeader(slot, ref header);
                if (record.IsNone)
                {
                    if (_index.Slots.IsSameRecord(slot, Volatile.Read(ref *place)))
                    {
                        return false;
                    }

                    continue;
                }

                if (!record.Key.SequenceEqual(hashed.Bytes) || record.Stamp != stamp || !_judge.IsLive(record) || _invalidations.AreExpiring(record))
                {
                    return false;
                }

                RecordLayout.WriteLife(life, expiresAt, retainUntil, record.Address, _index.StoreId);
                if (_index.IsInLog(record.Address))
                {
                    _log.Write(record.Address + RecordLayout.LifeOffset, life);
                }

                // If the record was moved meanwhile, whoever moved it may have read the instants before. (Else they look once more when they have moved it.)
                if (_index.Slots.IsSameRecord(slot, Volatile.Read(ref *place)))
                {
                    return true;
                }
            }

            return false;
        }
        finally
        {
            header.Dispose();
        }
    }

    private void CountUse(ulong* place, ulong slot, in StoreLookup lookup)
    {
        if (lookup.IsFound)
        {
            _slots.CountUse(place, slot);
        }
    }

    private void RaiseFence(ulong hash, long stamp)
    {
        if (_raisesFences)
        {
            _index.Fences.Raise(hash, stamp);
            _index.StreamMarks.Raise(hash, stamp);
        }
    }

    /// <summary>Looks whether a write has a chance, and if so gives it its stamp and keeps older ones from coming after it.</summary>
    private bool TryBegin(in HashedKey key, ReadOnlySpan<ulong> tags, StoreCondition condition, out RecordFields fields)
    {
        fields = default;
        var (stamp, cover, isExpired) = (condition.Stamp, condition.Stamp, false);
        if (condition.Kind == StoreConditionKind.IfCurrent
            && (_index.Fences.IsLater(key.Hash, stamp) || _invalidations.AreCovering(tags, stamp)))
        {
            return false;
        }

        if (condition.Kind != StoreConditionKind.Always)
        {
            var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
            try
            {
                var occupant = _slots.TryFind(key.Hash, out _, out var slot) ? _reader.ReadHeader(slot, ref header) : default;
                if (!_judge.Admits(condition, occupant, key.Bytes) && !(condition.Kind == StoreConditionKind.IfAbsent && !_reader.IsReadable(slot)))
                {
                    return false;
                }

                if (condition.Kind == StoreConditionKind.IfUnchanged)
                {
                    // An invalidation of its tags may have drawn its stamp before this entry got its own, and not have reached the cells
                    // yet. So the new entry is covered by all that cover the one it is made from.
                    cover = occupant.Cover;
                    isExpired = occupant.IsExpired;
                }
            }
            finally
            {
                header.Dispose();
            }
        }

        if (condition.Kind != StoreConditionKind.IfCurrent)
        {
            stamp = _index.DrawWriteStamp();
            cover = condition.Kind == StoreConditionKind.IfUnchanged ? cover : stamp;
        }

        RaiseFence(key.Hash, stamp);
        fields = new RecordFields { Kind = RecordKind.Entry, Stamp = stamp, Cover = cover, IsExpired = isExpired };
        return true;
    }

    /// <summary>Appends an entry, unless that was done before and only its stamp was too early, and publishes it.</summary>
    /// <returns><see langword="null"/> if it cannot be kept; after an unconditional write the key is then empty.</returns>
    private Publication? Store(
        in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, StoreCondition condition, ref ulong written, out bool isLapped)
    {
        isLapped = false;
        var isStored = false;
        try
        {
            if (written == 0 || !TryGiveStamp(written, fields))
            {
                if (!TryAppend(key, tags, fields, value, out var address, out var bytes))
                {
                    return null;
                }

                written = _index.Slots.Create(_index.Slots.Fingerprint(key.Hash), address, bytes);
                isLapped = !_index.IsInLog(address);
            }

            var outcome = _slots.Publish(key, written, fields.Stamp, condition, fields.IsExpired);
            isStored = true;
            return outcome;
        }
        finally
        {
            if (!isStored && condition.Kind == StoreConditionKind.Always)
            {
                RemoveFailed(key, fields.Stamp);
            }
        }
    }

    /// <summary>Gives a record that nothing points to another stamp where it is: a key that many write at once would fill the log otherwise.</summary>
    private bool TryGiveStamp(ulong slot, in RecordFields fields)
    {
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            var record = _reader.ReadHeader(slot, ref header);
            if (record.IsNone)
            {
                return false;
            }

            var address = record.Address;
            var bytes = header.Take(record.ValueOffset);
            RecordLayout.GiveStamp(bytes, fields);
            RecordLayout.Place(bytes, address, _index.StoreId);
            if (!_index.IsInLog(address))
            {
                return false;
            }

            _log.Write(address, bytes);
            return _index.IsInLog(address);
        }
        finally
        {
            header.Dispose();
        }
    }

    /// <summary>What was there must not outlive an attempt to overwrite it.</summary>
    private void RemoveFailed(in HashedKey key, long stamp)
    {
        _slots.RemoveUpTo(key, stamp);
        _feed.PublishKey(key.Bytes);
    }

    private bool TryAppend(in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var most = _index.Geometry.LargestRecord;
        if (value.Length > _index.Geometry.LargestValue || tags.Length > ushort.MaxValue || RecordLayout.Bytes(tags.Length, key.Bytes.Length, 0) > most)
        {
            return false;
        }

        return RecordLayout.Bytes(tags.Length, key.Bytes.Length, value.Length) <= most
            ? TryAppendRecord(key.Bytes, tags, fields, value, out address, out bytes)
            : TryAppendPieces(key, tags, fields, value, out address, out bytes);
    }

    private bool TryAppendPieces(in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var pieceBytes = _index.Geometry.PieceBytes;
        var addresses = new long[(value.Length + pieceBytes - 1) / pieceBytes];
        for (var i = 0; i < addresses.Length; i++)
        {
            if (!TryAppendPiece(value[(i * pieceBytes)..Math.Min(value.Length, (i + 1) * pieceBytes)], out addresses[i]))
            {
                return false;
            }
        }

        return TryAppendHead(key, tags, fields, value.Length, Math.Min(value.Length, pieceBytes), addresses, out address, out bytes);
    }

    /// <summary>Appends an entry that came part by part: what is left of it, and its beginning; in one record, if that holds all.</summary>
    private bool TryAppendParts(
        in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> first, IReadOnlyList<long> pieces, ReadOnlySpan<byte> rest,
        out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var length = first.Length + ((long)pieces.Count * PieceBytes) + rest.Length;
        if (pieces.Count == 0 && RecordLayout.Bytes(tags.Length, key.Bytes.Length, length) <= _index.Geometry.LargestRecord)
        {
            using var value = new RentedBytes((int)length);
            first.CopyTo(value.Array);
            rest.CopyTo(value.Array.AsSpan(first.Length));
            return TryAppend(key, tags, fields, value.Array.AsSpan(0, (int)length), out address, out bytes);
        }

        if (length > LargestValue || tags.Length > ushort.MaxValue || first.Length > PieceBytes)
        {
            return false;
        }

        List<long> addresses = [.. pieces];
        if (!rest.IsEmpty)
        {
            if (!TryAppendPiece(rest, out var last))
            {
                return false;
            }

            addresses.Add(last);
        }

        var firstBytes = pieces.Count > 0 ? PieceBytes : rest.Length;
        if (!first.IsEmpty)
        {
            if (!TryAppendPiece(first, out var begin))
            {
                return false;
            }

            addresses.Insert(0, begin);
            firstBytes = first.Length;
        }

        return TryAppendHead(key, tags, fields, length, firstBytes, CollectionsMarshal.AsSpan(addresses), out address, out bytes);
    }

    /// <summary>Appends a piece of a value.</summary>
    internal bool TryAppendPiece(ReadOnlySpan<byte> piece, out long address) =>
        TryAppendRecord(default, default, new() { Kind = RecordKind.Piece }, piece, out address, out _);

    /// <summary>Appends the head of an entry in pieces: after all of them.</summary>
    private bool TryAppendHead(
        in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, long length, int firstBytes, ReadOnlySpan<long> pieces, out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var list = new byte[PieceList.Bytes(pieces.Length)];
        if (RecordLayout.Bytes(tags.Length, key.Bytes.Length, list.Length) > _index.Geometry.LargestRecord)
        {
            return false;
        }

        PieceList.Write(list, length, firstBytes, pieces);
        return TryAppendRecord(key.Bytes, tags, fields with { Kind = RecordKind.Head, ValueSum = null }, list, out address, out bytes);
    }

    private bool TryAppendRecord(
        ReadOnlySpan<byte> key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, out long address, out int bytes)
    {
        bytes = (int)RecordLayout.Bytes(tags.Length, key.Length, value.Length);
        var rented = bytes <= MostRecordOnStack ? null : ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            var record = rented is null ? stackalloc byte[bytes] : rented.AsSpan(0, bytes);
            RecordLayout.Write(record, fields, tags, key, value, _index.StoreId);
            return _log.TryAppend(record, out address);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    /// <summary>Puts a copy that has expired in the place of the entry: an expiry must not be lost when the record is moved.</summary>
    private bool Expire(in HashedKey key, long stamp)
    {
        _slots.RemovePending(key.Hash);
        var wasFresh = false;
        while (_slots.TryFind(key.Hash, out var place, out var slot))
        {
            var bound = _index.Slots.RecordBound(slot);
            var rented = ArrayPool<byte>.Shared.Rent(bound);
            try
            {
                var record = _reader.ReadAll(slot, rented.AsSpan(0, bound));
                var isOfKey = !record.IsNone && record.Key.SequenceEqual(key.Bytes);
                if (isOfKey && record.Cover > stamp)
                {
                    return wasFresh;
                }

                // Another key's of the same fingerprint is removed: the slot must change, or a load that has looked at the fence before could still take it.
                var isLive = isOfKey && _judge.IsLive(record);
                wasFresh = isLive && !_judge.IsExpired(record);
                ulong expired = 0;
                if (isLive)
                {
                    var copy = rented.AsSpan(0, (int)record.TotalBytes);
                    RecordLayout.MarkExpired(copy, Math.Min(record.ExpiresAt, _judge.Now));
                    if (_log.TryAppend(copy, out var address))
                    {
                        expired = _index.Slots.WithUses(
                            _index.Slots.Create(_index.Slots.FingerprintOf(slot), address, copy.Length), _index.Slots.Uses(slot));
                    }
                }

                // Without room for the copy it is removed instead.
                if (SlotTable.TryChange(place, slot, expired))
                {
                    return wasFresh;
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Nor may it stay because the disk fails.
                _slots.RemoveUpTo(key, stamp);
                return false;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }

        return wasFresh;
    }

    private enum Finding
    {
        Found,
        None,
        Unreadable,
        TooLarge,
    }

    /// <summary>Answers from the header alone.</summary>
    private Finding Glance(in HashedKey key, long loadStamp, ulong slot, in StoreReadOptions options, out StoreLookup lookup)
    {
        lookup = StoreLookup.Missing(loadStamp);
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            var record = _reader.ReadHeader(slot, ref header);
            if (record.IsNone)
            {
                return Finding.Unreadable;
            }

            if (!record.Key.SequenceEqual(key.Bytes) || !_judge.IsLive(record))
            {
                return Finding.None;
            }

            if (options.WithoutPayload && (record.Kind == RecordKind.Head || record.TotalBytes <= MostBytesToCheck) && !_reader.IsReadable(slot))
            {
                return Finding.Unreadable;
            }

            lookup = options.KnownStamp == record.Stamp
                ? StoreLookup.NotModified(loadStamp, record.Stamp, _judge.ExpiryOf(record), EntryJudge.RetentionOf(record))
                : StoreLookup.Found(loadStamp, record.Stamp, default, _judge.ExpiryOf(record), EntryJudge.RetentionOf(record));
            return Finding.Found;
        }
        finally
        {
            header.Dispose();
        }
    }

    private Finding ReadWhole(in HashedKey key, long loadStamp, ulong slot, int mostBytes, StoreReadProgress? progress, out StoreLookup lookup)
    {
        lookup = StoreLookup.Missing(loadStamp);
        var bytes = new RentedBytes(_index.Slots.RecordBound(slot));
        var isHandedOver = false;
        try
        {
            var finding = ReadRecord(key, slot, bytes, out var record, out var value);
            if (finding != Finding.Found)
            {
                return finding;
            }

            if (record.Kind == RecordKind.Head)
            {
                return ReadPieces(record, value.Span, loadStamp, mostBytes, progress, out lookup);
            }

            isHandedOver = true;
            lookup = StoreLookup.Found(loadStamp, record.Stamp, value, _judge.ExpiryOf(record), EntryJudge.RetentionOf(record), bytes);
            return Finding.Found;
        }
        finally
        {
            if (!isHandedOver)
            {
                bytes.Dispose();
            }
        }
    }

    /// <summary>Reads the record of a slot, and its value, which may be a list of pieces.</summary>
    private Finding ReadRecord(in HashedKey key, ulong slot, RentedBytes bytes, out Record record, out ReadOnlyMemory<byte> value)
    {
        value = default;
        record = _reader.ReadAll(slot, bytes.Array);
        if (record.IsNone)
        {
            return Finding.Unreadable;
        }

        if (!record.Key.SequenceEqual(key.Bytes) || !_judge.IsLive(record))
        {
            return Finding.None;
        }

        value = bytes.Memory.Slice(record.ValueOffset, record.ValueLength);
        return _reader.IsValueIntact(record, value.Span) ? Finding.Found : Finding.Unreadable;
    }

    private Finding ReadPieces(in Record record, ReadOnlySpan<byte> list, long loadStamp, int mostBytes, StoreReadProgress? progress, out StoreLookup lookup)
    {
        lookup = StoreLookup.Missing(loadStamp);
        if (!PieceList.TryRead(list, _index.Geometry, out var pieces))
        {
            return Finding.None;
        }

        if (pieces.Length > mostBytes)
        {
            return Finding.TooLarge;
        }

        var bytes = new RentedBytes((int)pieces.Length);
        var value = bytes.Memory[..(int)pieces.Length];
        for (var i = 0; i < pieces.Addresses.Length; i++)
        {
            var (start, length) = pieces.Extent(i);
            if (!_reader.TryReadPiece(pieces.Addresses[i], value.Span.Slice((int)start, length)))
            {
                bytes.Dispose();
                return Finding.Unreadable;
            }

            progress?.Report();
        }

        lookup = StoreLookup.Found(loadStamp, record.Stamp, value, _judge.ExpiryOf(record), EntryJudge.RetentionOf(record), bytes);
        return Finding.Found;
    }

    private void Hash(IReadOnlyList<string>? tags, Span<ulong> hashes)
    {
        Span<byte> stack = stackalloc byte[HashedKey.StackBytes];
        for (var i = 0; i < hashes.Length; i++)
        {
            // Tags and keys may be the same text.
            using var tag = new HashedKey(tags![i], stack, ~_index.HashSeed); // as many as there are hashes
            hashes[i] = tag.Hash;
        }
    }
}
