using System.Buffers;
using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>What any release has written to a store, every later one must read, or it would begin with an empty cache.</summary>
/// <remarks>
/// Files in the folder <c>Formats</c> are never changed. A new version of the envelope gets new ones; they are made by running these tests
/// with <c>APPROVE=1</c>, which writes only those that are missing.
/// </remarks>
public sealed class FormatTests
{
    private const string Secret = "0123456789abcdef";

    private static readonly Dictionary<string, Func<Codec, byte[]>> _writers = new()
    {
        ["text"] = codec => codec.Encode("a text: ünïcödé 😀", Metadata),
        ["utf16"] = codec => codec.Encode("lone \ud800", Metadata),
        ["null"] = codec => codec.Encode<string?>(null, Metadata),
        ["number"] = codec => codec.Encode(-5, Metadata),
        ["bytes"] = codec => codec.Encode<byte[]>([1, 2, 3], Metadata),
        ["enum"] = codec => codec.Encode(DayOfWeek.Friday, Metadata),
        ["instant"] = codec => codec.Encode(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromMinutes(-90)), Metadata),
        ["json"] = codec => codec.Encode(Item, Metadata),
        ["derived"] = codec => codec.Encode<object>(Item, Metadata),
        ["list"] = codec => codec.Encode(new List<FormatItem> { Item }, Metadata),
        ["compressed"] = codec => codec.Encode(new string('x', 2_000), Metadata, compress: true),
        ["encrypted"] = codec => codec.Encode("a text", Metadata),
        ["custom"] = codec => codec.Encode(Guid.AllBitsSet, Metadata),
    };

    public static TheoryData<string> Kinds => [.. _writers.Keys];

    private static EntryMetadata Metadata => new()
    {
        Stamp = 0x0102030405060708,
        CreatedAt = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        ExpiresAt = new(2027, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Sliding = TimeSpan.FromMinutes(5),
        StaleFor = TimeSpan.FromDays(1),
        Tags = ["shop", "ünïcödé"],
    };

    private static FormatItem Item => new() { Number = 5, Text = "five", Held = 5L, Points = [(1, 2.5)], Parts = { ["a"] = new() { Text = "part" } } };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_version_ever_written_is_read(string kind)
    {
        var read = 0;
        foreach (var path in Directory.EnumerateFiles(Folder, $"v*.{kind}.bin"))
        {
            var bytes = File.ReadAllBytes(path);
            EntryCodec.TryParse(bytes, Codec.Key, out var envelope).Should().BeTrue();
            envelope.Stamp.Should().Be(Metadata.Stamp);
            envelope.CreatedAt.Should().Be(Metadata.CreatedAt);
            envelope.ExpiresAt.Should().Be(Metadata.ExpiresAt);
            envelope.Sliding.Should().Be(Metadata.Sliding);
            envelope.StaleFor.Should().Be(Metadata.StaleFor);
            envelope.Tags.Should().Equal(Metadata.Tags);
            Check(kind, new Codec(OptionsFor(kind)), bytes);
            read++;
        }

        read.Should().BePositive();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_written_now_is_what_was_written_when_this_version_was_fixed(string kind)
    {
        var path = Path.Combine(Folder, $"v1.{kind}.bin");
        var now = _writers[kind](new Codec(OptionsFor(kind)));
        if (!File.Exists(path) && Environment.GetEnvironmentVariable("APPROVE") == "1")
        {
            File.WriteAllBytes(path, now);
        }

        var then = File.ReadAllBytes(path);
        if (kind == "encrypted")
        {
            // Another salt and nonce each time; with them, the sums.
            EntryCodec.TryParse(now, Codec.Key, out var nowParsed);
            EntryCodec.TryParse(then, Codec.Key, out var thenParsed);
            nowParsed.AuthenticatedHeader.ToArray().Should().Equal(thenParsed.AuthenticatedHeader.ToArray());
            nowParsed.Payload.Length.Should().Be(thenParsed.Payload.Length);
        }
        else if (kind == "compressed")
        {
            // What exactly comes of compressing is the platform's business, down to the length.
            now.AsSpan(EnvelopeLayout.Flags, EnvelopeLayout.HeaderLength - EnvelopeLayout.Flags).ToArray()
                .Should().Equal(then.AsSpan(EnvelopeLayout.Flags, EnvelopeLayout.HeaderLength - EnvelopeLayout.Flags).ToArray());
        }
        else
        {
            now.Should().Equal(then, "a change of the format needs a new version");
        }
    }

    private static string Folder => Repository.PathTo("tests", "CacheKit.Tests", "Serialization", "Formats");

    private static SerializationOptions OptionsFor(string kind) => kind switch
    {
        "encrypted" => new() { Encryption = new("the key's id", System.Text.Encoding.ASCII.GetBytes(Secret)) },
        "custom" => new SerializationOptions().UseFor<Guid>("mine-1", static (value, target) => target.Write(value.ToByteArray()), static bytes => new(bytes.Span)),
        _ => new SerializationOptions().Know<FormatItem>(),
    };

    private static void Check(string kind, Codec codec, byte[] bytes)
    {
        switch (kind)
        {
            case "text": codec.Read<string>(bytes).Should().Be("a text: ünïcödé 😀"); break;
            case "utf16": codec.Read<string>(bytes).Should().Be("lone \ud800"); break;
            case "null": codec.Read<string?>(bytes).Should().BeNull(); break;
            case "number": codec.Read<int>(bytes).Should().Be(-5); break;
            case "bytes": codec.Read<byte[]>(bytes).Should().BeEquivalentTo(new byte[] { 1, 2, 3 }); break;
            case "enum": codec.Read<DayOfWeek>(bytes).Should().Be(DayOfWeek.Friday); break;
            case "instant": codec.Read<DateTimeOffset>(bytes).Should().Be(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromMinutes(-90))); break;
            case "json": codec.Read<FormatItem>(bytes).Should().BeEquivalentTo(Item); break;
            case "derived": codec.Read<object>(bytes).Should().BeOfType<FormatItem>().And.BeEquivalentTo(Item); break;
            case "list": codec.Read<List<FormatItem>>(bytes).Should().BeEquivalentTo(new List<FormatItem> { Item }); break;
            case "compressed": codec.Read<string>(bytes).Should().Be(new string('x', 2_000)); break;
            case "encrypted": codec.Read<string>(bytes).Should().Be("a text"); break;
            case "custom": codec.Read<Guid>(bytes).Should().Be(Guid.AllBitsSet); break;
            default: throw new ArgumentException(kind);
        }
    }
}

/// <summary>In the format files: not to be changed.</summary>
internal sealed class FormatItem
{
    public int Number { get; set; }

    public string? Text;

    public object? Held { get; set; }

    public List<(int X, double Y)> Points { get; set; } = [];

    public Dictionary<string, FormatItem> Parts { get; } = [];
}
