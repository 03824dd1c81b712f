using CacheKit.Testing;

namespace CacheKit.Tests.Consistency;

/// <summary>Runs something in the midst of whatever looks at the clock, as another thread could that comes in between.</summary>
/// <remarks>Whoever looked gets the time of before: the time of the interposed act is later than what it goes on with.</remarks>
internal sealed class InterposingTimeProvider(ManualTimeProvider time) : TimeProvider
{
    private Action? _act;
    private int _countdown;
    private ExecutionContext? _context;

    public override long TimestampFrequency => time.TimestampFrequency;

    /// <summary>Whether the act has been run.</summary>
    internal bool HasInterposed => _act is null;

    /// <summary>Runs an act once the clock is looked at for the n-th time from now: not as part of what it interrupts, but of the caller.</summary>
    internal void InterposeAt(int look, Action act) => (_countdown, _act, _context) = (look, act, ExecutionContext.Capture());

    public override DateTimeOffset GetUtcNow() => time.GetUtcNow();

    public override long GetTimestamp()
    {
        var now = time.GetTimestamp();
        if (_countdown > 0 && --_countdown == 0)
        {
            ExecutionContext.Run(_context!, static act => ((Action)act!)(), _act); // set together with the countdown
            _act = null;
        }

        return now;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        time.CreateTimer(callback, state, dueTime, period);
}
