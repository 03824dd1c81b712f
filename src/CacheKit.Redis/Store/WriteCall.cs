using CacheKit.Redis.Gathering;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>A caller's wait for what he writes by a command he shares.</summary>
internal sealed class WriteCall : GatheredCall<StoreWriteResult>
{
    internal StoreEntry Entry { get; private set; }

    /// <summary>Whether it is set whatever is there, or stored as what a factory has made.</summary>
    internal StoreCondition Condition { get; private set; }

    internal bool IsSet => Condition.Kind == StoreConditionKind.Always;

    /// <summary>What is stored; what is set gets its stamps when it is sent, or there.</summary>
    internal byte[] Record { get; private set; } = [];

    /// <summary>Which of the entries of the command it is; -1: none, it was given up before.</summary>
    internal int At { get; set; }

    /// <summary>How many that are set come before it.</summary>
    internal int SetsBefore { get; set; }

    internal static WriteCall Begin(
        string key, StoreEntry entry, StoreCondition condition, byte[] record, CancellationToken cancellationToken, out ValueTask<StoreWriteResult> writing)
    {
        var call = CallPool<WriteCall>.Rent();
        (call.Entry, call.Condition, call.Record) = (entry, condition, record);
        writing = call.Begin(key, cancellationToken);
        return call;
    }

    private protected override void Recycle()
    {
        (Entry, Condition, Record) = (default, default, []);
        CallPool<WriteCall>.Return(this);
    }
}
