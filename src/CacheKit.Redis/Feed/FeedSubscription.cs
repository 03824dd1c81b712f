using System.Security.Cryptography;
using System.Text;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Diagnostics;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Feed;

/// <summary>One receiver's subscription: made, proven, watched, and after an interruption made again, with what was missed read from the log.</summary>
/// <remarks>
/// <para>The client subscribes again by itself after it has lost the connection, but tells neither when, nor whether it has. So a subscription counts as made
/// when a message sent for the purpose has come back over it. From then on nothing is missed; what was before is in the log.</para>
/// <para>It counts as interrupted when the client tells of a lost connection, when the connection is replaced, and when messages of this
/// node's own do not come back: a half-open connection shows by nothing else.</para>
/// <para>Messages come in no certain order, so where to read on is taken from a few seconds before the interruption; some then come twice.</para>
/// </remarks>
internal sealed class FeedSubscription : IAsyncDisposable
{
    private const int ReplayPage = 500;

    private static readonly TimeSpan _probeWithin = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _answerWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _reordering = TimeSpan.FromSeconds(2);

    private readonly MessageFeed _feed;
    private readonly IInvalidationReceiver _receiver;
    private readonly TimeProvider _time = TimeProvider.System;
    private readonly CancellationTokenSource _disposal = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _firstAttempt = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Task _running = Task.CompletedTask;
    private TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private (byte[] Probe, TaskCompletionSource<string?> Returned)? _probe;

    // A place in the log up to which everything has certainly come, and the next one.
    private string? _place;
    private string? _nextPlace;
    private long _nextPlaceAt;

    internal FeedSubscription(MessageFeed feed, IInvalidationReceiver receiver)
    {
        _feed = feed;
        _receiver = receiver;
        feed.Connection.Lost += OnLost;
    }

    /// <summary>Begins, and waits for the first attempt, however it ends.</summary>
    internal async Task StartAsync(CancellationToken cancellationToken)
    {
        _running = Task.Run(RunAsync, CancellationToken.None);
        await _firstAttempt.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposal.IsCancellationRequested)
        {
            return;
        }

