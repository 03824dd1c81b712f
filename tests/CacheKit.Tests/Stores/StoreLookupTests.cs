using CacheKit.Stores;

namespace CacheKit.Tests.Stores;

public sealed class StoreLookupTests
{
    public static TheoryData<DateTimeOffset> Instants => [DateTimeOffset.MinValue, DateTimeOffset.UnixEpoch, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(-7)), DateTimeOffset.MaxValue];

    [Theory]
    [MemberData(nameof(Instants))]
    public void Instants_are_given_back_as_they_were(DateTimeOffset instant)
    {
        var found = StoreLookup.Found(1, 2, new byte[] { 3 }, instant, instant) with { ExpiredAt = instant };
        found.ExpiresAt.Should().Be(instant);
        found.RetainUntil.Should().Be(instant);
        found.ExpiredAt.Should().Be(instant);
        found.IsFound.Should().BeTrue();
        found.Number.Should().BeNull();
        (found with { ExpiredAt = null }).ExpiredAt.Should().BeNull();
    }

    [Fact]
    public void A_counter_of_nought_is_a_counter()
    {
        StoreLookup.Counter(1, 2, 0, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue).Number.Should().Be(0);
        StoreLookup.NotModified(1, 2, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue).Status.Should().Be(StoreLookupStatus.NotModified);
    }

    [Fact]
    public void What_was_not_found_has_nothing_but_the_stamp_to_load_under()
    {
        var missing = StoreLookup.Missing(7);
        (missing.IsFound, missing.LoadStamp, missing.Stamp, missing.Number, missing.ExpiredAt).Should().Be((false, 7L, 0L, null, null));
        missing.ExpiresAt.Should().Be(DateTimeOffset.MinValue).And.Be(default(StoreLookup).RetainUntil);
    }
}
