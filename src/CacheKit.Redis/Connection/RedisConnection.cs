using CacheKit.Diagnostics;
using CacheKit.Redis.Diagnostics;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>The connection of one cache: made in the background, watched, and replaced if it hangs.</summary>
/// <remarks>
/// <para>Every command goes through <see cref="RunAsync{T}"/>, which gives it a time limit: the oldest supported client has none for asynchronous calls, and would
/// wait on a half-open connection for ever. The limit runs on the real clock, whatever the cache's <see cref="TimeProvider"/> shows: the network
/// does not stand still when a test's clock does.</para>
/// <para>A connection that takes bytes and returns none looks connected to the client. So after a few commands that ran into their limit, whatever others did meanwhile,
/// it is asked for a sign of life until it gives one; if it gives none for some seconds, a new one takes its place, and closing the old one ends what still waits on it.
/// A connection that belongs to the application is left alone.</para>
/// </remarks>
internal sealed class RedisConnection : IAsyncDisposable
{
    private static readonly TimeSpan _signOfLifeWithin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestDelay = TimeSpan.FromMinutes(1);

    private readonly ConnectionSource _source;
    private readonly IServiceProvider _services;
    private readonly string _cache;
    private readonly ILogger _logger;
    private readonly QuietLogger _quiet;
    private readonly TimeSpan _limit;
    private readonly TimeSpan _silenceToReplace;
    private readonly TimeProvider _time = TimeProvider.System;
    private readonly CancellationTokenSource _disposal = new();
    private readonly CommandWatch _watch;
    private readonly ReachabilityCheck _check;
    private readonly ConnectionTrouble _trouble;
    private readonly Lock _gate = new();

    private volatile RedisLink? _link;
    private Task<RedisLink>? _connecting;
    private long _connectAfter;
    private int _isAsking;

    internal RedisConnection(ConnectionSource source, StoreContext context, ILogger logger, TimeSpan limit, TimeSpan? silenceToReplace = null)
    {
        _source = source;
        _services = context.Services;
        _cache = context.CacheName;
        _logger = logger;
        _quiet = new(logger);
        _limit = limit;
        _watch = new(limit, _time);
        _check = new(source, _time);
        _trouble = new(context.CacheName, _check, logger, _time, _disposal.Token);
        _silenceToReplace = silenceToReplace ?? TimeSpan.FromSeconds(5);

        // Misuse is told here and now, and a connection that is there already is used at once.
        if (!source.IsOwned)
        {
            var connecting = source.ConnectAsync(_services, CancellationToken.None);
            Adopt(connecting.GetAwaiter().GetResult());
        }
        else
        {
            _ = BeginConnecting();
        }
    }

    /// <summary>Something of the connection was lost, or all of it.</summary>
    internal event Action? Lost;

    /// <summary>Something of the connection was made again, or all of it was replaced.</summary>
    internal event Action? Restored;

    /// <summary>The connection, if there is one.</summary>
    internal RedisLink? Link => _link;

    /// <summary>Ends the wait for commands that take too long.</summary>
    internal CommandWatch Watch => _watch;

    internal bool IsDisposed => _disposal.IsCancellationRequested;

    /// <summary>Gets the connection, and waits for the first one.</summary>
    /// <exception cref="CacheStoreException">It cannot be had in time.</exception>
    internal ValueTask<RedisLink> GetAsync(CancellationToken cancellationToken) =>
        _link is { } link ? new(link) : new(WaitForLinkAsync(cancellationToken));