        await _disposal.CancelAsync().ConfigureAwait(false);
        _feed.Connection.Lost -= OnLost;
        _feed.Remove(this);
        await _running.ConfigureAwait(false);
    }

    private void OnLost()
    {
        lock (_gate)
        {
            _lost.TrySetResult();
        }
    }

    private async Task RunAsync()
    {
        ISubscriber? subscriber = null;
        RedisChannel channel = default;
        RedisLink? subscribed = null;
        var (isFirst, hasFailed, failures) = (true, false, 0);
        var news = new FeedNews(_feed);
        while (!_disposal.IsCancellationRequested)
        {
            try
            {
                TaskCompletionSource lost;
                lock (_gate)
                {
                    if (_lost.Task.IsCompleted)
                    {
                        _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
                    }

                    lost = _lost;
                }

                var link = await _feed.Connection.GetAsync(_disposal.Token).ConfigureAwait(false);
                if (link != subscribed || failures % 3 == 2)
                {
                    // On the connection that was replaced, or where the client seems to have forgotten.
                    Leave(subscriber, channel);
                    subscriber = link.Multiplexer.GetSubscriber();
                    channel = _feed.ChannelOf(link);
                    await _feed.Connection.SubscribeAsync(link, subscriber.SubscribeAsync(channel, OnMessage), _disposal.Token).ConfigureAwait(false);
                    subscribed = link;
                }

                var place = await ProveAsync(link).ConfigureAwait(false);
                var isComplete = isFirst ? !hasFailed : await CatchUpAsync(link, place).ConfigureAwait(false);
                lock (_gate)
                {
                    (_place, _nextPlace, _nextPlaceAt) = (place, place, _time.GetTimestamp());
                }

                _feed.ForgetUnanswered();
                if (!isFirst || hasFailed)
                {
                    news.Connected(isComplete);
                }

                (isFirst, hasFailed, failures) = (false, false, 0);
                _receiver.OnConnected(isComplete);
                _firstAttempt.TrySetResult();

                await WatchAsync(lost.Task).ConfigureAwait(false);
                news.Interrupted(isLost: lost.Task.IsCompleted);
                _receiver.OnInterrupted();
            }
            catch (Exception exception) when (!_disposal.IsCancellationRequested)
            {
                failures++;
                _firstAttempt.TrySetResult();
                hasFailed = true;
                await news.FailedAsync(exception, _disposal.Token).ConfigureAwait(false);

                await PauseAsync(failures).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Disposed.
            }
        }

        _firstAttempt.TrySetResult();
        Leave(subscriber, channel);
    }

    private void Leave(ISubscriber? subscriber, RedisChannel channel)
    {
        try
        {
            if (subscriber is not null && !_feed.Connection.IsDisposed)
            {
                Abandoned.Observe(subscriber.UnsubscribeAsync(channel, OnMessage));
            }
        }
        catch (ObjectDisposedException)
        {
            // The client was closed when its connection was replaced, and the subscription went with it.
        }
    }

    private async Task PauseAsync(int failures)
    {
        try
        {
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(100 << Math.Min(failures, 5), 2000)), _time, _disposal.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    /// <summary>Waits until the subscription is lost.</summary>
    private async Task WatchAsync(Task lost)
    {
        while (_feed.Unanswered < _answerWithin)
        {
            try
            {
                await lost.WaitAsync(TimeSpan.FromSeconds(1), _time, _disposal.Token).ConfigureAwait(false);
                return;
            }
            catch (TimeoutException)
            {
                // Still there, as far as the client knows.
            }
        }
    }

    /// <summary>Sends a message and waits until it has come back.</summary>
    /// <returns>Its place in the log; <see langword="null"/> if there is none.</returns>
    private async Task<string?> ProveAsync(RedisLink link)
    {
        var probe = RandomNumberGenerator.GetBytes(16);
        var returned = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _probe = (probe, returned);
        }

        await _feed.ProbeAsync(link, probe, _disposal.Token).ConfigureAwait(false);
        return await returned.Task.WaitAsync(_probeWithin, _time, _disposal.Token).ConfigureAwait(false);
    }

    /// <summary>Delivers what was logged since the place that was reached.</summary>
    /// <returns>Whether that is all there was.</returns>
    private async Task<bool> CatchUpAsync(RedisLink link, string? until)
    {
        string? from;
        lock (_gate)
        {
            from = _place;
        }

        if (from is null || until is null)
        {
            return false;
        }

        var isComplete = false;
        for (var (start, isStart) = (from, true); ; isStart = false)
        {
            var reading = link.Database.ExecuteAsync(
                "XRANGE", [_feed.Layout.Log, (RedisValue)start, (RedisValue)until, (RedisValue)"COUNT", (RedisValue)ReplayPage], Flags.Master);
            var page = (RedisResult[]?)await _feed.Connection.RunAsync(link, reading, _disposal.Token).ConfigureAwait(false) ?? [];
            foreach (var item in page)
            {
                var parts = (RedisResult[])item!; // as XRANGE is specified: the place, then names and values
                var at = (string)parts[0]!;
                if (at == start)
                {
                    // This one has come already. That it is still there tells that nothing after it has gone.
                    isComplete |= isStart;
                    continue;
                }

                if ((RedisValue[]?)parts[1] is [_, var frame, ..])
                {
                    Deliver((byte[]?)frame);
                }
            }

            if (page.Length < ReplayPage)
            {
                return isComplete;
            }

            start = (string)((RedisResult[])page[^1]!)[0]!; // as above
        }
    }

    private void OnMessage(RedisChannel channel, RedisValue value)
    {
        if (_disposal.IsCancellationRequested || (byte[]?)value is not { } bytes || bytes.AsSpan().IndexOf((byte)' ') is not (> 0 and var space))
        {
            return;
        }

        var frame = bytes.AsMemory(space + 1);
        if (!_feed.TryOpen(frame, out var kind, out var message))
        {
            return;
        }

        var place = space == 1 && bytes[0] == (byte)'-' ? null : Encoding.ASCII.GetString(bytes, 0, space);
        lock (_gate)
        {
            if (place is not null && _time.GetElapsedTime(_nextPlaceAt) >= _reordering)
            {
                (_place, _nextPlace, _nextPlaceAt) = (_nextPlace, place, _time.GetTimestamp());
            }

            if (kind == FrameKind.Probe && _probe is { } probe && message.Span.SequenceEqual(probe.Probe))
            {
                probe.Returned.TrySetResult(place);
            }
        }

        if (kind == FrameKind.Message)
        {
            Tell(message);
        }
    }

    private void Deliver(byte[]? frame)
    {
        if (frame is not null && _feed.TryOpen(frame, out var kind, out var message) && kind == FrameKind.Message)
        {
            Tell(message);
        }
    }

    private void Tell(ReadOnlyMemory<byte> message)
    {
        try
        {
            _receiver.OnMessage(message);
        }
        catch (Exception exception)
        {
            // It must neither end the subscription nor reach the client; whatever the message was, it may not have been heeded.
            _feed.Logger.FeedInterrupted(_feed.Cache, $"one could not be applied ({exception.Message}).", exception);
            OnLost();
        }
    }
}
