using System.Runtime.ExceptionServices;
using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>Something that goes wrong with calls of a <see cref="FaultyStore"/>. Safe for concurrent use.</summary>
public sealed class StoreFault
{
    private readonly Step _step;
    private readonly Exception? _exception;
    private readonly bool _heedsToken;
    private readonly Spoiler? _spoiler;
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _hits;

    private StoreFault(Step step, Exception? exception = null, bool heedsToken = false, Spoiler? spoiler = null)
    {
        _step = step;
        _exception = exception;
        _heedsToken = heedsToken;
        _spoiler = spoiler;
    }

    /// <summary>Makes other bytes of those that were read from a store.</summary>
    internal delegate ValueTask<byte[]> Spoiler(ICacheStore store, byte[] bytes);

    private enum Step
    {
        ThrowAtOnce,
        Fail,
        Hang,
        AnswerLate,
        FailAfterwards,
        Decline,
        Spoil,
    }

    /// <summary>How many calls have met the fault.</summary>
    public int Hits => Volatile.Read(ref _hits);

    /// <summary>Completes when the first call has met the fault; with <see cref="AnswerLate"/>, when its work is done.</summary>
    public Task Reached => _reached.Task;

    /// <summary>The call itself throws, before it has given a task. The store does nothing.</summary>
    /// <param name="exception">What it throws; a <see cref="CacheStoreException"/> if <see langword="null"/>.</param>
    /// <returns>The fault.</returns>
    public static StoreFault Throw(Exception? exception = null) => new(Step.ThrowAtOnce, exception ?? Unavailable());

    /// <summary>The task of the call fails. The store does nothing.</summary>
    /// <param name="exception">What with; a <see cref="CacheStoreException"/> if <see langword="null"/>.</param>
    /// <returns>The fault.</returns>
    public static StoreFault Fail(Exception? exception = null) => new(Step.Fail, exception ?? Unavailable());

    /// <summary>The call does nothing until <see cref="Release"/>, and then what it was asked: a command that arrives late.</summary>
    /// <param name="heedsToken">Whether it ends, with nothing done, when its token is cancelled. If not, it is carried out all the same.</param>
    /// <returns>The fault.</returns>
    public static StoreFault Hang(bool heedsToken = true) => new(Step.Hang, heedsToken: heedsToken);

    /// <summary>The store does what it was asked at once, but the answer does not come before <see cref="Release"/>.</summary>
    /// <param name="heedsToken">Whether the call ends when its token is cancelled.</param>
    /// <returns>The fault.</returns>
    public static StoreFault AnswerLate(bool heedsToken = true) => new(Step.AnswerLate, heedsToken: heedsToken);

    /// <summary>The store does what it was asked, and yet the task fails: the answer was lost.</summary>
    /// <param name="exception">What with; a <see cref="CacheStoreException"/> if <see langword="null"/>.</param>
    /// <returns>The fault.</returns>
    public static StoreFault FailAfterwards(Exception? exception = null) => new(Step.FailAfterwards, exception ?? Unavailable());

    /// <summary>Writes are declined, as by a store that is full; one that is unconditional leaves nothing under its key. Other calls are as ever.</summary>
    /// <returns>The fault.</returns>
    public static StoreFault Decline() => new(Step.Decline);

    /// <summary>Reads that find an entry find other bytes in its place. Other calls are as ever.</summary>
    /// <param name="spoil">Makes the bytes of those that are stored.</param>
    /// <returns>The fault.</returns>
    public static StoreFault Spoil(Func<byte[], byte[]> spoil)
    {
        ArgumentNullException.ThrowIfNull(spoil);
        return new(Step.Spoil, spoiler: (_, bytes) => new(spoil(bytes)));
    }

    /// <summary>Reads that find an entry find only the beginning of its bytes.</summary>
    /// <param name="length">How many bytes are left, if there were as many.</param>
    /// <returns>The fault.</returns>
    public static StoreFault Truncate(int length) => Spoil(bytes => bytes[..Math.Min(length, bytes.Length)]);

