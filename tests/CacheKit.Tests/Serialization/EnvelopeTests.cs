using System.Buffers;
using System.Buffers.Binary;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

public sealed class EnvelopeTests
{
    private static readonly EntryMetadata _metadata = new()
    {
        Stamp = 0x0102030405060708,
        CreatedAt = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        ExpiresAt = new(2027, 1, 2, 3, 4, 5, TimeSpan.FromHours(2)),
        Sliding = TimeSpan.FromMinutes(5),
        StaleFor = TimeSpan.FromDays(1),
        Tags = ["shop", "ünïcödé"],
    };

    private static readonly KeyRing _keys = new("k1", new byte[32]);

    public static TheoryData<string> Kinds => ["text", "null", "json", "derived", "custom", "compressed", "encrypted", "compressed and encrypted", "encrypted null"];

    [Fact]
    public void An_envelope_tells_what_it_was_made_with()
    {
        Parse(new Codec().Encode(5, _metadata), out var envelope).Should().BeTrue();
        envelope.Stamp.Should().Be(_metadata.Stamp);
        envelope.CreatedAt.Should().Be(_metadata.CreatedAt);
        envelope.ExpiresAt.Should().Be(_metadata.ExpiresAt);
        envelope.Sliding.Should().Be(_metadata.Sliding);
        envelope.StaleFor.Should().Be(_metadata.StaleFor);
        envelope.Tags.Should().Equal(_metadata.Tags);
        envelope.TypeName.Should().Be("System.Int32");
        envelope.IsNull.Should().BeFalse();
        envelope.Payload.ToArray().Should().Equal(5, 0, 0, 0);
    }

