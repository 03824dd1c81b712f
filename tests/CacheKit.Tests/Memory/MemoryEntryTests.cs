using CacheKit.Memory;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Tests.Memory;

/// <summary>What an entry holds, and what that takes.</summary>
public sealed class MemoryEntryTests
{
    [Fact]
    public void A_plain_entry_takes_72_bytes_and_one_with_room_for_details_80()
    {
        BytesOf(static () => new MemoryEntry<object?>("k", null)).Should().Be(72);
        BytesOf(static () => new MemoryEntry<int>("k", 1)).Should().Be(72);
        BytesOf(static () => new DetailedEntry<object?>("k", null)).Should().Be(80);
    }

    [Fact]
    public void The_details_of_a_tagged_and_of_a_sliding_entry_take_56_bytes()
    {
        string[] tags = ["a"];
        BytesOf(() => new EntryDetails
        {
            ExpiresAt = 5, Tags = tags, SlidingLimit = 7, StaleForTicks = 0, RefreshAt = long.MaxValue, RetryAt = long.MinValue, Tokens = null, Registrations = null,
            StoreStamp = 0, StoreRenewalAt = long.MaxValue,
        }).Should().Be(56, "the defaults of the rest take nothing");
        BytesOf(static () => new EntryDetails { SlidingTicks = 5 }).Should().Be(56);
    }

    [Fact]
    public void Only_a_class_with_room_for_details_takes_them()
    {
        var plain = new MemoryEntry<int>("k", 1) { Details = null };
        plain.Details.Should().BeNull();
        plain.Invoking(entry => entry.Details = new()).Should().Throw<InvalidOperationException>();

        var details = new EntryDetails();
        new DetailedEntry<int>("k", 1) { Details = details }.Details.Should().BeSameAs(details);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(uint.MaxValue - 1L)]
    [InlineData((long)uint.MaxValue)]
    [InlineData(uint.MaxValue + 1L)]
    [InlineData(long.MaxValue)]
    public void A_weight_of_any_size_is_kept(long weight)
    {
        var entry = new DetailedEntry<int>("k", 1) { Weight = weight };
        entry.Weight.Should().Be(weight);
        (entry.Details is not null).Should().Be(MemoryEntry.IsLarge(weight));
        entry.Details = new EntryDetails { SlidingTicks = 1 };
        entry.Weight.Should().Be(weight, "other details take it over");
        entry.Weight = 3;
        entry.Weight.Should().Be(3);
    }

    [Fact]
    public void Both_classes_of_entries_of_a_type_are_told_by_it_and_no_other_is()
    {
        MemoryEntry<string>.IsClassOf(new MemoryEntry<string>("k", "")).Should().BeTrue();
        MemoryEntry<string>.IsClassOf(new DetailedEntry<string>("k", "")).Should().BeTrue();
        MemoryEntry<string>.IsClassOf(new MemoryEntry<object>("k", "")).Should().BeFalse();
        MemoryEntry<object>.IsClassOf(new DetailedEntry<string>("k", "")).Should().BeFalse();
    }

    [Fact]
    public void Everything_set_is_read_back_and_copied()
    {
        var token = new CancellationChangeToken(CancellationToken.None);
        var details = new EntryDetails { SlidingTicks = 3 };
        details.ExpiresAt = 1;
        details.SlidingLimit = 2;
        details.StaleForTicks = 4;
        details.RefreshAt = 5;
        details.RetryAt = 6;
        details.StoreStamp = 7;
        details.StoreRenewalAt = 8;
        details.LargeWeight = 9;
        details.Tags = ["t"];
        details.Tokens = [token];
        details.Registrations = [];

        var copy = details.Copy();
        copy.Registrations.Should().BeNull("the other entry registers itself");
        copy.HasPolledTokens.Should().BeTrue();
        details.StaleForTicks = 40; // not the copy's
        Instants(copy).Should().Equal(1, 2, 3, 4, 5, 6, 7, 8, 9);
        Instants(details).Should().Equal(1, 2, 3, 40, 5, 6, 7, 8, 9);
        copy.Tags.Should().Equal("t");
        copy.Tokens.Should().Equal(token);

        static long[] Instants(EntryDetails of) =>
        [
            of.ExpiresAt, of.SlidingLimit, of.SlidingTicks, of.StaleForTicks, of.RefreshAt, of.RetryAt, of.StoreStamp, of.StoreRenewalAt, of.LargeWeight,
        ];
    }

    [Fact]
    public async Task Parts_made_by_several_threads_at_once_are_all_kept()
    {
        for (var round = 0; round < 500; round++)
        {
            var details = new EntryDetails();
            using var start = new Barrier(3);
            await Task.WhenAll(
                Task.Factory.StartNew(() => { start.SignalAndWait(); details.RetryAt = 1; }, TaskCreationOptions.LongRunning),
                Task.Factory.StartNew(() => { start.SignalAndWait(); details.StoreStamp = 2; }, TaskCreationOptions.LongRunning),
                Task.Factory.StartNew(() => { start.SignalAndWait(); details.StaleForTicks = 3; }, TaskCreationOptions.LongRunning));
            (details.RetryAt, details.StoreStamp, details.StaleForTicks).Should().Be((1, 2, 3));
        }
    }

    [Fact]
    public void Entries_with_equal_tags_share_one_set()
    {
        IReadOnlyList<string> tags = ["products", "category:7"];
        var first = TagSet.Create(tags);
        TagSet.Create([.. tags]).Should().BeSameAs(first);
        TagSet.Create(["products", "category:8"]).Should().Equal("products", "category:8");
        TagSet.Create(["products", "products"]).Should().Equal("products");
    }

    private static long BytesOf(Func<object> create)
    {
        create();
        var before = GC.GetAllocatedBytesForCurrentThread();
        GC.KeepAlive(create());
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