    /// <summary>Reads that find an entry find one bit of it flipped.</summary>
    /// <param name="bit">Which, from the beginning; counted on from the beginning again if there are fewer.</param>
    /// <returns>The fault.</returns>
    public static StoreFault FlipBit(int bit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bit);
        return Spoil(bytes =>
        {
            if (bytes.Length > 0)
            {
                bytes[bit / 8 % bytes.Length] ^= (byte)(1 << (bit % 8));
            }

            return bytes;
        });
    }

    /// <summary>Reads that find an entry find bytes that something else has written.</summary>
    /// <returns>The fault.</returns>
    public static StoreFault Foreign() => Spoil(_ => "{\"written\":\"by something else\"}"u8.ToArray());

    /// <summary>Reads that find an entry find the bytes of another key.</summary>
    /// <param name="otherKey">That key; what is under it is read at that moment.</param>
    /// <returns>The fault.</returns>
    public static StoreFault BytesOf(string otherKey)
    {
        ArgumentNullException.ThrowIfNull(otherKey);
        return new(Step.Spoil, spoiler: async (store, _) =>
        {
            using var other = await store.ReadAsync(otherKey, default, CancellationToken.None).ConfigureAwait(false);
            return other.Payload.ToArray();
        });
    }

    /// <summary>Lets calls go on that hang or whose answers are kept back, and those that come later.</summary>
    public void Release() => _released.TrySetResult();

    /// <summary>Has a call go wrong.</summary>
    /// <param name="call">Does what was asked.</param>
    /// <param name="decline">Answers in its place that the store does not take it; <see langword="null"/> if there is no such answer.</param>
    /// <param name="spoil">Puts other bytes in the place of those that were read; <see langword="null"/> if there are none.</param>
    /// <param name="cancellationToken">The token of the call.</param>
    internal ValueTask<T> MeetAsync<T>(
        Func<CancellationToken, ValueTask<T>> call, Func<ValueTask<T>>? decline, Func<T, Spoiler, ValueTask<T>>? spoil, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _hits);
        if (_step == Step.ThrowAtOnce)
        {
            _reached.TrySetResult();
            throw _exception ?? Unavailable();
        }

        return GoOnAsync(call, decline, spoil, cancellationToken);
    }

    private static CacheStoreException Unavailable() => new("The store was made to fail.");

    // Nobody will dispose what is not handed over.
    private static void GiveBack<T>(T? result)
    {
        switch (result)
        {
            case StoreLookup lookup:
                lookup.Dispose();
                break;
            case IReadOnlyList<StoreLookup> lookups:
                foreach (var lookup in lookups)
                {
                    lookup.Dispose();
                }

                break;
        }
    }

    private async ValueTask<T> GoOnAsync<T>(
        Func<CancellationToken, ValueTask<T>> call, Func<ValueTask<T>>? decline, Func<T, Spoiler, ValueTask<T>>? spoil, CancellationToken cancellationToken)
    {
        var waitToken = _heedsToken ? cancellationToken : CancellationToken.None;
        switch (_step)
        {
            case Step.Fail:
                _reached.TrySetResult();
                throw _exception ?? Unavailable();

            case Step.Hang:
                _reached.TrySetResult();
                await _released.Task.WaitAsync(waitToken).ConfigureAwait(false);

                // A command that has been sent is carried out, whether or not anybody waits for it.
                return await call(CancellationToken.None).ConfigureAwait(false);

            case Step.AnswerLate:
                ExceptionDispatchInfo? failure = null;
                T? result = default;
                try
                {
                    result = await call(CancellationToken.None).ConfigureAwait(false);
                }
                catch (Exception exception)
                {
                    failure = ExceptionDispatchInfo.Capture(exception);
                }

                _reached.TrySetResult();
                try
                {
                    await _released.Task.WaitAsync(waitToken).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    GiveBack(result);
                    throw;
                }

                failure?.Throw();
                return result!; // the call has succeeded

            case Step.FailAfterwards:
                GiveBack(await call(cancellationToken).ConfigureAwait(false));
                _reached.TrySetResult();
                throw _exception ?? Unavailable();

            case Step.Decline when decline is not null:
                _reached.TrySetResult();
                return await decline().ConfigureAwait(false);

            case Step.Spoil when spoil is not null && _spoiler is not null:
                _reached.TrySetResult();
                return await spoil(await call(cancellationToken).ConfigureAwait(false), _spoiler).ConfigureAwait(false);

            default:
                _reached.TrySetResult();
                return await call(cancellationToken).ConfigureAwait(false);
        }
    }
}
