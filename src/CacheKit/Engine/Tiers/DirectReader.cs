using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>How a read without a flight has ended.</summary>
internal enum DirectReadEnd
{
    /// <summary>With the value.</summary>
    Found,

    /// <summary>The store has nothing that could be used, or has not answered.</summary>
    Missing,

    /// <summary>With something that takes a closer look.</summary>
    Unclear,
}

/// <summary>Reads values of a cache that keeps nothing in memory from its one store, without a flight: most find what they look for, and nothing is to be kept or told.</summary>
/// <remarks>
/// <para>Such a read begins after its caller has come and is his alone, so he gets nothing older than what was there when he came. What is not plain is left to a flight: who is at the same key
/// already, what is past its time, what memory holds all the same.</para>
/// <para>For gets alone. Who would have a missing value made boards a flight at once: a read before it could come back when the flight of those who came later has failed already, and
/// would have the factory run once more.</para>
/// </remarks>
internal sealed class DirectReader(StoreTier tier, KeyTraffic traffic, MemoryTier memory, StoreReader reader, EntryCodec codec, EntryLife life, StoreTime time)
{
    /// <summary>Begins to read a key, if that can be done without a flight. The call is to be ended.</summary>
    internal bool TryBegin(string key, CacheTiers tiers, out KeyReading reading)
    {
        reading = default;
        return tier.Reads(tiers) && !IsInMemory(key) && traffic.TryBegin(key, out reading);
    }

    internal void End(in KeyReading reading) => traffic.End(reading);

    /// <summary>Asks the store.</summary>
    /// <param name="key">The key.</param>
    /// <param name="deliveries">What the store had been told late by then: to be handed to <see cref="Use"/>.</param>
    /// <param name="cancellationToken">Ends the caller's wait.</param>
    internal ValueTask<StoreAnswer<StoreLookup>> ReadAsync(string key, out long deliveries, CancellationToken cancellationToken)
    {
        deliveries = tier.Recovery.Deliveries;
        return tier.Guard.ReadAsync(key, new() { TagHints = [] }, cancellationToken);
    }

    /// <summary>Makes of the store's answer what the caller gets, and disposes it.</summary>
    internal DirectReadEnd Use<T>(
        string key, in StoreAnswer<StoreLookup> answer, long deliveries, bool allowsStale, CacheEntryOptions? options, out T value)
    {
        value = default!; // not read unless it is found
        if (!answer.TryGet(out var lookup))
        {
            return DirectReadEnd.Missing;
        }

        using (lookup)
        {
            tier.Note(Math.Max(lookup.LoadStamp, lookup.Stamp));
            if (!lookup.IsFound)
            {
                return DirectReadEnd.Missing;
            }

            if (lookup.ExpiresAt <= time.UtcNow)
            {
                return allowsStale ? DirectReadEnd.Unclear : DirectReadEnd.Missing;
            }

            var receiver = new Receiver<T>();
            if (lookup.Number is not null || tier.Recovery.MayCover(deliveries) || IsInMemory(key)
                || !EntryCodec.TryParse(lookup.Payload, key, out var envelope)
                || codec.TryDecode<T, Receiver<T>>(envelope, ref receiver, out _) != DecodeStatus.Decoded || !receiver.HasValue)
            {
                return DirectReadEnd.Unclear;
            }

            if (envelope.Sliding > TimeSpan.Zero)
            {
                life.Renew(reader.Compose(key, receiver.Value, reader.DetailsOf(lookup, tier, envelope, options), options));
            }

            value = receiver.Value!; // it is there, as the type asked for
            return DirectReadEnd.Found;
        }
    }

    // Mostly there is nothing at all, which one look at a number tells; a search would fetch two lines of memory to find it.
    private bool IsInMemory(string key) => memory.Count > 0 && memory.Find(key) is not null;

    private struct Receiver<T> : IDecodedValue
    {
        internal T? Value;
        internal bool HasValue;

        public void Accept<TStored>(TStored value) => HasValue = ValueReader.TryConvert(value, out Value);
    }
}
