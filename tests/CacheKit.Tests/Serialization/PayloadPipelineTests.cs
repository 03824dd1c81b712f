using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>Compression and encryption.</summary>
public sealed class PayloadPipelineTests
{
    private static readonly string _long = string.Join(' ', Enumerable.Range(0, 2_000));
    private static readonly byte[] _key1 = [.. Enumerable.Range(1, 32).Select(number => (byte)number)];
    private static readonly byte[] _key2 = [.. Enumerable.Range(2, 16).Select(number => (byte)number)];

    [Fact]
    public void A_long_payload_is_compressed_where_the_cache_or_the_entry_says_so()
    {
        IsCompressed(new Codec().Encode(_long)).Should().BeFalse();
        IsCompressed(new Codec().Encode(_long, compress: true)).Should().BeTrue();
        var compressing = new SerializationOptions { Compress = true };
        IsCompressed(new Codec(compressing).Encode(_long)).Should().BeTrue();
        IsCompressed(new Codec(compressing).Encode(_long, compress: false)).Should().BeFalse();
        Codec.RoundTrip(_long, compressing).Should().Be(_long);
        new Codec().Read<string>(new Codec(compressing).Encode(_long)).Should().Be(_long, "whoever compresses, anybody can read it");
        new Codec(compressing).Encode(_long).Length.Should().BeLessThan(_long.Length / 2);
    }

    [Fact]
    public void A_payload_below_the_threshold_is_not_compressed()
    {
        var options = new SerializationOptions { CompressionThreshold = 500 };
        IsCompressed(new Codec(options).Encode(new string('x', 499), compress: true)).Should().BeFalse();
        IsCompressed(new Codec(options).Encode(new string('x', 500), compress: true)).Should().BeTrue();
        foreach (var text in (string[])["", "x"])
        {
            IsCompressed(new Codec(new() { CompressionThreshold = 0 }).Encode(text, compress: true)).Should().BeFalse();
        }
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(200_000)]
    public void What_does_not_get_smaller_is_stored_as_it_is(int length)
    {
        var bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        var envelope = new Codec().Encode(bytes, compress: true);
        IsCompressed(envelope).Should().BeFalse();
        ((byte[])new Codec().Read<byte[]>(envelope)!).Should().Equal(bytes); // not null
    }

