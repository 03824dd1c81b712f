using System.Text;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Tests.Protocol;

/// <summary>What lies in Redis is read by processes of other versions: it does not change under the same version number.</summary>
public sealed class FormatTests
{
    private static readonly KeyLayout _layout = new("cachekit", "default");

    [Fact]
    public void An_entry_is_written_as_ever()
    {
        var bytes = EntryRecord.Write(
            EntryFlags.None, 0x0102030405060708, new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero), DateTimeOffset.MaxValue, EntryTags.Of(["a", "né"], _layout), "value"u8);
        Convert.ToHexString(bytes).Should().Be(
            "C40100" + "0102030405060708" + "0102030405060708" + "0102030405060708" + "08E2C5BAA43BC080" + "2BCA2875F4373FFF" + "0000000C"
            + "0001" + "61" + "0003" + "6EC3A9" + "88965496" + "76616C7565");
        EntryRecord.TryParse(bytes, out var record).Should().BeTrue();
        record.Stamp.Should().Be(0x0102030405060708);
        EntryTags.Parse(record.TagBlock, _layout)!.Tags.Should().Equal("a", "né");
        Encoding.UTF8.GetString(record.Payload.Span).Should().Be("value");
    }

    [Fact]
    public void A_record_of_a_tag_is_written_as_ever()
    {
        Convert.ToHexString(TagRecord.Write(0x0102030405060708)).Should().Be("C501" + "0102030405060708" + "0000000000000000");
    }

    [Theory]
    [InlineData("a", 9413272369427828315UL)]
    [InlineData("product:né", 2929036933517499957UL)]
    public void A_hash_is_the_same_in_all_versions(string text, ulong hash) => StableHash.Of(text).Should().Be(hash);

    [Fact]
    public void An_entry_that_is_cut_or_changed_anywhere_is_none_or_another_one_but_never_an_exception()
    {
        var bytes = EntryRecord.Write(EntryFlags.None, 5, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, EntryTags.Of(["a", "b"], _layout), "value"u8);
        for (var i = 0; i < bytes.Length; i++)
        {
            Read(bytes[..i]);
            for (var bit = 0; bit < 8; bit++)
            {
                byte[] changed = [.. bytes];
                changed[i] ^= (byte)(1 << bit);
                Read(changed);
            }
        }

        static void Read(byte[] bytes)
        {
            if (EntryRecord.TryParse(bytes, out var record) && record.HasTags)
            {
                _ = EntryTags.Parse(record.TagBlock, _layout);
                _ = record.Payload.Length;
            }
        }
    }

    [Fact]
    public void A_record_of_a_tag_that_is_cut_or_changed_is_none_or_another_one_but_never_an_exception()
    {
        byte[] bytes = [.. TagRecord.Write(5), .. new byte[] { 0, 0, 0, 0, 0, 0, 0, 9, (byte)'R', 1, 1, 2, 3, 4, 5, 6, 7, 8 }];
        TagRecord.TryParse(bytes, out var whole).Should().BeTrue();
        whole.Latest.Should().Be(9);
        for (var i = 0; i < bytes.Length; i++)
        {
            Read(bytes[..i]);
            byte[] changed = [.. bytes];
            changed[i] ^= 0xFF;
            Read(changed);
        }

        static void Read(RedisValue value)
        {
            if (TagRecord.TryParse(value, out var record))
            {
                _ = record.Judge(3, EntryTags.Of(["a"], _layout));
                _ = record.Latest;
            }
        }
    }

    [Theory]
    [InlineData("123456789", 12739)]
    [InlineData("foo", 12182)]
    [InlineData("{user1000}.following", 3443)]
    [InlineData("foo{}{bar}", 8363)]
    [InlineData("foo{{bar}}zap", 4015)]
    public void A_slot_is_the_one_the_cluster_computes(string name, int slot) => HashSlot.Of(name).Should().Be(slot);

    [Fact]
    public void Caches_and_prefixes_share_no_names()
    {
        string[] prefixes = ["a", "a:b", "a%2F"];
        string[] names = ["x", "x/e:", "%", "x%2Fe:", "{x}"];
        var all = from prefix in prefixes from name in names from key in (string[])["k", "x/e:k", "e:k"] select new KeyLayout(prefix, name).Entry(key).ToString();
        all.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void A_key_survives_the_way_through_its_name()
    {
        _layout.KeyOf(_layout.Entry("a*b[c]").ToString()).Should().Be("a*b[c]");
        _layout.KeyOf(_layout.Tag("a").ToString()).Should().BeNull();
        _layout.EntryPattern("a*b[c]^-?\\").Should().Be("cachekit/default/e:a\\*b\\[c\\]\\^\\-\\?\\\\*");
    }
}
