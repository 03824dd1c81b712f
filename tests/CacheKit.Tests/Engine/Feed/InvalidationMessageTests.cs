using System.Buffers.Binary;
using CacheKit.Engine;
using CacheKit.Engine.Feed;
using CacheKit.Stores;

namespace CacheKit.Tests.Engine.Feed;

/// <summary>The bytes in which nodes talk to each other; whatever else comes is nothing.</summary>
public sealed class InvalidationMessageTests
{
    private static readonly InvalidationNotice[] _one =
    [
        new(NoticeKind.KeyRemoved, "k", 1),
        new(NoticeKind.KeyExpired, "schlüssel 🔑", long.MaxValue),
        new(NoticeKind.KeySet, new string('x', 300), -1),
        new(NoticeKind.KeyFilled, "f", 0),
        new(NoticeKind.TagRemoved, "t", 2),
        new(NoticeKind.TagExpired, "u", 3),
        InvalidationNotice.OfTagSet(["b", "a"], InvalidationKind.Remove, 4),
        InvalidationNotice.OfTagSet(["c", "d", "e"], InvalidationKind.Expire, 5),
        new(NoticeKind.Cleared, "", 6),
        InvalidationNotice.EverythingSuspect,
    ];

    private static readonly InvalidationMessage _header = new()
    {
        Type = MessageType.Data,
        Sender = 0x0123456789ABCDEF,
        Sequence = 42,
        Interval = TimeSpan.FromSeconds(5),
    };

    [Fact]
    public void What_is_encoded_is_read_again()
    {
        var bytes = _header.Encode(_one);
        InvalidationMessage.TryDecodeHeader(bytes, out var message).Should().Be(MessageReading.Understood);
        message.Should().Be(_header);
        var notices = new List<InvalidationNotice>();
        InvalidationMessage.TryDecodeNotices(bytes, notices).Should().Be(MessageReading.Understood);
        notices.Should().BeEquivalentTo(_one, options => options.Excluding(notice => notice.Text).WithStrictOrdering());
        notices.Where(notice => notice.Tags is null).Select(notice => notice.Text).Should().Equal(_one.Where(notice => notice.Tags is null).Select(notice => notice.Text));
        notices[6].Tags.Should().Equal("a", "b");
    }

    [Theory]
    [InlineData("heartbeat")]
    [InlineData("goodbye")]
    public void A_heartbeat_and_a_goodbye_carry_the_last_number(string type)
    {
        var header = _header with { Type = Enum.Parse<MessageType>(type, ignoreCase: true), Sequence = 0 };
        InvalidationMessage.TryDecodeHeader(header.Encode(), out var message).Should().Be(MessageReading.Understood);
        message.Should().Be(header);
    }

    [Fact]
    public void The_format_does_not_change()
    {
        var bytes = _header.Encode(new InvalidationNotice(NoticeKind.KeyRemoved, "key", 7), InvalidationNotice.OfTagSet(["a", "b"], InvalidationKind.Remove, 8));
        Convert.ToHexString(bytes).Should().Be(
            "C51D0100" + "EFCDAB8967452301" + "2A00000000000000" + "88130000" + "02"
            + "01" + "0700000000000000" + "03" + "6B6579"
            + "07" + "0800000000000000" + "02" + "0161" + "0162"
            + "E7823507");
    }

    [Fact]
    public void The_sum_is_that_of_the_standard() => InvalidationMessage.Sum("123456789"u8).Should().Be(0xE3069283);

