using System.Collections.Concurrent;
using System.Text;
using CacheKit.Stores;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Takes down what a subscription is told.</summary>
internal sealed class RecordingReceiver : IInvalidationReceiver
{
    private readonly ConcurrentQueue<string> _messages = [];
    private readonly ConcurrentQueue<bool> _connections = [];
    private int _interruptions;

    internal IReadOnlyList<string> Messages => [.. _messages];

    internal IReadOnlyList<bool> Connections => [.. _connections];

    internal int Interruptions => Volatile.Read(ref _interruptions);

    public void OnMessage(ReadOnlyMemory<byte> message) => _messages.Enqueue(Encoding.UTF8.GetString(message.Span));

    public void OnInterrupted() => Interlocked.Increment(ref _interruptions);

    public void OnConnected(bool isComplete) => _connections.Enqueue(isComplete);
}
