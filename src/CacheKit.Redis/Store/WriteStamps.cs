using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>The stamps that scripts are told which change one key: what is known before they are sent, and what was lacking to those that refused.</summary>
internal sealed class WriteStamps(StampClock clock)
{
    /// <summary>Each attempt but the first follows a write of somebody else's, so somebody gets on.</summary>
    internal const int MaximumAttempts = 100;

    /// <summary>Tells a script to draw its stamp itself.</summary>
    internal static readonly RedisValue DrawThere = RedisValue.EmptyString;

    /// <summary>What a script is told: on a single server what is known, in a cluster a stamp drawn now.</summary>
    internal ValueTask<long> GetAsync(RedisLink link, bool isSingle, CancellationToken cancellationToken) =>
        isSingle ? clock.GetUsableAsync(link, cancellationToken) : clock.DrawAsync(link, [], cancellationToken);

    /// <summary>Gets to know what a script was not told that has refused: then it is to be sent again.</summary>
    /// <param name="link">Where.</param>
    /// <param name="refusal">What it has answered.</param>
    /// <param name="attempt">How many times it was sent.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    internal async ValueTask CatchUpAsync(RedisLink link, long refusal, int attempt, CancellationToken cancellationToken)
    {
        if (attempt >= MaximumAttempts)
        {
            throw new CacheStoreException("A key is written so often that no write gets through.", StoreFailure.Transient);
        }

        if (refusal < Scripts.Behind)
        {
            clock.Advance(-refusal);
        }
        else
        {
            await clock.LookAsync(link, cancellationToken).ConfigureAwait(false);
            if (clock.Stands)
            {
                // It would look no less outdated. The server refuses this as it would the write, and with the same words; or it does not any more.
                await clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
            }
        }
    }

    internal static CacheStoreException TooContended(string key) =>
        new($"'{key}' is written so often that no write gets through.", StoreFailure.Transient);
}