    [Fact]
    public void Any_bit_that_flips_makes_it_no_message()
    {
        var bytes = _header.Encode(_one);
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            InvalidationMessage.TryDecodeHeader(bytes, out _).Should().Be(MessageReading.Foreign);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void A_message_cut_anywhere_is_no_message()
    {
        var bytes = _header.Encode(_one);
        for (var length = 0; length < bytes.Length; length++)
        {
            InvalidationMessage.TryDecodeHeader(bytes.AsSpan(..length), out _).Should().Be(MessageReading.Foreign);
        }
    }

    [Fact]
    public void A_message_with_bytes_behind_it_is_no_message()
    {
        InvalidationMessage.TryDecodeHeader([.. _header.Encode(_one), 0], out _).Should().Be(MessageReading.Foreign);
        InvalidationMessage.TryDecodeHeader(new byte[InvalidationMessage.MaximumBytes + 1], out _).Should().Be(MessageReading.Foreign);
    }

    [Fact]
    public void Nonsense_under_a_right_sum_is_read_without_an_exception()
    {
        var random = new Random(1);
        var good = _header.Encode(_one);
        var readings = new HashSet<MessageReading>();
        for (var round = 0; round < 50_000; round++)
        {
            var bytes = good[..random.Next(9, good.Length)];
            for (var change = random.Next(1, 5); change > 0; change--)
            {
                bytes[random.Next(3, bytes.Length)] = (byte)random.Next(256);
            }

            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4), InvalidationMessage.Sum(bytes.AsSpan(..^4)));
            var reading = InvalidationMessage.TryDecodeHeader(bytes, out _);
            readings.Add(reading);
            if (reading == MessageReading.Understood)
            {
                readings.Add(InvalidationMessage.TryDecodeNotices(bytes, []));
            }
        }

        readings.Should().BeEquivalentTo([MessageReading.Foreign, MessageReading.Understood, MessageReading.FromLaterVersion]);
    }

    [Fact]
    public void What_a_later_version_sends_is_told_from_noise()
    {
        InvalidationMessage.TryDecodeHeader(Altered(at: 2, to: 2), out _).Should().Be(MessageReading.FromLaterVersion);
        InvalidationMessage.TryDecodeHeader(Altered(at: 2, to: 0), out _).Should().Be(MessageReading.Foreign);
        InvalidationMessage.TryDecodeHeader(Altered(at: 3, to: 3), out _).Should().Be(MessageReading.FromLaterVersion, "of a type that is not known");
        var unknown = Altered(at: 25, to: 11);
        InvalidationMessage.TryDecodeHeader(unknown, out _).Should().Be(MessageReading.Understood);
        InvalidationMessage.TryDecodeNotices(unknown, []).Should().Be(MessageReading.FromLaterVersion, "of a kind that is not known");

        static byte[] Altered(int at, byte to)
        {
            var bytes = _header.Encode(new InvalidationNotice(NoticeKind.KeyRemoved, "k", 1));
            bytes[at] = to;
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4), InvalidationMessage.Sum(bytes.AsSpan(..^4)));
            return bytes;
        }
    }

    [Fact]
    public void A_queue_makes_messages_within_the_bounds_of_count_and_bytes()
    {
        var queue = new NoticeQueue(capacity: 100_000);
        for (var i = 0; i < 1000; i++)
        {
            queue.Add(new(NoticeKind.KeyRemoved, $"{i}", 1));
        }

        var longKey = new string('ä', 30_000);
        queue.Add(new(NoticeKind.KeyRemoved, longKey, 1));
        queue.Add(new(NoticeKind.KeySet, longKey, 1));
        var read = new List<InvalidationNotice>();
        var counts = new List<int>();
        long through = 0;
        while (queue.TryTake(_header, out var message, out through))
        {
            message.Length.Should().BeLessThanOrEqualTo(InvalidationMessage.MaximumBytes);
            InvalidationMessage.TryDecodeHeader(message, out _).Should().Be(MessageReading.Understood);
            var before = read.Count;
            InvalidationMessage.TryDecodeNotices(message, read).Should().Be(MessageReading.Understood);
            counts.Add(read.Count - before);
        }

        counts.Should().Equal(256, 256, 256, 233, 1);
        read[..1000].Select(notice => notice.Text).Should().Equal(Enumerable.Range(0, 1000).Select(i => $"{i}"));
        read[1000..].Should().OnlyContain(notice => notice.Text == longKey);
        through.Should().Be(queue.Added).And.Be(1002);
    }

    [Fact]
    public void A_notice_just_short_enough_fills_a_message_and_one_byte_more_makes_everything_suspect()
    {
        var queue = new NoticeQueue(capacity: 10);
        var most = new string('k', InvalidationMessage.MostNoticeBytes - 1 - sizeof(long) - 3);
        queue.Add(new(NoticeKind.KeyRemoved, most, 1));
        queue.TryTake(_header, out var message, out _).Should().BeTrue();
        message!.Length.Should().Be(InvalidationMessage.MaximumBytes - 1, "the count of one is a byte shorter than the longest");
        queue.Add(new(NoticeKind.KeyRemoved, most + "k", 1));
        queue.IsEverythingSuspect.Should().BeTrue();
    }
}
