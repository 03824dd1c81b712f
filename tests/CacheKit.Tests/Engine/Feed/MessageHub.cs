using CacheKit.Stores;

namespace CacheKit.Tests.Engine.Feed;

/// <summary>Carries messages between nodes in one process, at once and in order unless the test says otherwise.</summary>
internal sealed class MessageHub
{
    private readonly List<HubNode> _nodes = [];

    internal HubNode Join()
    {
        var node = new HubNode(this);
        _nodes.Add(node);
        return node;
    }

    internal void Deliver(byte[] message)
    {
        foreach (var node in _nodes)
        {
            node.Arrive(message);
        }
    }
}

/// <summary>One node's connection to the hub.</summary>
internal sealed class HubNode(MessageHub hub) : IInvalidationTransport
{
    private IInvalidationReceiver? _receiver;

    public string Name => "hub";

    /// <summary>What was published from here, whether it was delivered or not.</summary>
    internal List<byte[]> Published { get; } = [];

    /// <summary>Messages that have come and wait for the test to hand them over.</summary>
    internal List<byte[]> Held { get; } = [];

    internal bool HoldsIncoming { get; set; }

    /// <summary>Whether what is published vanishes, though it was said to be on its way.</summary>
    internal bool LosesOutgoing { get; set; }

    /// <summary>Awaited before a message goes out: to fail or to hang.</summary>
    internal Func<ValueTask> Publishing { get; set; } = static () => default;

    internal Func<ValueTask> Subscribing { get; set; } = static () => default;

    internal bool ConnectsAtOnce { get; set; } = true;

    internal bool IsSubscribed => _receiver is not null;

    public async ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken)
    {
        await Subscribing();
        _receiver = receiver;
        if (ConnectsAtOnce)
        {
            receiver.OnConnected(isComplete: false);
        }

        return new Subscription(this);
    }

    public async ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        await Publishing();
        var copy = message.ToArray();
        lock (Published)
        {
            Published.Add(copy);
        }

        if (!LosesOutgoing)
        {
            hub.Deliver(copy);
        }
    }

    internal void Arrive(byte[] message)
    {
        if (HoldsIncoming)
        {
            Held.Add(message);
        }
        else
        {
            HandOver(message);
        }
    }

    internal void HandOver(byte[] message) => _receiver?.OnMessage(message);

    internal void HandOverHeld(params int[] order)
    {
        HoldsIncoming = false;
        foreach (var index in order)
        {
            HandOver(Held[index]);
        }

        Held.Clear();
    }

    internal void Interrupt() => _receiver!.OnInterrupted(); // tests interrupt what they have subscribed

    internal void Connect(bool isComplete) => _receiver!.OnConnected(isComplete);

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) => new(StoreLookup.Missing(0));

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) => default;

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) => default;

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) => default;

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) => default;

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) => default;

    public ValueTask DisposeAsync() => default;

    private sealed class Subscription(HubNode node) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            node._receiver = null;
            return default;
        }
    }
}
