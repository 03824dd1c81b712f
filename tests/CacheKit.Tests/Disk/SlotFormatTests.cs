using CacheKit.Disk;

namespace CacheKit.Tests.Disk;

public sealed class SlotFormatTests
{
    private static readonly SlotFormat _format = new(fingerprintBits: 18, unitBits: 38);

    [Fact]
    public void The_bound_of_a_record_is_not_less_than_it_and_little_more()
    {
        for (var bytes = SlotFormat.UnitBytes; bytes <= SlotFormat.LargestRecord; bytes += SlotFormat.UnitBytes)
        {
            var bound = _format.RecordBound(_format.Create(fingerprint: 0, address: 0, bytes));
            bound.Should().BeInRange(bytes, SlotFormat.LargestRecord);
            (bound <= 256 || bound <= bytes * (bytes <= 4096 ? 1.125 : bytes <= 768 << 10 ? 1.25 : 1.34)).Should().BeTrue("{0} for {1}", bound, bytes);
        }
    }

    [Fact]
    public void What_else_a_slot_says_does_not_depend_on_it()
    {
        var slot = _format.WithUses(_format.Create(_format.Fingerprint(ulong.MaxValue), 1L << 30, SlotFormat.LargestRecord), 1);
        _format.FingerprintOf(slot).Should().Be(_format.Fingerprint(ulong.MaxValue));
        _format.Address(slot, 1L << 31).Should().Be(1L << 30);
        _format.Uses(slot).Should().Be(1);
        _format.IsPending(slot).Should().BeFalse();
        _format.IsPending(_format.AsPending(slot)).Should().BeTrue();
        _format.IsSameRecord(slot, _format.WithUses(slot, 0)).Should().BeTrue();
        _format.RecordBound(slot).Should().Be(SlotFormat.LargestRecord);
    }
}
