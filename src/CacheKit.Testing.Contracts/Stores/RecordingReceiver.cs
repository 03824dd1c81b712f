using System.Collections.Concurrent;
using System.Text;
using CacheKit.Stores;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Keeps what a transport has told, for a test to look at.</summary>
internal sealed class RecordingReceiver : IInvalidationReceiver
{
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The messages as text, in the order they came.</summary>
    internal ConcurrentQueue<string> Messages { get; } = [];

    /// <summary>Completes when messages begin to arrive.</summary>
    internal Task Connected => _connected.Task;

    /// <summary>Called after a message was kept.</summary>
    internal Action<string>? Received { get; init; }

    public void OnMessage(ReadOnlyMemory<byte> message)
    {
        var text = Encoding.UTF8.GetString(message.Span);
        Messages.Enqueue(text);
        Received?.Invoke(text);
    }

    public void OnInterrupted()
    {
    }

    public void OnConnected(bool isComplete) => _connected.TrySetResult();
}
