using CacheKit.Diagnostics;

namespace CacheKit.Engine.Feed;

/// <summary>What becomes of a feed's connection, and suspicions: told in the order they happened, by one thread at a time, under no lock.</summary>
/// <remarks>They are added under the lock under which they happen, and told when that is released.</remarks>
internal sealed class FeedEvents(IInvalidationListener listener, FeedReporter reporter)
{
    private readonly Lock _lock = new();
    private readonly Queue<FeedEvent> _events = [];
    private bool _isTelling;

    private enum FeedEventKind
    {
        Suspect,
        Disconnected,
        Reconnected,
    }

    /// <summary>Everything held may be outdated.</summary>
    /// <param name="reason">Why; null if that is nothing to be logged.</param>
    internal void AddSuspicion(string? reason) => Add(new(FeedEventKind.Suspect, reason, default));

    internal void AddDisconnection() => Add(new(FeedEventKind.Disconnected, null, default));

    /// <param name="elapsed">For how long there was no connection.</param>
    internal void AddReconnection(TimeSpan elapsed) => Add(new(FeedEventKind.Reconnected, null, elapsed));

    /// <summary>Tells what has happened: if another thread is about it, that one goes on to the end.</summary>
    internal void Tell()
    {
        lock (_lock)
        {
            if (_isTelling)
            {
                return;
            }

            _isTelling = true;
        }

        while (TryTake(out var happened))
        {
            try
            {
                Tell(happened);
            }
            catch (Exception exception)
            {
                reporter.ListenerFailed(exception);
            }
        }
    }

    private void Add(FeedEvent happened)
    {
        lock (_lock)
        {
            _events.Enqueue(happened);
        }
    }

    private bool TryTake(out FeedEvent happened)
    {
        lock (_lock)
        {
            return _isTelling = _events.TryDequeue(out happened);
        }
    }

    private void Tell(FeedEvent happened)
    {
        switch (happened.Kind)
        {
            case FeedEventKind.Suspect:
                listener.OnSuspect();
                if (happened.Reason is { } reason)
                {
                    reporter.MessagesLost(reason);
                }

                break;
            case FeedEventKind.Disconnected:
                listener.OnDisconnected();
                reporter.Disconnected();
                break;
            default:
                listener.OnReconnected();
                reporter.Reconnected(happened.Elapsed);
                break;
        }
    }

    private readonly record struct FeedEvent(FeedEventKind Kind, string? Reason, TimeSpan Elapsed);
}