    [Theory]
    [InlineData(1_023)]
    [InlineData(32 << 10)]
    [InlineData(3_000_000)]
    public void Compressed_bytes_of_any_length_come_back(int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)(i / 7 % 50);
        }

        Codec.RoundTrip(bytes, new() { Compress = true, CompressionThreshold = 0 }).Should().Equal(bytes);
    }

    [Fact]
    public void A_payload_that_would_swell_beyond_the_limit_is_neither_made_nor_read()
    {
        var options = new SerializationOptions { MaximumDecompressedBytes = 2_000 };
        IsCompressed(new Codec(options).Encode(new string('x', 2_001), compress: true)).Should().BeFalse();
        new Codec(options).StatusOf<string>(new Codec().Encode(new string('x', 2_001), compress: true)).Should().Be(DecodeStatus.Corrupt);
        new Codec(options).StatusOf<string>(new Codec().Encode(new string('x', 2_000), compress: true)).Should().Be(DecodeStatus.Decoded);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(-2_000)]
    [InlineData(1_000_000)]
    public void A_length_that_was_made_up_is_found_out(int difference)
    {
        var bytes = new Codec().Encode(_long, compress: true);
        var length = bytes.AsSpan(EnvelopeLayout.PlainLength);
        BinaryPrimitives.WriteInt32LittleEndian(length, BinaryPrimitives.ReadInt32LittleEndian(length) + difference);
        EnvelopeTests.SumUp(bytes);
        new Codec().StatusOf<string>(bytes).Should().Be(DecodeStatus.Corrupt);
    }

    [Fact]
    public void An_encrypted_payload_shows_nothing_and_comes_back()
    {
        var options = new SerializationOptions { Encryption = new("k1", _key1) };
        foreach (var compress in (bool[])[false, true])
        {
            var bytes = new Codec(options).Encode("the secret " + _long, compress: compress);
            Encoding.UTF8.GetString(bytes).Should().NotContain("the secret");
            IsCompressed(bytes).Should().Be(compress);
            new Codec(options).Read<string>(bytes).Should().Be("the secret " + _long);
        }

        Codec.RoundTrip<string?>(null, options).Should().BeNull();
        Codec.RoundTrip("", options).Should().BeEmpty();
        new Codec(options).Encode("x").Should().NotEqual(new Codec(options).Encode("x"), "no two are encrypted alike");
    }

    [Fact]
    public void Another_process_with_the_key_can_read_it()
    {
        var bytes = new Codec(new() { Encryption = new("k1", _key1) }).Encode("text");
        for (var process = 0; process < 300; process++)
        {
            // More salts than are kept.
            var other = new Codec(new() { Encryption = new("k1", _key1) }).Encode("text");
            Reader.Read<string>(other).Should().Be("text");
        }

        Reader.Read<string>(bytes).Should().Be("text");
        Reader.Read<string>(bytes).Should().Be("text");
    }

    private Codec Reader => field ??= new(new() { Encryption = new("k1", _key1) });

    [Fact]
    public void A_wrong_an_unknown_or_no_key_is_a_miss()
    {
        var bytes = new Codec(new() { Encryption = new("k1", _key1) }).Encode("text");
        new Codec(new() { Encryption = new("k1", _key2) }).StatusOf<string>(bytes).Should().Be(DecodeStatus.Undecryptable);
        new Codec(new() { Encryption = new("k2", _key1) }).StatusOf<string>(bytes).Should().Be(DecodeStatus.Undecryptable);
        new Codec().StatusOf<string>(bytes).Should().Be(DecodeStatus.Undecryptable);
    }

    [Fact]
    public void What_is_not_encrypted_is_a_miss_where_it_should_be()
    {
        var options = new SerializationOptions { Encryption = new("k1", _key1) };
        new Codec(options).StatusOf<string>(new Codec().Encode("text")).Should().Be(DecodeStatus.Undecryptable);
        new Codec(options).StatusOf<string?>(new Codec().Encode<string?>(null)).Should().Be(DecodeStatus.Undecryptable);
    }

    [Fact]
    public void Keys_are_changed_without_a_gap()
    {
        var (first, second) = (new KeyRing("k1", _key1), new KeyRing("k1", _key1));
        var (a, b) = (new Codec(new() { Encryption = first }), new Codec(new() { Encryption = second }));
        var before = a.Encode("before");
        first.Add("k2", _key2).Add("k2", _key2);
        second.Add("k2", _key2);
        first.Use("k2");
        first.CurrentId.Should().Be("k2");
        var between = a.Encode("between");
        b.Read<string>(between).Should().Be("between", "it has the key, although it does not use it yet");
        b.Read<string>(before).Should().Be("before");
        second.Use("k2");
        a.Read<string>(b.Encode("after")).Should().Be("after");
        first.Remove("k1").Should().BeTrue();
        first.Remove("k1").Should().BeFalse();
        first.Count.Should().Be(1);
        a.StatusOf<string>(before).Should().Be(DecodeStatus.Undecryptable);
        a.Read<string>(between).Should().Be("between");
    }

    [Fact]
    public void A_ring_refuses_what_cannot_be()
    {
        FluentActions.Invoking(() => new KeyRing("k", new byte[31])).Should().Throw<ArgumentException>().WithMessage("*16, 24 or 32 bytes*31*");
        FluentActions.Invoking(() => new KeyRing("", _key1)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => new KeyRing(new string('k', 256), _key1)).Should().Throw<ArgumentException>();
        var ring = new KeyRing("k1", _key1);
        FluentActions.Invoking(() => ring.Add("k1", _key2)).Should().Throw<ArgumentException>().WithMessage("*another key*");
        FluentActions.Invoking(() => ring.Use("k2")).Should().Throw<ArgumentException>().WithMessage("*no key*k2*");
        FluentActions.Invoking(() => ring.Remove("k1")).Should().Throw<ArgumentException>().WithMessage("*used to encrypt*");
    }

    [Fact]
    public void An_encrypted_entry_cannot_be_forged_changed_or_moved_to_another_key()
    {
        // By somebody who knows the format, and makes the sums right.
        var options = new SerializationOptions { Encryption = new("k1", _key1) };
        foreach (var bytes in new[] { new Codec(options).Encode("text", new() { Tags = ["tag"] }), new Codec(options).Encode<string?>(null, new() { Tags = ["tag"] }) })
        {
            for (var bit = EnvelopeLayout.Flags * 8; bit < bytes.Length * 8; bit++)
            {
                var changed = (byte[])bytes.Clone();
                changed[bit / 8] ^= (byte)(1 << (bit % 8));
                EnvelopeTests.SumUp(changed);
                if (EntryCodec.TryParse(changed, Codec.Key, out var envelope))
                {
                    var decoded = default(DecodedValue);
                    new EntryCodec(options).TryDecode<string, DecodedValue>(envelope, ref decoded, out _).Should().NotBe(DecodeStatus.Decoded, "bit {0} is flipped", bit);
                }
            }

            var moved = (byte[])bytes.Clone();
            "eht key"u8.CopyTo(moved.AsSpan(EnvelopeLayout.HeaderLength));
            EnvelopeTests.SumUp(moved);
            new Codec(options).Decode<string>(moved, "eht key").Status.Should().Be(DecodeStatus.Undecryptable);
        }
    }

    [Fact]
    public void No_two_nonces_are_the_same()
    {
        var ring = new KeyRing("k1", _key1);
        var codec = new Codec(new() { Encryption = ring });
        var nonces = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        Parallel.For(0, 2_000, number =>
        {
            EntryCodec.TryParse(codec.Encode(number), Codec.Key, out var envelope);
            nonces.TryAdd(Convert.ToHexString(envelope.Payload.Span[..EnvelopeCipher.PrefixLength]), true).Should().BeTrue();
            codec.Read<int>(codec.Encode(number)).Should().Be(number);
        });
        new KeyRing("k1", _key1).Current.Own.Salt.ToArray().Should().NotEqual(ring.Current.Own.Salt.ToArray());
    }

    [Fact]
    public void The_cipher_is_the_platforms_aes_gcm_under_a_key_derived_with_the_salt()
    {
        var bytes = new Codec(new() { Encryption = new("k1", _key1) }).Encode("text");
        EntryCodec.TryParse(bytes, Codec.Key, out var envelope);
        var payload = envelope.Payload.Span;
        var derived = HKDF.DeriveKey(HashAlgorithmName.SHA256, _key1, 32, payload[..16].ToArray(), "CacheKit entry 1"u8.ToArray());
        using var cipher = new AesGcm(derived, 16);
        var plain = new byte[4];
        cipher.Decrypt([.. payload[16..24], 0, 0, 0, 0], payload[24..28], payload[28..], plain, envelope.AuthenticatedHeader);
        plain.Should().Equal("text"u8.ToArray());
    }

    private static bool IsCompressed(byte[] bytes)
    {
        EntryCodec.TryParse(bytes, Codec.Key, out var envelope).Should().BeTrue();
        return envelope.IsCompressed;
    }
}
