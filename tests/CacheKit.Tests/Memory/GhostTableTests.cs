using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class GhostTableTests
{
    [Fact]
    public void A_large_one_in_parts_remembers_as_well()
    {
        var ghosts = new GhostTable(100_000);
        ghosts.Take(Hash(1)).Should().BeFalse("nothing was put yet");
        for (var key = 0u; key < 300_000; key++)
        {
            ghosts.Put(Hash(key));
        }

        Enumerable.Range(250_000, 50_000).Count(key => ghosts.Take(Hash((uint)key))).Should().BeGreaterThan(40_000);
        Enumerable.Range(0, 150_000).Count(key => ghosts.Take(Hash((uint)key))).Should().BeLessThan(300, "they are too old");
    }

    [Fact]
    public void It_remembers_about_as_many_evictions_as_it_is_made_for()
    {
        var ghosts = new GhostTable(10_000);
        for (var key = 0u; key < 30_000; key++)
        {
            ghosts.Put(Hash(key));
        }

        Enumerable.Range(25_000, 5_000).Count(key => ghosts.Take(Hash((uint)key))).Should().BeGreaterThan(4_000);
        Enumerable.Range(0, 15_000).Count(key => ghosts.Take(Hash((uint)key))).Should().BeLessThan(30, "they are too old");
        Enumerable.Range(100_000, 20_000).Count(key => ghosts.Take(Hash((uint)key))).Should().BeLessThan(40, "they were never there");
    }

    [Fact]
    public void A_ghost_is_taken_once()
    {
        var ghosts = new GhostTable(1);
        ghosts.Put(5);
        ghosts.Take(5).Should().BeTrue();
        ghosts.Take(5).Should().BeFalse();
    }

    private static uint Hash(uint key) => (uint)PolicyHash.Of($"{key}");
}
