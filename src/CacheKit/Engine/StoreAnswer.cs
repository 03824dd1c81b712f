using System.Diagnostics.CodeAnalysis;

namespace CacheKit.Engine;

/// <summary>What a store answered, or why it did not.</summary>
internal readonly struct StoreAnswer<T>
{
    private StoreAnswer(StoreAnswerStatus status, T? result)
    {
        Status = status;
        Result = result;
    }

    internal StoreAnswerStatus Status { get; }

    /// <summary>The answer; the default value if there is none.</summary>
    internal T? Result { get; }

    internal bool IsAnswered => Status == StoreAnswerStatus.Answered;

    /// <summary>Whether a change that was not answered may have been made all the same, or still be made.</summary>
    internal bool MayTakeEffect => Status is StoreAnswerStatus.Failed or StoreAnswerStatus.TimedOut;

    internal static StoreAnswer<T> Of(T result) => new(StoreAnswerStatus.Answered, result);

    internal static StoreAnswer<T> None(StoreAnswerStatus status) => new(status, default);

    internal bool TryGet([MaybeNullWhen(false)] out T result)
    {
        result = Result;
        return IsAnswered;
    }
}

/// <summary>How a call of a store ended.</summary>
internal enum StoreAnswerStatus
{
    /// <summary>It was not made: the circuit is open, or the cache disposed.</summary>
    Refused,

    /// <summary>The store answered.</summary>
    Answered,

    /// <summary>It failed in a way that may pass: what was asked may or may not have been done.</summary>
    Failed,

    /// <summary>The store answered that it will not do it. Asking again is of no use.</summary>
    Denied,

    /// <summary>It took too long: what was asked may still be done.</summary>
    TimedOut,
}
