using System.Diagnostics.CodeAnalysis;
using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>One running factory and all who wait for its value.</summary>
/// <remarks>
/// Callers are counted: when the last has gone before the value has come, the flight is abandoned and its factory's
/// token cancelled. What is marked so is guarded by the lock of the key's stripe in <see cref="Flights"/>.
/// </remarks>
internal abstract class Flight(string key, uint hash, long stamp, string[] tags, FlightPurpose purpose, FlightCancellation cancellation)
{
    internal readonly string Key = key;

    /// <summary>The hash of the key, by which the stripe finds the flight.</summary>
    internal readonly uint Hash = hash;

    /// <summary>What it is for: only callers who want just that may join.</summary>
    internal readonly FlightPurpose Purpose = purpose;

    /// <summary>The cache's stamp before the factory ran.</summary>
    internal readonly long Stamp = stamp;

    internal readonly FlightCancellation Cancellation = cancellation;

    /// <summary>The factory's say in how its value is stored; set by who starts the flight, before the factory runs.</summary>
    internal volatile CacheEntryContext? Context;

    /// <summary>The next flight in the stripe's chain: of another key, or of the same for another purpose. Guarded by the stripe.</summary>
    internal Flight? Next;

    /// <summary>
    /// For each store, near to far, the condition to write the value under, as the reads before its making have shown it; none for a store
    /// that did not answer. Written by the flight's own execution.
    /// </summary>
    internal StoreCondition?[]? Conditions;

    /// <summary>Whether the authority had an entry of the key, usable or not. Written by the flight's own execution.</summary>
    internal bool IsAtAuthority;

    /// <summary>Whether the authority still has the entry that memory holds, past its time. Written by the flight's own execution.</summary>
    internal bool IsKnownKept;

    /// <summary>Whether the authority was asked for the value and has not answered. Written by the flight's own execution.</summary>
    internal bool IsAuthoritySilent;

    /// <summary>The authority's stamp of what was removed there because the new value does not go there; else 0.</summary>
    internal long RemovedAt;

    /// <summary>How often the near stores had become suspect before the stores were asked.</summary>
    internal long Suspicions;

    private volatile MemoryEntry? _standIn;
    private volatile bool _isOvertaken;

    /// <summary>Whether the key was being written when it began. Set before it is published.</summary>
    internal bool IsUnderWrite;

    /// <summary>
    /// Whether what it finds may go to the nearer stores: not if the key is being changed by this process, whose readers may have seen the newer value already.
    /// </summary>
    internal bool MayFill => !IsUnderWrite && !_isOvertaken;

    /// <summary>A value past its expiration that a store has kept, and that may stand in where memory has none, until the key is changed.</summary>
    internal MemoryEntry? StandIn
    {
        get => _isOvertaken ? null : _standIn;
        set => _standIn = value;
    }

    /// <summary>Whether what memory holds will do.</summary>
    internal bool ReadsMemory => (Purpose.Tiers & CacheTiers.ReadMemory) != 0;

    /// <summary>Whether the value found is to be refreshed in the background. Set before it completes.</summary>
    internal volatile bool IsDue;

    private int _isReleased;

    /// <summary>Notes, once, that it needs its factory no more: nobody waits for it, or its value came from elsewhere.</summary>
    internal void Release()
    {
        if (Interlocked.Exchange(ref _isReleased, 1) == 0)
        {
            Cancellation.Abandon();
        }
    }

    /// <summary>Notes that the key was changed, which ends what might have stood in for its value.</summary>
    internal void Overtake() => _isOvertaken = true;

    /// <summary>The tags of a value that came from a store, which are not the call's.</summary>
    internal volatile string[]? FoundTags;

    /// <summary>Whether its value was found in a store, so that no factory ran. Set before it completes.</summary>
    internal volatile bool IsFromStore;

    /// <summary>How many wait for it; a background refresh waits for itself. Guarded by the stripe.</summary>
    internal int Callers = 1;

    /// <summary>Whether later callers cannot join and its value is not to be stored. Guarded by the stripe.</summary>
    internal bool IsDetached;

    internal abstract Type ValueType { get; }

    internal abstract bool IsCompleted { get; }

    /// <summary>The tags known so far whose removal covers the value; the factory may add others.</summary>
    internal string[] KnownTags => FoundTags ?? Context?.CoveringTags ?? tags;

    internal abstract void Fail(Exception exception);

    /// <summary>Ends the flight with the value of an entry that stands in; false if that is not of the flight's type.</summary>
    internal abstract bool TryCompleteWithStale(MemoryEntry entry);
}

/// <summary>What a flight is for. Callers who want different things of one key do not share an execution.</summary>
/// <param name="IsRead">Whether it only asks the stores; else a factory runs if they have nothing.</param>
/// <param name="Tiers">The tiers it reads and writes.</param>
/// <param name="IsRefresh">Whether it refreshes what callers get from a store meanwhile: where memory does not keep the value, they must not wait for it.</param>
internal readonly record struct FlightPurpose(bool IsRead, CacheTiers Tiers, bool IsRefresh = false);

/// <summary>What a flight brought: a value, perhaps a stale one that stood in, or none for this key.</summary>
/// <param name="Value">The value.</param>
/// <param name="HasValue">False when the factory of a batch left the key out.</param>
/// <param name="IsStale">Whether an expired value stands in for one that could not be made.</param>
/// <param name="Isolated">The entry to copy the value from for each caller, if it must not be shared.</param>
/// <param name="IsAborted">Whether it never set out, which says nothing of its key.</param>
internal readonly record struct FlightOutcome<T>(T Value, bool HasValue, bool IsStale, IsolatedEntry? Isolated, bool IsAborted = false);