    /// <summary>Waits for the attempt to connect that is under way, as long as the client tries.</summary>
    /// <exception cref="CacheStoreException">It failed.</exception>
    internal async Task<RedisLink> GetFirstAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await BeginConnecting().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            throw OnFailure(null, exception, null);
        }
    }

    /// <summary>Waits for a command, but not for ever.</summary>
    /// <typeparam name="T">What it returns.</typeparam>
    /// <param name="link">The connection it was sent on.</param>
    /// <param name="command">The command. If it is given up it may still take effect.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <param name="key">The key, where it may be the cause of an error.</param>
    /// <returns>What it returns.</returns>
    internal ValueTask<T> RunAsync<T>(RedisLink link, Task<T> command, CancellationToken cancellationToken, string? key = null) =>
        WatchedCommand<T>.TryBegin(this, _watch, link, command, key, cancellationToken) ?? RunTimedAsync(link, command, key, cancellationToken);

    /// <summary>Runs a script and waits for it, but not for ever.</summary>
    internal ValueTask<RedisResult> RunAsync(
        RedisLink link, RedisScript script, RedisKey[] keys, RedisValue[] arguments, CancellationToken cancellationToken, string? key = null)
    {
        var running = script.SendAsync(link.Database, keys, arguments);
        return WatchedScript.TryBegin(this, _watch, link, running, key, script, keys, arguments, cancellationToken)
            ?? RunTimedAsync(link, script.OrInFullAsync(running, link.Database, keys, arguments), key, cancellationToken);
    }

    /// <summary>Waits for a subscription, but not for ever.</summary>
    /// <remarks>
    /// How it ends says nothing of whether Redis answers, while the client is connected. Where no server is there, the client may take it down for later, and count it as made. And it has a connection of its own, which is back
    /// later than that of the commands after an outage: what fails then would be told as another one.
    /// </remarks>
    internal ValueTask SubscribeAsync(RedisLink link, Task subscribing, CancellationToken cancellationToken) =>
        AwaitAsync(link, subscribing, key: null, cancellationToken, isSubscription: true);

    /// <summary>Waits for a command, but not for ever, where the watch has no place for it.</summary>
    internal Task<T> WithLimit<T>(Task<T> command)
    {
        Abandoned.Observe(command);
        return command.WaitAsync(_limit, _time);
    }

    /// <summary>Closes the connection, if it is the cache's.</summary>
    public async ValueTask DisposeAsync()
    {
        RedisLink? link;
        Task<RedisLink>? connecting;
        lock (_gate)
        {
            if (_disposal.IsCancellationRequested)
            {
                return;
            }

            _disposal.Cancel();
            (link, connecting) = (_link, _connecting);
            _link = null;
        }

        if (link is not null)
        {
            Release(link);
        }
        else if (connecting is not null)
        {
            // It may be a while until the attempt has failed; what comes of it then is closed.
            _ = connecting.ContinueWith(
                ended => Release(ended.Result), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        }

        _watch.Dispose();
        await Task.CompletedTask.ConfigureAwait(false);
    }

    // With a timer of its own, where there are very many at once.
    private async ValueTask<T> RunTimedAsync<T>(RedisLink link, Task<T> command, string? key, CancellationToken cancellationToken)
    {
        await AwaitAsync(link, command, key, cancellationToken).ConfigureAwait(false);
        OnSuccess();
        return await command.ConfigureAwait(false);
    }

    private async ValueTask AwaitAsync(RedisLink link, Task command, string? key, CancellationToken cancellationToken, bool isSubscription = false)
    {
        try
        {
            await command.WaitAsync(_limit, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            Abandoned.Observe(command);
            throw isSubscription && link.Multiplexer.IsConnected ? RedisErrors.Translate(exception) : OnFailure(link, exception, key);
        }
    }

    private async Task<RedisLink> WaitForLinkAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, typeof(RedisConnection));
        try
        {
            return await BeginConnecting().WaitAsync(_limit, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            throw OnFailure(null, exception, null);
        }
    }

    private Task<RedisLink> BeginConnecting()
    {
        lock (_gate)
        {
            if (_link is { } link)
            {
                return Task.FromResult(link);
            }

            // An attempt that has failed is not repeated by every call, but by the first one after a while.
            if (_connecting is null || (_connecting.IsCompleted && _time.GetTimestamp() >= _connectAfter))
            {
                _connecting = Task.Run(ConnectAsync);
                Abandoned.Observe(_connecting);
            }

            return _connecting;
        }
    }

    private async Task<RedisLink> ConnectAsync()
    {
        try
        {
            return Adopt(await _source.ConnectAsync(_services, _disposal.Token).ConfigureAwait(false));
        }
        finally
        {
            Volatile.Write(ref _connectAfter, _time.GetTimestamp() + _time.TimestampFrequency);
        }
    }

    private RedisLink Adopt(IConnectionMultiplexer multiplexer)
    {
        var link = new RedisLink(multiplexer);
        multiplexer.ConnectionFailed += OnConnectionFailed;
        multiplexer.ConnectionRestored += OnConnectionRestored;
        multiplexer.ConfigurationChanged += OnConfigurationChanged;
        link.Inspect();
        RedisLink? old;
        lock (_gate)
        {
            old = _link;
            if (!_disposal.IsCancellationRequested)
            {
                _link = link;
            }
        }

        if (IsDisposed)
        {
            Release(link);
        }
        else if (old is not null)
        {
            Release(old);
        }

        return link;
    }

    private void Release(RedisLink link)
    {
        var multiplexer = link.Multiplexer;
        multiplexer.ConnectionFailed -= OnConnectionFailed;
        multiplexer.ConnectionRestored -= OnConnectionRestored;
        multiplexer.ConfigurationChanged -= OnConfigurationChanged;
        if (_source.IsOwned)
        {
            // Not disposed: that blocks while the connection hangs. Closing ends what still waits.
            Abandoned.Observe(multiplexer.CloseAsync(allowCommandsToComplete: false));
        }
    }

    private void OnConnectionFailed(object? sender, ConnectionFailedEventArgs e)
    {
        _check.OnFailed(e);
        _trouble.OnLost(_link);
        Lost?.Invoke();
    }

    private void OnConnectionRestored(object? sender, ConnectionFailedEventArgs e)
    {
        _check.Forget();
        _link?.Inspect();
        if (_trouble.IsThere && _link is { } link && Interlocked.Exchange(ref _isAsking, 1) == 0)
        {
            _ = AskAsync(link);
        }

        Restored?.Invoke();
    }

    /// <summary>Asks for an answer, so that what was told to be wrong is told to be over though nobody uses the cache.</summary>
    private async Task AskAsync(RedisLink link)
    {
        const int Attempts = 20;
        try
        {
            // The client tells a little before it counts itself as connected, and a server may not be ready yet.
            for (var attempt = 0; attempt < Attempts && _trouble.IsThere && link == _link; attempt++)
            {
                await AskOnceAsync(link).ConfigureAwait(false);
                await Task.Delay(TimeSpan.FromMilliseconds(250), _time, _disposal.Token).ConfigureAwait(false);
            }
        }
        catch (Exception) when (IsDisposed)
        {
            // Disposed.
        }
        finally
        {
            Volatile.Write(ref _isAsking, 0);
        }
    }

    private async Task AskOnceAsync(RedisLink link)
    {
        try
        {
            await RunAsync(link, link.Database.PingAsync(), _disposal.Token).ConfigureAwait(false);
        }
        catch (Exception) when (!IsDisposed)
        {
            // Then it is not over.
        }
    }

    private void OnConfigurationChanged(object? sender, EndPointEventArgs e) => _link?.Inspect();

    /// <summary>What has been told to be wrong with the connection; none while nothing is.</summary>
    internal string? Trouble => _trouble.Reason;

    /// <summary>A command has been answered.</summary>
    internal void OnSuccess()
    {
        if (_trouble.IsThere)
        {
            _trouble.OnSuccess(_link is { Multiplexer.IsConnected: true });
        }
    }

    /// <summary>A command has failed.</summary>
    /// <returns>What to throw.</returns>
    internal CacheStoreException OnFailure(RedisLink? link, Exception exception, string? key)
    {
        var translated = RedisErrors.Translate(exception, key);
        if (translated.Failure != StoreFailure.Unavailable || IsDisposed)
        {
            return translated;
        }

        if (_trouble.OnFailure(link, translated, isTimeout: exception is TimeoutException, isCurrent: link is not null && link == _link))
        {
            _ = WatchAsync(link!); // what is current is there
        }

        return _trouble.Explain(link, translated);
    }

    /// <summary>Finds out why there is no connection, and says so with the failure.</summary>
    internal Task<CacheStoreException> ExplainAsync(CacheStoreException failure, CancellationToken cancellationToken) =>
        _trouble.ExplainAsync(_link, failure, cancellationToken);

    private async Task WatchAsync(RedisLink link)
    {
        try
        {
            var (since, delay) = (_time.GetTimestamp(), TimeSpan.FromSeconds(2));
            while (!await GivesSignOfLifeAsync(link).ConfigureAwait(false))
            {
                if (_source.IsOwned && _time.GetElapsedTime(since) >= _silenceToReplace)
                {
                    if (await TryReplaceAsync(delay).ConfigureAwait(false))
                    {
                        return;
                    }

                    await Task.Delay(delay, _time, _disposal.Token).ConfigureAwait(false);
                    delay = delay * 2 < _longestDelay ? delay * 2 : _longestDelay;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(250), _time, _disposal.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
        finally
        {
            _trouble.EndWatching();
        }
    }

    private async Task<bool> GivesSignOfLifeAsync(RedisLink link)
    {
        try
        {
            var signs = link.Servers.Select(server => server.PingAsync()).ToList();
            if (signs.Count == 0)
            {
                // The client knows that it is not connected, and is at it.
                return true;
            }

            signs.ForEach(Abandoned.Observe);
            await Task.WhenAll(signs).WaitAsync(_signOfLifeWithin, _time, _disposal.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !IsDisposed)
        {
            return false;
        }
    }

    // Once it is told that nobody answers, it goes without saying.
    private void TellReplacementFailed(TimeSpan delay, Exception? exception) =>
        (Trouble is null ? _logger : _quiet).ReplacementFailed(_cache, delay, Trouble is null ? null : exception);

    private async Task<bool> TryReplaceAsync(TimeSpan delay)
    {
        IConnectionMultiplexer? multiplexer = null;
        try
        {
            multiplexer = await _source.ConnectAsync(_services, _disposal.Token).ConfigureAwait(false);
            if (multiplexer.IsConnected && await GivesSignOfLifeAsync(new(multiplexer)).ConfigureAwait(false))
            {
                _logger.ConnectionReplaced(_cache);
                Lost?.Invoke();
                Adopt(multiplexer);
                multiplexer = null;
                Restored?.Invoke();
                return true;
            }

            TellReplacementFailed(delay, null);
            return false;
        }
        catch (Exception exception) when (!IsDisposed)
        {
            TellReplacementFailed(delay, exception);
            return false;
        }
        finally
        {
            if (multiplexer is not null)
            {
                Abandoned.Observe(multiplexer.CloseAsync(allowCommandsToComplete: false));
            }
        }
    }
}
