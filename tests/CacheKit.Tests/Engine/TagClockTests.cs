using CacheKit.Engine;

namespace CacheKit.Tests.Engine;

/// <summary>What was removed when, in constant time and bounded memory.</summary>
public sealed class TagClockTests
{
    private readonly TagClock _tags = new();

    [Fact]
    public void A_removal_covers_what_is_older_and_nothing_newer()
    {
        var older = _tags.Current;
        _tags.Remove("t");
        _tags.Check(["t"], older).Should().Be(TagVerdict.Removed);
        _tags.Check(["u"], older).Should().Be(TagVerdict.Live);
        _tags.Check([], older).Should().Be(TagVerdict.Live);
        _tags.Check(["t"], _tags.Current).Should().Be(TagVerdict.Live);
    }

    [Fact]
    public void A_removal_of_what_has_all_tags_covers_only_that()
    {
        var older = _tags.Current;
        _tags.RemoveAll(["a", "b"]);
        _tags.Check(["b", "c", "a"], older).Should().Be(TagVerdict.Removed);
        _tags.Check(["a"], older).Should().Be(TagVerdict.Live);
        _tags.Check(["b", "c"], older).Should().Be(TagVerdict.Live);
        _tags.Check(["a", "b"], _tags.Current).Should().Be(TagVerdict.Live);
    }

    [Fact]
    public void The_same_removal_again_adds_no_record()
    {
        _tags.RemoveAll(["a", "b"]);
        _tags.Remove("a");
        var records = _tags.RecordCount;
        for (var i = 0; i < 1000; i++)
        {
            _tags.RemoveAll(["b", "a"]);
            _tags.Remove("a");
            _tags.Expire("b");
        }

        _tags.RecordCount.Should().Be(records);
    }

    [Fact]
    public void Records_are_forgotten_once_all_entries_were_checked_and_what_cannot_be_told_counts_as_removed()
    {
        var older = _tags.Current;
        for (var i = 0; i < 5000; i++)
        {
            _tags.Remove($"user:{i}");
        }

        _tags.NeedsPruning(entries: 100).Should().BeTrue();
        var areChecked = false;
        _tags.Prune(() => areChecked = true);

        areChecked.Should().BeTrue();
        _tags.RecordCount.Should().Be(0);
        _tags.Check(["user:7"], older).Should().Be(TagVerdict.Removed);
        _tags.Check(["never removed"], older).Should().Be(TagVerdict.Removed, "nobody can tell any more");
        _tags.Check([], older).Should().Be(TagVerdict.Live, "what has no tags needs no record");
        _tags.Check(["user:7"], _tags.Current).Should().Be(TagVerdict.Live);
    }

    [Fact]
    public void A_removal_that_comes_while_old_ones_are_forgotten_is_kept()
    {
        _tags.Remove("old");
        var between = 0L;
        _tags.Prune(() =>
        {
            between = _tags.Current;
            _tags.Remove("new");
            _tags.RemoveAll(["x", "y"]);
        });
        _tags.Check(["new"], between).Should().Be(TagVerdict.Removed);
        _tags.Check(["x", "y"], between).Should().Be(TagVerdict.Removed);
        _tags.Check(["x"], between).Should().Be(TagVerdict.Live);
    }
}
