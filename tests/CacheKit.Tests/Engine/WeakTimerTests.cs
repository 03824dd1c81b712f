using System.Runtime.CompilerServices;
using CacheKit.Engine;
using CacheKit.Testing;

namespace CacheKit.Tests.Engine;

/// <summary>A timer of something that may be gone before it rings.</summary>
public sealed class WeakTimerTests
{
    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public void It_rings_once_when_it_was_last_set_to()
    {
        var rings = new List<TimeSpan>();
        using var timer = new WeakTimer<List<TimeSpan>>(rings, rings => rings.Add(TimeSpan.FromTicks(_clock.GetTimestamp())), _clock);
        timer.Start(TimeSpan.FromSeconds(1));
        timer.Start(TimeSpan.FromSeconds(3));
        _clock.Advance(TimeSpan.FromMinutes(1));
        rings.Should().Equal(TimeSpan.FromSeconds(3));
        timer.Start(TimeSpan.Zero);
        _clock.Advance(TimeSpan.Zero);
        rings.Should().HaveCount(2);
        timer.Start(TimeSpan.MaxValue); // never
        _clock.Advance(TimeSpan.FromDays(100));
        rings.Should().HaveCount(2);
    }

    [Fact]
    public void Disposed_it_rings_no_more()
    {
        var rings = new List<int>();
        var timer = new WeakTimer<List<int>>(rings, static rings => rings.Add(1), _clock);
        timer.Start(TimeSpan.FromSeconds(1));
        timer.Dispose();
        timer.Start(TimeSpan.FromSeconds(1));
        _clock.Advance(TimeSpan.FromMinutes(1));
        rings.Should().BeEmpty();
        new WeakTimer<List<int>>(rings, static _ => { }, TimeProvider.System).Dispose();
    }

    [Fact]
    public void It_does_not_keep_alive_what_it_would_wake()
    {
        var target = CreateAndForget();
        GC.Collect();
        target.IsAlive.Should().BeFalse();
        _clock.Advance(TimeSpan.FromMinutes(1));

        [MethodImpl(MethodImplOptions.NoInlining)]
        WeakReference CreateAndForget()
        {
            var target = new object();
            new WeakTimer<object>(target, static _ => throw new InvalidOperationException("Nobody is there."), _clock).Start(TimeSpan.FromSeconds(1));
            return new(target);
        }
    }

    [Fact]
    public void It_does_not_ring_in_the_context_of_whoever_created_it()
    {
        var ambient = new AsyncLocal<string> { Value = "the first request" };
        var seen = new List<string?>();
        using var timer = new WeakTimer<List<string?>>(seen, seen => seen.Add(ambient.Value), _clock);
        timer.Start(TimeSpan.FromSeconds(1));
        using (ExecutionContext.SuppressFlow())
        {
            var thread = new Thread(() => _clock.Advance(TimeSpan.FromSeconds(1)));
            thread.Start();
            thread.Join();
        }

        seen.Should().Equal((string?)null);
    }
}
