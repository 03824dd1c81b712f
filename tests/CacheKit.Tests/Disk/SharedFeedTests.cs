using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>Every handle hears of what the others change, or that it cannot know.</summary>
public sealed class SharedFeedTests : IDisposable
{
    private readonly DiskFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Changes_of_others_are_told_in_order_and_ones_own_are_not()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        await one.Set("own", Bytes(1, 10));
        await two.Set("schlüssel", Bytes(1, 10));
        await two.InvalidateAsync("removed", InvalidationKind.Remove, default);
        await two.InvalidateAsync("expired", InvalidationKind.Expire, default);
        await two.InvalidateTagsAsync(["t", "u"], TagMatch.Any, InvalidationKind.Remove, default);
        await two.InvalidateTagsAsync(["t"], TagMatch.All, InvalidationKind.Expire, default);
        await two.InvalidateTagsAsync(["t", "u"], TagMatch.All, InvalidationKind.Remove, default);
        await two.ClearAsync(default);

        var told = new Told();
        one.TryDrain(told).Should().BeTrue();
        told.Should().Equal("key schlüssel", "key removed", "key expired", "tag t Remove", "tag u Remove", "tag t Expire", "all", "clear");
        told.Clear();
        one.TryDrain(told).Should().BeTrue();
        told.Should().BeEmpty();
    }

    [Fact]
    public async Task What_a_factory_made_is_not_told_and_other_conditional_writes_are()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        await two.Load("loaded", Bytes(1, 10), await two.LoadStamp("loaded"));
        var stamp = (await two.WriteAsync("added", Entry([]), StoreCondition.IfAbsent, default)).Stamp;
        await two.WriteAsync("added", Entry([]), StoreCondition.IfUnchanged(stamp), default);
        await two.WriteAsync("added", Entry([]), StoreCondition.IfAbsent, default);
        var told = new Told();
        one.TryDrain(told).Should().BeTrue();
        told.Should().Equal("key added", "key added");
    }

    [Fact]
    public async Task The_head_has_moved_when_a_change_returns()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        var head = HeadOf(one);
        var changes = new Func<Task>[]
        {
            () => two.Set("key", []),
            async () => await two.InvalidateAsync("key", InvalidationKind.Remove, default),
            async () => await two.InvalidateTagsAsync(["tag"], TagMatch.Any, InvalidationKind.Remove, default),
            async () => await two.InvalidateTagsAsync(["tag", "other"], TagMatch.All, InvalidationKind.Expire, default),
            async () => await two.ClearAsync(default),
            async () => await two.Set("key", new byte[1 << 20]), // declined, and what was there removed
        };
        foreach (var change in changes)
        {
            await change();
            var now = HeadOf(one);
            now.Should().BeGreaterThan(head);
            HeadOf(two).Should().Be(now);
            head = now;
        }
    }

    [Fact]
    public async Task Who_is_a_whole_ring_behind_is_told_that_anything_may_have_changed()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        for (var i = 0; i <= DiskFolder.Small.FeedMessages; i++)
            await two.Set($"key{i}", []);
        var told = new Told();
        one.TryDrain(told).Should().BeFalse();
        await two.Set("next", []);
        one.TryDrain(told).Should().BeTrue();
        told.Should().Equal("key next");
    }

    [Theory]
    [InlineData(224, true)]
    [InlineData(225, false)]
    public async Task A_key_that_is_too_long_for_a_message_makes_everything_suspect(int length, bool isTold)
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        var key = new string('k', length);
        await two.Set(key, []);
        await two.Set("after", []);
        var told = new Told();
        one.TryDrain(told).Should().Be(isTold);
        told.Should().Equal(isTold ? [$"key {key}", "key after"] : ["key after"]);

        await two.InvalidateTagsAsync([key], TagMatch.Any, InvalidationKind.Remove, default);
        one.TryDrain(told).Should().Be(isTold);
    }

    [Fact]
    public async Task A_writer_that_dies_in_the_middle_holds_nobody_up_and_is_noticed_when_the_ring_has_come_round()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        using var directory = new OpenIndex(_folder);
        Interlocked.Increment(ref directory.Index.FeedReserved); // a place that nobody fills
        await two.Set("key", []);
        var told = new Told();
        one.TryDrain(told).Should().BeTrue("what has returned was told");
        told.Should().Equal("key key");
        for (var i = 0; i < DiskFolder.Small.FeedMessages - 2; i++)
        {
            await two.Set("key", []);
            one.TryDrain(told).Should().BeTrue();
        }

        await two.Set("key", []);
        one.TryDrain(told).Should().BeFalse();
        one.TryDrain(told).Should().BeTrue();
    }

    [Fact]
    public async Task A_writer_that_slept_for_a_whole_round_takes_no_message_with_it_and_tells_its_own_late()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        var told = new Told();
        var isAsleep = false;
        await using var sleeper = _folder.Open(settings => settings with
        {
            Hook = step =>
            {
                if (step == DiskStep.Telling && !isAsleep)
                {
                    isAsleep = true;
                    for (var i = 0; i < DiskFolder.Small.FeedMessages - 1; i++)
                    {
                        two.Set($"key{i}", []).Wait();
                        one.TryDrain(told).Should().BeTrue();
                    }

                    two.InvalidateAsync("removed", InvalidationKind.Remove, default).AsTask().Wait();
                    told.Clear();
                }
            },
        });
        await sleeper.Set("late", []);
        isAsleep.Should().BeTrue();

        one.TryDrain(told).Should().BeFalse("the place of the one that slept has been taken");
        told.Should().Equal("key removed", "key late");
        one.TryDrain(told).Should().BeTrue();
    }

    [Fact]
    public async Task A_message_that_is_damaged_is_not_taken_for_another()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        await two.Set("key", []);
        using var directory = new OpenIndex(_folder);
        directory.FlipFeedByte(32);
        var told = new Told();
        one.TryDrain(told).Should().BeFalse();
        told.Should().BeEmpty();
    }

    [Fact]
    public async Task Marks_that_are_damaged_hold_nobody_up_and_are_gone_after_a_round()
    {
        await using var one = _folder.Open();
        await using var two = _folder.Open();
        using var directory = new OpenIndex(_folder);
        directory.DamageFeedMarks();
        var told = new Told();
        for (var i = 0; i < DiskFolder.Small.FeedMessages; i++)
        {
            await two.Set($"key{i}", []);
            one.TryDrain(told).Should().BeTrue();
        }

        told.Should().HaveCount(DiskFolder.Small.FeedMessages);
    }

    private static unsafe long HeadOf(DiskStore store) => Volatile.Read(ref *store.Head);

    private sealed class Told : List<string>, ISharedMemoryFeedReader
    {
        public void OnKeyChanged(string key) => Add($"key {key}");

        public void OnTagInvalidated(string tag, InvalidationKind kind) => Add($"tag {tag} {kind}");

        public void OnAllChanged(bool isCleared) => Add(isCleared ? "clear" : "all");
    }
}
