using CacheKit.Redis.Gathering;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>A caller's wait for what he sets by a command he shares.</summary>
internal sealed class SetCall : GatheredCall<StoreWriteResult>
{
    internal StoreEntry Entry { get; private set; }

    internal EntryTags Tags { get; private set; } = EntryTags.None;

    /// <summary>What is stored, but for the stamps.</summary>
    internal byte[] Record { get; private set; } = [];

    /// <summary>Which of the entries of the command it is; -1: none, it was given up before.</summary>
    internal int At { get; set; }

    internal static SetCall Begin(
        string key, StoreEntry entry, EntryTags tags, byte[] record, CancellationToken cancellationToken, out ValueTask<StoreWriteResult> writing)
    {
        var call = CallPool<SetCall>.Rent();
        (call.Entry, call.Tags, call.Record) = (entry, tags, record);
        writing = call.Begin(key, cancellationToken);
        return call;
    }

    private protected override void Recycle()
    {
        (Entry, Tags, Record) = (default, EntryTags.None, []);
        CallPool<SetCall>.Return(this);
    }
}
