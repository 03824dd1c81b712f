using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>What can be a key, and that different keys are different entries.</summary>
public abstract class KeyContract : CacheContract
{
    public static TheoryData<string> Operations => [.. CacheOperations.WithKey.Keys];

    public static TheoryData<string, string> DifferentKeys => new()
    {
        { "key", "Key" }, // case
        { "key", " key" }, { "key", "key " }, { "a b", "a  b" }, // spaces
        { "a", "a:b" }, { "a:b", "a:b:c" }, // nesting
        { "\u00e9", "e\u0301" }, // composed and decomposed
        { "a\0b", "a\0c" }, { "a\0", "a" }, { "a\u001fb", "ab" }, { "a\nb", "a\rb" }, // control characters
        { "caf\u00e9", "cafe" }, { "stra\u00dfe", "strasse" }, { "\u0130", "i" }, { "I", "\u0131" }, // equal in some culture
        { "*", "a" }, { "a*", "ab" }, { "a?", "ab" }, { "[ab]", "a" }, { "a.b", "aXb" }, { "^a$", "a" }, { "a\\", "a" }, { "a%", "ab" }, // patterns
        { "../x", "x" }, { "a/../x", "x" }, { "/etc/passwd", "etc/passwd" }, { "con", "con.txt" }, { "a/b", "a\\b" }, { ".", ".." }, // paths
        { "\U0001F600", "\U0001F601" }, // outside the basic plane
    };

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_null_key_is_an_ArgumentNullException(string operation) =>
        await RefusedAsync<ArgumentNullException>(operation, null!);

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task An_empty_key_is_an_ArgumentException(string operation) => await RefusedAsync<ArgumentException>(operation, "");

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_key_with_a_lone_surrogate_is_an_ArgumentException(string operation) =>
        await RefusedAsync<ArgumentException>(operation, "a\ud800b");

    // Not as test data: ill-formed text does not survive the way there.
    [Fact]
    public async Task A_lone_surrogate_is_found_wherever_it_is()
    {
        foreach (var key in new[] { "\ud800", "\udc00", "a\ud83d", "\ude00\ud83d", "\ud83d\ud83d\ude00", "\ud83d\ude00\ude00" })
        {
            await RefusedAsync<ArgumentException>("Set", key);
        }
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_key_of_more_than_65535_bytes_is_an_ArgumentException(string operation) =>
        await RefusedAsync<ArgumentException>(operation, new string('k', 65_536));

    [Fact]
    public async Task The_length_of_a_key_is_counted_in_bytes_of_utf8() =>
        await RefusedAsync<ArgumentException>("Set", new string('\u20ac', 65_535 / 3) + "k");

    [Fact]
    public async Task A_key_of_exactly_65535_bytes_is_a_key()
    {
        var cache = await CreateAsync();
        foreach (var key in new[] { new string('k', 65_535), new string('\u20ac', 65_535 / 3) })
        {
            await cache.SetAsync(key, 7);
            await ExpectAsync(cache, key, 7);
        }
    }

    [Theory]
    [InlineData(" ")]
    [InlineData("   ")]
    [InlineData("\t")]
    [InlineData("\u3000")]
    public async Task Whitespace_is_an_ordinary_key(string key)
    {
        var cache = await CreateAsync();
        await cache.SetAsync(key, 7);
        await ExpectAsync(cache, key, 7);
        await ExpectMissAsync(cache, key + " ");
    }

    [Theory]
    [MemberData(nameof(DifferentKeys))]
    public async Task Keys_that_differ_are_different_entries(string one, string other)
    {
        var cache = await CreateAsync();
        await cache.SetAsync(one, 1);
        await ExpectMissAsync(cache, other);
        await cache.SetAsync(other, 2);
        await ExpectAsync(cache, one, 1);
        await ExpectAsync(cache, other, 2);

        (await Soon(cache.RemoveAsync(one))).Should().BeTrue();
        await ExpectMissAsync(cache, one);
        await ExpectAsync(cache, other, 2);
    }

    [Fact]
    public async Task Equal_keys_are_one_key_whatever_string_they_are_in()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k\u00e91", 7);
        await ExpectAsync(cache, new string(['k', '\u00e9', '1']), 7);
    }

    [Fact]
    public async Task Long_keys_that_share_a_long_prefix_do_not_collide()
    {
        var cache = await CreateAsync();
        var prefix = new string('p', 8_000);
        for (var i = 0; i < 50; i++)
        {
            await cache.SetAsync(prefix + i, i);
        }

        for (var i = 0; i < 50; i++)
        {
            await ExpectAsync(cache, prefix + i, i);
        }
    }

    [Fact]
    public async Task Very_many_similar_keys_are_all_different()
    {
        var cache = await CreateAsync();
        for (var i = 0; i < Rounds(5_000); i++)
        {
            await cache.SetAsync($"key:{i}", i);
        }

        for (var i = 0; i < Rounds(5_000); i++)
        {
            (await Soon(cache.GetAsync<int>($"key:{i}"))).Value.Should().Be(i);
        }
    }

    [Fact]
    public async Task The_same_key_in_two_caches_of_different_names_is_two_entries()
    {
        var one = await CreateAsync(options => options.Name = "one");
        var other = await CreateAsync(options => options.Name = "other");
        one.Name.Should().Be("one");
        other.Name.Should().Be("other");
        await one.SetAsync("k", 1, new() { Tags = ["t"] });
        await other.SetAsync("k", 2, new() { Tags = ["t"] });
        await ExpectAsync(one, "k", 1);

        await one.RemoveByTagAsync("t");
        await one.ClearAsync();
        await ExpectMissAsync(one, "k");
        await ExpectAsync(other, "k", 2);
    }

    // Nothing is done: a bulk call that has one bad key leaves the good ones alone.
    private async Task RefusedAsync<TException>(string operation, string key)
        where TException : ArgumentException
    {
        var cache = await CreateAsync();
        await cache.SetAsync("another", 42);
        var act = () => CacheOperations.WithKey[operation](cache, key, default);

        var thrown = (await act.Should().ThrowAsync<TException>()).Which;
        thrown.Should().BeOfType<TException>("an argument that is wrong and one that is null are told apart");
        thrown.Message.Should().NotBeNullOrWhiteSpace();
        await ExpectAsync(cache, "another", 42);
    }
}
