using System.Buffers;
using CacheKit.Diagnostics;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Values that are written and read part by part, by the stores that can: past memory, whatever their size.</summary>
/// <remarks>
/// Such a value is an array of bytes like any other once it is there. It has the stamp that its store showed before the first byte was read, as if a factory
/// had made it: whatever happens to the key or the tags meanwhile is later.
/// </remarks>
internal sealed class ValueStreams(
    StoreTier[] tiers, EntryCodec codec, EntryWriter entries, StoreReader reader, TieredEdits edits, StoreRenewal renewal, StoreTime time, CacheReporter reporter)
{
    /// <summary>Stores what a stream gives, in place of what is there.</summary>
    /// <returns>Whether a store has it.</returns>
    /// <exception cref="NotSupportedException">None of the stores to be written can.</exception>
    internal async ValueTask<bool> SetAsync(string key, Stream source, EntrySettings settings, CancellationToken cancellationToken)
    {
        var tier = Array.FindLast(tiers, tier => tier.Store is IStreamStore && tier.Writes(settings.Tiers));
        if (tier is null || !codec.CanStream || !settings.FitsStores)
        {
            throw new NotSupportedException(
                "The value cannot be streamed into the cache: " + (tier is null ? "none of the tiers that the options write takes values part by part; UseDisk does."
                : !settings.FitsStores ? "it is to end with a change token, and so can only be in memory."
                : "encryption and serializers of one's own for byte[] need the whole value.") + " Set it as an array of bytes instead.");
        }

        if (!settings.IsStored)
        {
            await edits.RemoveAsync(key).ConfigureAwait(false);
            return false;
        }

        // Not to be written for nothing, if that can be told beforehand.
        if (source.CanSeek && !Fits(tier, source.Length - source.Position))
        {
            return await GiveUpAsync(key).ConfigureAwait(false);
        }

        // The authority does not take the bytes, and what it has would come back from there. It gets an entry that stands for them, as old as this look.
        var farStamp = 0L;
        if (!tier.IsFar)
        {
            await edits.RemoveAsync(key).ConfigureAwait(false);
            farStamp = await LookAtAuthorityAsync(key, settings, cancellationToken).ConfigureAwait(false);
        }

        var begun = await tier.Guard.RunAsync(
            StoreOperation.Stream, key, key, static (store, key, token) => ((IStreamStore)store).BeginWriteAsync(key, token), cancellationToken).ConfigureAwait(false); // as seen above
        if (!begun.TryGet(out var target))
        {
            return await GiveUpAsync(key).ConfigureAwait(false);
        }

        await using (target.ConfigureAwait(false))
        {
            return await CopyAsync(source, tier, target, cancellationToken).ConfigureAwait(false) is { } copied
                && await CompleteAsync(key, tier, target, settings, farStamp, copied.Length, copied.Sum).ConfigureAwait(false) is { } isStored
                    ? isStored
                    : await GiveUpAsync(key).ConfigureAwait(false);
        }
    }

    /// <summary>Opens a value of bytes that a store has which can give it part by part.</summary>
    /// <returns><see langword="null"/> if none has a fresh one that can be read like that.</returns>
    internal async ValueTask<Stream?> OpenAsync(string key, CacheTiers wanted, CancellationToken cancellationToken)
    {
        foreach (var tier in tiers)
        {
            if (tier.Store is not IStreamStore || !tier.Reads(wanted) || !codec.CanStream)
            {
                continue;
            }

            var deliveries = tier.Recovery.Deliveries;
            var answer = await tier.Guard.RunAsync(
                StoreOperation.Read, key, key, static (store, key, token) => ((IStreamStore)store).OpenReadAsync(key, token), cancellationToken).ConfigureAwait(false); // as just seen
            if (!answer.TryGet(out var source) || source is null)
            {
                continue;
            }

            var isTaken = false;
            try
            {
                tier.Note(source.Stamp);
                if (await ReadHeaderAsync(key, source, cancellationToken).ConfigureAwait(false) is { } header && IsToBeUsed(key, tier, source, header, deliveries)
                    && (tier.IsFar || source.Stamp >= tier.TrustedSince || await reader.IsConfirmedAsync(key, tier, source.Stamp, header, cancellationToken).ConfigureAwait(false)))
                {
                    await RenewAsync(key, tier, source, header).ConfigureAwait(false);
                    isTaken = true;
                    return new StoredValueStream(source, start: source.Length - header.PlainLength, onDamage: () => tier.Guard.Reporter.Unreadable(key));
                }
            }
            catch (CacheStoreException)
            {
                // It was evicted just now, or its beginning is damaged.
                tier.Guard.Reporter.Unreadable(key);
            }
            finally
            {
                if (!isTaken)
                {
                    await source.DisposeAsync().ConfigureAwait(false);
                }
            }
        }

        return null;
    }

    private bool IsToBeUsed(string key, StoreTier tier, IStoreReadStream source, in Envelope header, long deliveries) =>
        codec.IsPlainBytes(header) && source.ExpiresAt > time.UtcNow && !tier.Recovery.Covers(key, header.Tags, deliveries);

    /// <summary>What the authority's clock shows; 0 if it does not answer, or is not to be written.</summary>
    private async ValueTask<long> LookAtAuthorityAsync(string key, EntrySettings settings, CancellationToken cancellationToken)
    {
        if (!tiers[^1].Writes(settings.Tiers))
        {
            return 0;
        }

        var answer = await tiers[^1].ReadAsync(key, new() { WithoutPayload = true }, cancellationToken).ConfigureAwait(false);
        if (!answer.TryGet(out var lookup))
        {
            return 0;
        }

        using (lookup)
        {
            return lookup.LoadStamp;
        }
    }

    private static async ValueTask<Envelope?> ReadHeaderAsync(string key, IStoreReadStream source, CancellationToken cancellationToken)
    {
        var start = new byte[(int)Math.Min(source.Length, EnvelopeLayout.HeaderLength)];
        await FillAsync(source, start, cancellationToken).ConfigureAwait(false);
        if (!Envelope.TryMeasureHeader(start, source.Length, out var payloadAt))
        {
            return null;
        }

        var header = new byte[payloadAt];
        await FillAsync(source, header, cancellationToken).ConfigureAwait(false);
        return Envelope.TryParseHeader(header, source.Length, key, out var envelope) ? envelope : null;
    }

    private static async ValueTask FillAsync(IStoreReadStream source, Memory<byte> into, CancellationToken cancellationToken)
    {
        for (var at = 0; at < into.Length;)
        {
            at += await source.ReadAsync(at, into[at..], cancellationToken).ConfigureAwait(false) is > 0 and var count
                ? count
                : throw new CacheStoreException("The store gives fewer bytes than it says that it has.", StoreFailure.Transient);
        }
    }

    private async ValueTask RenewAsync(string key, StoreTier tier, IStoreReadStream source, Envelope header)
    {
        if (header.Sliding > TimeSpan.Zero)
        {
            using var lookup = StoreLookup.Found(0, source.Stamp, default, source.ExpiresAt, source.RetainUntil);
            var details = reader.DetailsOf(lookup, tier, header, options: null);
            details.ExpiresAt = Math.Max(details.ExpiresAt, Math.Min(Memory.CacheClock.Add(time.Now, details.SlidingTicks), details.SlidingLimit));
            await renewal.RenewAsync(key, details).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a store takes so many bytes; if not, it is told.</summary>
    private bool Fits(StoreTier tier, long bytes)
    {
        if (bytes <= tier.MaximumStreamBytes)
        {
            return true;
        }

        reporter.EntryTooLargeForStore(tier.Name, bytes, tier.MaximumStreamBytes);
        return false;
    }

    /// <summary>Hands a stream to a store.</summary>
    /// <returns>How many bytes it had, and their sum; nothing if the store does not take them all.</returns>
    private async ValueTask<(long Length, ulong Sum)?> CopyAsync(Stream source, StoreTier tier, IStoreWriteStream target, CancellationToken cancellationToken)
    {
        var (length, sum) = (0L, 0UL);
        var block = ArrayPool<byte>.Shared.Rent(StreamedSum.BlockBytes);
        while (true)
        {
            var count = await source.ReadAtLeastAsync(
                block.AsMemory(0, StreamedSum.BlockBytes), StreamedSum.BlockBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (count > 0)
            {
                sum = StreamedSum.Add(sum, block.AsSpan(0, count));
                length += count;
                if (!Fits(tier, length))
                {
                    ArrayPool<byte>.Shared.Return(block);
                    return null;
                }

                var answer = await tier.Guard.RunAsync(
                    StoreOperation.Stream, null, (target, Bytes: block.AsMemory(0, count)), static (_, call, token) => call.target.WriteAsync(call.Bytes, token),
                    cancellationToken).ConfigureAwait(false);
                if (!answer.TryGet(out var isTaken) || !isTaken)
                {
                    return null; // without the block: a call that was given up may still read it
                }
            }

            if (count < StreamedSum.BlockBytes)
            {
                ArrayPool<byte>.Shared.Return(block);
                return (length, sum);
            }
        }
    }

    /// <summary>Has a store make readable what it was handed.</summary>
    /// <returns>Whether it did; nothing if it does not take it, and what was there is to go.</returns>
    private async ValueTask<bool?> CompleteAsync(string key, StoreTier tier, IStoreWriteStream target, EntrySettings settings, long farStamp, long length, ulong sum)
    {
        // It lives from now on.
        var details = entries.Compose(key, Array.Empty<byte>(), settings).Details!; // with stores every entry has them
        var (expiresAt, retainUntil) = time.LifeOf(details);
        var metadata = new EntryMetadata
        {
            CreatedAt = time.UtcNow,
            ExpiresAt = time.ToInstant(details.SlidingTicks > 0 ? details.SlidingLimit : details.ExpiresAt),
            Sliding = new(details.SlidingTicks),
            StaleFor = new(details.StaleForTicks),
            Tags = details.Tags,
        };
        if (codec.EncodeStreamed(key, metadata, length, sum) is not { } header)
        {
            return null;
        }

        if (!Fits(tier, header.Written.Length + length))
        {
            header.Dispose();
            return null;
        }

        var outcome = StoreWriteOutcome.Declined;
        await edits.WriteElsewhereAsync(key, tier.IsFar, async () =>
        {
            var known = 0L;
            if (farStamp != 0 && await StandInAsync(key, metadata, farStamp, expiresAt, retainUntil).ConfigureAwait(false) is { } standIn)
            {
                if (standIn.Outcome == StoreWriteOutcome.Overtaken)
                {
                    header.Dispose();
                    outcome = StoreWriteOutcome.Overtaken;
                    return 0;
                }

                known = standIn.IsStored ? standIn.Stamp : 0;
                EntryCodec.PatchStamp(header.Written, known);
            }

            var entry = reader.EntryFor(tier, header.Bytes, expiresAt, retainUntil, details.Tags);
            var answer = await tier.Guard.RunAsync(
                StoreOperation.Write, key, (target, entry), static (_, call, token) => call.target.CompleteAsync(call.entry, token), default).ConfigureAwait(false);
            if (!answer.TryGet(out var result))
            {
                return 0; // and the header may still be in use
            }

            header.Dispose();
            outcome = result.Outcome;
            tier.Note(result.Stamp);
            if (result.IsStored && !tier.IsFar && known == 0 && result.Stamp < tier.TrustedSince)
            {
                outcome = StoreWriteOutcome.Declined; // nobody could read it: it may be outdated, and the authority cannot tell
            }

            return result.Outcome == StoreWriteOutcome.Declined ? 0 : result.Stamp; // one that was overtaken has taken with it what was older
        }).ConfigureAwait(false);
        return outcome switch
        {
            StoreWriteOutcome.Stored => true,
            StoreWriteOutcome.Overtaken => false,
            _ => null,
        };
    }

    /// <summary>Has the authority keep what stands for a value that a nearer store has: so it can be asked whether that still counts, and refuses older values.</summary>
    private async ValueTask<StoreWriteResult?> StandInAsync(string key, EntryMetadata metadata, long farStamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil)
    {
        var far = tiers[^1];
        var entry = codec.EncodeElsewhere(key, metadata);
        var answer = await far.WriteAsync(
            key, reader.EntryFor(far, entry.Bytes, expiresAt, retainUntil, [.. metadata.Tags]), StoreCondition.IfCurrent(farStamp)).ConfigureAwait(false);
        if (!answer.TryGet(out var result))
        {
            return null; // and the bytes may still be in use
        }

        entry.Dispose();
        return result;
    }

    /// <summary>Removes what was there: it must not outlive an attempt to replace it.</summary>
    private async ValueTask<bool> GiveUpAsync(string key)
    {
        await edits.RemoveAsync(key).ConfigureAwait(false);
        return false;
    }
}
