namespace CacheKit.Stores;

/// <summary>
/// A store through which caches of several nodes tell each other what they have changed, so that memory follows. It carries messages; what
/// they mean, their order, gaps and heartbeats are the cache's affair.
/// </summary>
/// <remarks>Messages may be lost, doubled and reordered. What was certainly lost, or may have been, is told by <see cref="IInvalidationReceiver.OnInterrupted"/>.</remarks>
public interface IInvalidationTransport : ICacheStore
{
    /// <summary>Begins to receive what is published from now on, by all nodes, this one included.</summary>
    /// <param name="receiver">Told of every message. Called from any thread, never under a lock of the store.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Ends the subscription when disposed.</returns>
    /// <remarks>
    /// If the connection cannot be made yet, it returns all the same and goes on trying; <see cref="IInvalidationReceiver.OnConnected"/> tells when
    /// messages begin to arrive.
    /// </remarks>
    ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken);

    /// <summary>Sends a message to all who are subscribed.</summary>
    /// <param name="message">At most 64 KiB. Valid until the call has ended.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Completes when the message is on its way.</returns>
    ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken);
}

/// <summary>Told of what comes over an <see cref="IInvalidationTransport"/>.</summary>
public interface IInvalidationReceiver
{
    /// <summary>A message has come. Called by one thread or several; quick, and never throws.</summary>
    /// <param name="message">What was published. Its bytes are valid during the call.</param>
    void OnMessage(ReadOnlyMemory<byte> message);

    /// <summary>Messages may be lost from now on, or have been: the connection is down, was replaced, or something was dropped.</summary>
    void OnInterrupted();

    /// <summary>Messages arrive again, or for the first time.</summary>
    /// <param name="isComplete">Whether all that was published since the interruption has been, or will be, delivered as messages: from a log.</param>
    void OnConnected(bool isComplete);
}
