using System.Text.Json;
using System.Text.Json.Serialization;
using CacheKit.Serialization;
using FsCheck;
using FsCheck.Fluent;

namespace CacheKit.Tests.Serialization;

/// <summary>Whatever the value, the key, the tags and the options: what comes back is what was stored.</summary>
public sealed class CodecPropertyTests
{
    private static readonly SerializationOptions[] _options =
    [
        new(),
        new() { Compress = true, CompressionThreshold = 0 },
        new() { Encryption = new("k", new byte[16]) },
        new() { Compress = true, CompressionThreshold = 10, Encryption = new("k", new byte[16]) },
    ];

    private static readonly JsonSerializerOptions _text = new() { IncludeFields = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly Codec[] _writers = [.. _options.Select(options => new Codec(options))];
    private readonly Codec[] _readers = [.. _options.Select(options => new Codec(options))];

    [Fact]
    public void Texts_come_back() => Check.One(Config.QuickThrowOnFailure, Prop.ForAll(ArbMap.Default.ArbFor<string?>(), value =>
    {
        for (var i = 0; i < _writers.Length; i++)
        {
            string.Equals((string?)_readers[i].Read<string?>(_writers[i].Encode(value)), value, StringComparison.Ordinal).Should().BeTrue();
        }
    }));

    [Fact]
    public void Bytes_come_back() => CheckAll<byte[]?>();

    [Fact]
    public void Numbers_come_back()
    {
        CheckAll<int>();
        CheckAll<long?>();
        CheckAll<double>();
        CheckAll<decimal>();
        CheckAll<float[]>();
    }

    [Fact]
    public void Instants_come_back()
    {
        CheckAll<DateTime>();
        CheckAll<DateTimeOffset>();
        CheckAll<TimeSpan>();
    }

    [Fact]
    public void Objects_come_back()
    {
        CheckAll<Dictionary<string, int[]>>();
        CheckAll<(int, double?, bool)>();
        CheckAll<List<Tuple<Guid, DateTimeOffset>>>();
    }

    [Fact]
    public void What_is_said_of_an_entry_comes_back()
    {
        var texts = from text in ArbMap.Default.GeneratorFor<NonNull<string>>() select new string([.. text.Get.Where(letter => !char.IsSurrogate(letter))]);
        var entries = from key in texts
                      from tags in texts.ArrayOf()
                      from numbers in Gen.Choose(0, int.MaxValue).ArrayOf(5)
                      select (key, tags, numbers);
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Arb.From(entries), entry =>
        {
            var (key, tags, numbers) = entry;
            var metadata = new EntryMetadata
            {
                Stamp = (long)numbers[0] * numbers[1], CreatedAt = new(numbers[2] * 1_000_000_000L, TimeSpan.Zero), ExpiresAt = new(numbers[3] * 1_000_000_000L, TimeSpan.Zero),
                Sliding = new(numbers[4]), StaleFor = new(numbers[0]), Tags = tags,
            };
            var bytes = _writers[0].Encode(1, metadata, key: key);
            EntryCodec.TryParse(bytes, key, out var envelope).Should().BeTrue();
            (envelope.Stamp, envelope.CreatedAt, envelope.ExpiresAt, envelope.Sliding, envelope.StaleFor)
                .Should().Be((metadata.Stamp, metadata.CreatedAt, metadata.ExpiresAt, metadata.Sliding, metadata.StaleFor));
            envelope.Tags.Should().Equal(tags);
            EntryCodec.TryParse(bytes, key + "x", out _).Should().BeFalse();
        }));
    }

    [Fact]
    public void A_byte_changed_anywhere_is_noticed()
    {
        var changes = from text in ArbMap.Default.GeneratorFor<NonNull<string>>() from at in Gen.Choose(0, int.MaxValue) from difference in Gen.Choose(1, 255) select (text.Get, at, difference);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1_000), Prop.ForAll(Arb.From(changes), change =>
        {
            var bytes = _writers[change.at % _writers.Length].Encode(change.Get);
            bytes[change.at % bytes.Length] ^= (byte)change.difference;
            EntryCodec.TryParse(bytes, Codec.Key, out _).Should().BeFalse();
        }));
    }

    private void CheckAll<T>() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(ArbMap.Default.ArbFor<T>(), value =>
        {
            for (var i = 0; i < _writers.Length; i++)
            {
                var decoded = _readers[i].Read<T>(_writers[i].Encode(value));
                Text(decoded).Should().Be(Text(value));
            }
        }));

    // A collection is equal to itself alone, and NaN not even to that; what they are made of is.
    private static string Text<T>(T value) => JsonSerializer.Serialize(value, _text);

    private static string Text(object? value) => JsonSerializer.Serialize(value, _text);
}
