using CacheKit.Redis.Connection;

namespace CacheKit.Redis.Protocol;

/// <summary>Foretells which stamps a command will draw that is sent now: those after the latest that was seen, and what the commands before it will have drawn.</summary>
/// <remarks>
/// It is right while nothing else draws: no other process, no removal, no look at the clock; sets, alone or together, are taken into account. Entries that are sent with the stamps they will get spare the server a call
/// each. It draws them all the same, and compares: a wrong forecast costs those calls and nothing else.
/// </remarks>
internal sealed class StampForecast(StampClock clock)
{
    private readonly Lock _lock = new();
    private RedisLink? _link;
    private Draws _underWay = new();

    /// <summary>Begins a command that draws stamps.</summary>
    /// <param name="link">The connection, on which what is sent first is done first.</param>
    /// <param name="draws">How many it draws.</param>
    /// <param name="before">The stamp after which they are foretold to come.</param>
    /// <returns>For <see cref="End"/>, which is to be called once the command has ended.</returns>
    internal Draws Begin(RedisLink link, int draws, out long before)
    {
        lock (_lock)
        {
            if (_link != link)
            {
                // Those of the former connection may be done, or never.
                (_link, _underWay) = (link, new());
            }

            before = clock.Latest + _underWay.Count;
            _underWay.Count += draws;
            return _underWay;
        }
    }

    /// <summary>Ends it.</summary>
    /// <param name="underWay">What its beginning returned.</param>
    /// <param name="draws">How many it was to draw.</param>
    /// <param name="latest">The latest stamp that it has shown; 0 if it has failed.</param>
    internal void End(Draws underWay, int draws, long latest)
    {
        lock (_lock)
        {
            // In one step: between the two the next forecast would be wrong.
            clock.Advance(latest);
            underWay.Count -= draws;
        }
    }

    /// <summary>How many stamps the commands are to draw that are under way on one connection.</summary>
    internal sealed class Draws
    {
        internal long Count { get; set; }
    }
}