/// <inheritdoc/>
/// <remarks>
/// It is its own source of completion: a task is made when somebody has to wait, which he who runs a factory that is done at once does not.
/// Whoever makes the task then looks whether the end has come, and who ends the flight looks afterwards whether there is a task: one of them sees the other.
/// </remarks>
internal sealed class Flight<T>(string key, uint hash, long stamp, string[] tags, FlightPurpose purpose, FlightCancellation cancellation)
    : Flight(key, hash, stamp, tags, purpose, cancellation)
{
    private const int UnderWay = 0;
    private const int Ending = 1;
    private const int Ended = 2;

    private TaskCompletionSource<FlightOutcome<T>>? _completion;
    private FlightOutcome<T> _outcome;
    private Exception? _failure;
    private int _stage;

    /// <summary>The end, to wait for.</summary>
    internal Task<FlightOutcome<T>> Outcome
    {
        get
        {
            if (Volatile.Read(ref _completion) is { } known)
            {
                return known.Task;
            }

            // Waiters must not run on the thread that completes the flight.
            var made = new TaskCompletionSource<FlightOutcome<T>>(TaskCreationOptions.RunContinuationsAsynchronously);
            made = Interlocked.CompareExchange(ref _completion, made, null) ?? made;
            if (IsCompleted)
            {
                Publish(made);
            }

            return made.Task;
        }
    }

    internal override Type ValueType => typeof(T);

    internal override bool IsCompleted => Volatile.Read(ref _stage) == Ended;

    /// <summary>Gives what the flight brought, if it has ended and not failed.</summary>
    internal bool TryGetOutcome(out FlightOutcome<T> outcome)
    {
        var hasOutcome = IsCompleted && _failure is null;
        outcome = hasOutcome ? _outcome : default;
        return hasOutcome;
    }

    internal bool Complete(in FlightOutcome<T> outcome) => TryEnd(outcome, null);

    // Whatever keeps the value from being read, the failure that it would have stood in for is the better answer.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "See above.")]
    internal override bool TryCompleteWithStale(MemoryEntry entry)
    {
        try
        {
            return ValueReader.TryRead<T>(entry, out var value)
                && Complete(new(value, HasValue: true, IsStale: true, entry as IsolatedEntry));
        }
        catch (Exception)
        {
            return false;
        }
    }

    internal override void Fail(Exception exception) => TryEnd(default, exception);

    private bool TryEnd(in FlightOutcome<T> outcome, Exception? failure)
    {
        if (Interlocked.CompareExchange(ref _stage, Ending, UnderWay) != UnderWay)
        {
            return false;
        }

        _outcome = outcome;
        _failure = failure;
        Interlocked.Exchange(ref _stage, Ended);
        if (Volatile.Read(ref _completion) is { } completion)
        {
            Publish(completion);
        }

        return true;
    }

    /// <summary>Tells those who wait. The flight has ended; this may be done twice.</summary>
    private void Publish(TaskCompletionSource<FlightOutcome<T>> completion)
    {
        if (_failure is null)
        {
            completion.TrySetResult(_outcome);
        }
        else if (completion.TrySetException(_failure))
        {
            // Observed, in case that all who waited have gone.
            _ = completion.Task.Exception;
        }
    }
}

/// <summary>The token of a factory, which may serve several flights: cancelled when the last of them is abandoned.</summary>
/// <param name="mayBeAbandoned">Whether who starts the flights may leave them; else nobody who comes later can abandon them.</param>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "A source without a timer or a wait handle holds nothing to release, and nobody can tell when the factory has done with its token.")]
internal sealed class FlightCancellation(bool mayBeAbandoned)
{
    private CancellationTokenSource? _source;
    private int _isCancelled;
    private int _flights;

    /// <summary>The factories that this one waits for; kept by <see cref="NestedFlights"/>.</summary>
    internal List<FlightCancellation>? WaitsFor;

    /// <summary>Whether the factory has ended, so that what it has left running waits on its own account.</summary>
    internal volatile bool HasEnded;

    /// <summary>The factory's token. Made when it is asked for: a value that a store has needs none.</summary>
    internal CancellationToken Token
    {
        get
        {
            if (Volatile.Read(ref _source) is { } known)
            {
                return known.Token;
            }

            var source = new CancellationTokenSource();
            source = Interlocked.CompareExchange(ref _source, source, null) ?? source;
            if (Volatile.Read(ref _isCancelled) != 0)
            {
                source.Cancel(); // nobody has its token yet, or is told twice
            }

            return source.Token;
        }
    }

    /// <summary>
    /// The token for what is asked of stores: one that is never cancelled if only the cache's end could cancel it, since a store's answer has a time
    /// limit of its own, and to listen costs more than much of the rest.
    /// </summary>
    internal CancellationToken StoreToken => mayBeAbandoned ? Token : CancellationToken.None;

    internal bool IsCancelled => Volatile.Read(ref _isCancelled) != 0;

    /// <summary>One flight more needs the factory. Before it runs.</summary>
    internal void Add() => _flights++;

    /// <summary>One flight less needs the factory.</summary>
    internal void Abandon()
    {
        if (Interlocked.Decrement(ref _flights) == 0)
        {
            Cancel();
        }
    }

    internal void Cancel()
    {
        Interlocked.Exchange(ref _isCancelled, 1);

        // What is registered with the token is the factory's code: it must not hold up the caller who leaves. What it
        // throws has nobody to be told to; it is observed, so that it does not count as unobserved.
        _source?.CancelAsync().ContinueWith(
            static cancelled => _ = cancelled.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }
}
