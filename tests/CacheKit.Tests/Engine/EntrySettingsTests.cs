using CacheKit.Engine;

namespace CacheKit.Tests.Engine;

/// <summary>What a call's options come to is worked out once for an options object, where that cannot change.</summary>
public sealed class EntrySettingsTests
{
    private readonly CacheEntryOptions _defaults = new() { Size = 1 };

    [Fact]
    public void Options_that_are_shared_are_looked_into_once()
    {
        var options = new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1) };
        EntrySettings.For(options, _defaults).Should().BeSameAs(EntrySettings.For(options, _defaults));
        EntrySettings.For((CacheEntryOptions?)null, _defaults).Should().BeSameAs(EntrySettings.For((CacheEntryOptions?)null, _defaults));
    }

    [Fact]
    public void Caches_that_share_options_each_have_their_own_defaults()
    {
        var options = new CacheEntryOptions();
        var others = new CacheEntryOptions { Size = 2 };
        for (var round = 0; round < 2; round++)
        {
            EntrySettings.For(options, _defaults).Size.Should().Be(1);
            EntrySettings.For(options, others).Size.Should().Be(2);
        }
    }

    [Fact]
    public void Tags_are_read_at_each_call_as_their_list_may_have_changed()
    {
        var tags = new List<string>();
        var options = new CacheEntryOptions { Tags = tags };
        EntrySettings.For(options, _defaults).Tags.Should().BeEmpty();
        tags.Add("a");
        EntrySettings.For(options, _defaults).Tags.Should().Equal("a");
        EntrySettings.For((CacheEntryOptions?)null, new CacheEntryOptions { Tags = ["b"] }).Tags.Should().Equal("b");
    }

    [Fact]
    public void What_a_factory_has_changed_counts_for_its_value_alone()
    {
        var options = new CacheEntryOptions { Size = 3 };
        var plain = new CacheEntryContext("k", options, _defaults, [], stale: null);
        EntrySettings.For(plain, options, _defaults).Should().BeSameAs(EntrySettings.For(options, _defaults));
        var changed = new CacheEntryContext("k", options, _defaults, [], stale: null) { Size = 4 };
        EntrySettings.For(changed, options, _defaults).Size.Should().Be(4);
        var tagged = new CacheEntryContext("k", options, _defaults, ["a"], stale: null);
        EntrySettings.For(tagged, options, _defaults).Tags.Should().Equal("a");
        EntrySettings.For(options, _defaults).Size.Should().Be(3);
        EntrySettings.For(options, _defaults).Tags.Should().BeEmpty();
    }
}
