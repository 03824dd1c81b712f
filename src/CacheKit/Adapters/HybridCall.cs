namespace CacheKit.Adapters;

/// <summary>One caller's factory, and what became of it if it ran.</summary>
internal sealed class HybridCall<TState, T>(TState state, Func<TState, CancellationToken, ValueTask<T>> factory, bool isStored)
{
    internal static readonly Func<HybridCall<TState, T>, CacheEntryContext, CancellationToken, ValueTask<T>> Run =
        static (call, context, token) => call.RunAsync(context, token);

    private readonly TState _state = state;

    /// <summary>Whether it ran and failed, so that the exception is its own.</summary>
    internal bool HasFailed { get; private set; }

    /// <summary>Whether it ran and made <see cref="Value"/>.</summary>
    internal bool HasValue { get; private set; }

    internal T? Value { get; private set; }

    internal ValueTask<T> RunAsync(CancellationToken cancellationToken) => factory(_state, cancellationToken);

    private async ValueTask<T> RunAsync(CacheEntryContext context, CancellationToken cancellationToken)
    {
        if (!isStored)
        {
            context.SkipStoring();
        }

        try
        {
            Value = await factory(_state, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            HasFailed = true;
            throw;
        }

        HasValue = true;
        return Value;
    }
}
