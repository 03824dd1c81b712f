using CacheKit.Memory;

namespace CacheKit.Engine.Tiers;

/// <summary>Lets one caller at a time work on a key, without blocking threads. For work that would only get into its own way at a store.</summary>
internal sealed class KeyTurns
{
    private const int Count = 64;

    private readonly SemaphoreSlim[] _turns = [.. Enumerable.Range(0, Count).Select(static _ => new SemaphoreSlim(1, 1))];

    /// <summary>Waits for the turn of a key, which ends when the result is disposed.</summary>
    internal async ValueTask<Turn> TakeAsync(string key, CancellationToken cancellationToken)
    {
        var turn = _turns[KeyHash.Of(key) & (Count - 1)];
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new(turn);
    }

    /// <summary>The turn; disposed once.</summary>
    internal readonly struct Turn(SemaphoreSlim held) : IDisposable
    {
        public void Dispose() => held.Release();
    }
}
