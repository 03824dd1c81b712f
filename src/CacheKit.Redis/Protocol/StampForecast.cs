using CacheKit.Redis.Connection;

namespace CacheKit.Redis.Protocol;

/// <summary>Foretells which stamps a command will draw that is sent now: right where nobody else draws meanwhile.</summary>
/// <remarks>
/// Entries that are sent with the stamps they will get spare the server a call each. It draws them all the same, and compares: a wrong forecast costs those calls and nothing else.
/// </remarks>
internal sealed class StampForecast(StampClock clock)
{
    private readonly Lock _lock = new();
    private RedisLink? _link;
    private long _underWay;

    /// <summary>Begins a command that draws stamps.</summary>
    /// <param name="link">The connection, on which what is sent first is done first.</param>
    /// <param name="draws">How many it draws.</param>
    /// <returns>The stamp after which they are foretold to come. <see cref="End"/> is to be called once the command has ended.</returns>
    internal long Begin(RedisLink link, int draws)
    {
        lock (_lock)
        {
            if (_link != link)
            {
                (_link, _underWay) = (link, 0);
            }

            var before = clock.Latest + _underWay;
            _underWay += draws;
            return before;
        }
    }

    /// <summary>Ends it.</summary>
    /// <param name="link">Its connection.</param>
    /// <param name="draws">How many it was to draw.</param>
    /// <param name="latest">The latest stamp that it has shown; 0 if it has failed.</param>
    internal void End(RedisLink link, int draws, long latest)
    {
        lock (_lock)
        {
            // In one step: between the two the next forecast would be wrong.
            clock.Advance(latest);
            if (_link == link)
            {
                _underWay -= draws;
            }
        }
    }
}