    [Fact]
    public void An_envelope_says_when_there_is_nothing_to_say()
    {
        Parse(new Codec().Encode<string?>(null), out var envelope).Should().BeTrue();
        envelope.ExpiresAt.Should().Be(DateTimeOffset.MaxValue, "that is never");
        envelope.Sliding.Should().Be(TimeSpan.Zero);
        envelope.StaleFor.Should().Be(TimeSpan.Zero);
        envelope.Tags.Should().BeEmpty();
        envelope.IsNull.Should().BeTrue();
        envelope.Payload.Length.Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void No_flipped_bit_goes_unnoticed(string kind)
    {
        var bytes = Make(kind);
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Parse(bytes, out _).Should().BeFalse("bit {0} is flipped", bit);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Parse(bytes, out _).Should().BeTrue();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_cut_off_or_added_goes_unnoticed(string kind)
    {
        var bytes = Make(kind);
        for (var length = 0; length < bytes.Length; length++)
        {
            Parse(bytes[..length], out _).Should().BeFalse();
        }

        Parse([.. bytes, 0], out _).Should().BeFalse();
        Parse([.. bytes, .. bytes], out _).Should().BeFalse();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_header_that_somebody_made_up_and_summed_up_does_no_harm(string kind)
    {
        // With the sums made right again, so that it is for what comes after them to see. The value may still be there, or not; it is never another.
        var bytes = Make(kind);
        var options = OptionsFor(kind);
        var headerEnd = Array.IndexOf(bytes, (byte)'p', EnvelopeLayout.HeaderLength); // into the tags
        for (var at = EnvelopeLayout.Flags; at < headerEnd; at++)
        {
            foreach (var value in (byte[])[0, 1, 2, 4, 0x7f, 0x80, 0xff])
            {
                var changed = (byte[])bytes.Clone();
                changed[at] = value;
                SumUp(changed);
                if (EntryCodec.TryParse(changed, Codec.Key, out var envelope))
                {
                    var decoded = default(DecodedValue);
                    new EntryCodec(options).TryDecode<string, DecodedValue>(envelope, ref decoded, out _);
                    _ = envelope.Tags.Length + envelope.TypeName.Length + envelope.CreatedAt.Ticks + envelope.ExpiresAt.Ticks;
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Another_keys_envelope_is_none(string kind)
    {
        var bytes = Make(kind);
        foreach (var key in (string[])["the kez", "the ke", "the keyy", "The key", "the keÿ", "", "x"])
        {
            EntryCodec.TryParse(bytes, key, out _).Should().BeFalse();
        }
    }

    [Theory]
    [InlineData("a")]
    [InlineData("ключ 🔑")]
    [InlineData("\0")]
    public void Any_key_is_told_from_any_other(string key)
    {
        var bytes = new Codec().Encode(1, key: key);
        EntryCodec.TryParse(bytes, key, out _).Should().BeTrue();
        EntryCodec.TryParse(bytes, key + "\0", out _).Should().BeFalse();
        EntryCodec.TryParse(bytes, "b" + key[1..], out _).Should().BeFalse();
        EntryCodec.TryParse(bytes, new string('я', key.Length), out _).Should().BeFalse();
    }

    [Fact]
    public void The_longest_key_and_many_tags_have_room()
    {
        var key = new string('k', CacheKey.MaximumBytes);
        string[] tags = [.. Enumerable.Range(0, 10_000).Select(number => $"tag {number}")];
        var bytes = new Codec().Encode(1, new EntryMetadata { Tags = tags }, key: key);
        EntryCodec.TryParse(bytes, key, out var envelope).Should().BeTrue();
        envelope.Tags.Should().Equal(tags);
    }

    [Fact]
    public void Foreign_bytes_are_no_envelope()
    {
        var random = new Random(1);
        for (var length = 0; length < 2_000; length++)
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            Parse(bytes, out _).Should().BeFalse();
            if (length >= EnvelopeLayout.HeaderLength)
            {
                // As if it were one, up to the sums.
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, EnvelopeLayout.MagicAndVersion);
                BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(EnvelopeLayout.TotalLength), length);
                Parse(bytes, out _).Should().BeFalse();
                SumUp(bytes);
                Parse(bytes, out _).Should().BeFalse("the rest makes no sense");
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(255)]
    public void Another_version_is_a_miss(byte version)
    {
        var bytes = Make("json");
        bytes[3] = version;
        SumUp(bytes);
        Parse(bytes, out _).Should().BeFalse();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_stamp_can_be_set_afterwards(string kind)
    {
        var bytes = Make(kind);
        var before = (byte[])bytes.Clone();
        EntryCodec.PatchStamp(bytes, long.MinValue + 5);
        Parse(bytes, out var envelope).Should().BeTrue();
        envelope.Stamp.Should().Be(long.MinValue + 5);
        EntryCodec.PatchStamp(bytes, _metadata.Stamp);
        bytes.Should().Equal(before);
        Parse(bytes, out envelope).Should().BeTrue();
        envelope.Stamp.Should().Be(_metadata.Stamp);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_entry_can_be_given_other_metadata_without_its_value_being_read(string kind)
    {
        var options = OptionsFor(kind);
        Parse(Make(kind), out var before).Should().BeTrue();
        var metadata = new EntryMetadata { Stamp = 5, CreatedAt = _metadata.CreatedAt, ExpiresAt = _metadata.ExpiresAt.AddDays(1), Tags = ["other"] };
        using var rewritten = new EntryCodec(options).Rewrite(before, Codec.Key, metadata)!; // null only if it could not be decrypted
        Parse(rewritten.Bytes.ToArray(), out var after).Should().BeTrue();
        (after.Stamp, after.ExpiresAt, after.Sliding, after.StaleFor).Should().Be((5, metadata.ExpiresAt, TimeSpan.Zero, TimeSpan.Zero));
        after.Tags.Should().Equal("other");
        var (was, isNow) = (Value(before), Value(after));
        isNow.Should().BeEquivalentTo(was);

        object? Value(in Envelope envelope)
        {
            var decoded = default(DecodedValue);
            var codec = new EntryCodec(options);
            (kind == "json" ? codec.TryDecode<List<string>, DecodedValue>(envelope, ref decoded, out _) : codec.TryDecode<string, DecodedValue>(envelope, ref decoded, out _))
                .Should().Be(DecodeStatus.Decoded);
            return decoded.Value;
        }
    }

    [Fact]
    public void What_cannot_be_decrypted_cannot_be_given_other_metadata()
    {
        Parse(Make("encrypted"), out var envelope).Should().BeTrue();
        new EntryCodec(new()).Rewrite(envelope, Codec.Key, _metadata).Should().BeNull();
        new EntryCodec(new() { Encryption = new("k2", new byte[32]) }).Rewrite(envelope, Codec.Key, _metadata).Should().BeNull();
        Parse(Make("text"), out envelope).Should().BeTrue();
        new EntryCodec(new() { Encryption = new("k2", new byte[32]) }).Rewrite(envelope, Codec.Key, _metadata).Should().BeNull();
    }

    [Fact]
    public void A_stamp_does_not_pass_for_that_of_another_envelope()
    {
        var first = new Codec().Encode(1, new EntryMetadata { Stamp = 1 });
        var second = new Codec().Encode(2, new EntryMetadata { Stamp = 2 });
        second.AsSpan(EnvelopeLayout.Stamp, 16).CopyTo(first.AsSpan(EnvelopeLayout.Stamp));
        Parse(first, out _).Should().BeFalse();
    }

    /// <summary>Makes both sums right.</summary>
    internal static void SumUp(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[EnvelopeLayout.Sum..], EnvelopeSum.Of(bytes));
        EntryCodec.PatchStamp(bytes, 1);
    }

    private static bool Parse(byte[] bytes, out Envelope envelope) => EntryCodec.TryParse(bytes, Codec.Key, out envelope);

    private static SerializationOptions OptionsFor(string kind)
    {
        var options = new SerializationOptions { Encryption = kind.Contains("encrypted") ? _keys : null };
        return kind == "custom" ? options.UseFor<string>("mine", static (text, target) => target.Write([(byte)text.Length]), static _ => "x") : options;
    }

    private static byte[] Make(string kind)
    {
        var codec = new Codec(OptionsFor(kind));
        var compress = kind.Contains("compressed");
        return kind switch
        {
            "null" or "encrypted null" => codec.Encode<string?>(null, _metadata),
            "json" => codec.Encode(new List<string> { "a", "b" }, _metadata),
            "derived" => codec.Encode<object>("text", _metadata),
            _ => codec.Encode(compress ? new string('x', 3_000) : "a text", _metadata, compress),
        };
    }
}
