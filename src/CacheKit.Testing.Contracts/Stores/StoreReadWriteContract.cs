using System.Security.Cryptography;
using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Bytes come back as they were stored, under the key they were stored under, until something takes them away.</summary>
public abstract class StoreReadWriteContract : StoreContract
{
    /// <summary>Keys that some store might take for something else than a key.</summary>
    public static TheoryData<string> Keys =>
    [
        "k", " ", " k ", "a:b:c", "../x", "/etc/passwd", "con", "a/b\\c", "C:\\x", "..", "NUL.txt", "nul\0inside", "\u001F\r\n\t", "*?[]\\^$.{}",
        "%00%2F", "🙂🚀", "é", "e\u0301", "ß", "日本語", "{tag}", "k\uFEFF", new string('x', 8_000),
    ];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(128)]
    [InlineData(1 << 10)]
    [InlineData(8_001)]
    [InlineData(16 << 10)]
    [InlineData((64 << 10) + 1)]
    [InlineData(1 << 20)]
    public async Task Bytes_come_back_as_they_are(int size)
    {
        var store = await CreateAsync();
        var payload = RandomNumberGenerator.GetBytes(size);
        var stamp = await SetAsync(store, "k", Entry(payload, Hours(1)));
        var read = await ReadAsync(await OpenAnotherAsync(store), "k");
        read.Status.Should().Be(StoreLookupStatus.Found);
        read.Stamp.Should().Be(stamp).And.NotBe(0);
        read.Number.Should().BeNull();
        read.Payload.Span.SequenceEqual(payload).Should().BeTrue("{0} bytes were stored and {1} were read", size, read.Payload.Length);
    }

    [Fact]
    public async Task What_was_never_stored_is_missing()
    {
        var store = await CreateAsync();
        await ExpectMissingAsync(store, "k");
        (await ReadAsync(store, "k", new() { WithoutPayload = true })).Status.Should().Be(StoreLookupStatus.Missing);
        (await ReadAsync(store, "k", new() { KnownStamp = 1 })).Status.Should().Be(StoreLookupStatus.Missing);
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task Any_key_is_a_key(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var store = await CreateAsync();
        await SetAsync(store, key, Entry("value"));
        await ExpectAsync(store, key, "value");
        await ExpectMissingAsync(store, key + "x");
        (await InvalidateAsync(store, key)).WasFresh.Should().BeTrue();
        await ExpectMissingAsync(store, key);
    }

    [Theory]
    [InlineData("key", "KEY", "Key")]
    [InlineData("k", "k ", " k")]
    [InlineData("a", "a:b", "a:b:c")]
    [InlineData("é", "e\u0301", "e")]
    [InlineData("ß", "ss", "SS")]
    [InlineData("i", "ı", "İ")]
    [InlineData("n\0", "n", "n\0\0")]
    [InlineData("a/b", "a\\b", "a/./b")]
    [InlineData("k", "k\u200D", "k\u00AD")]
    public async Task Keys_that_differ_at_all_are_different_keys(string first, string second, string third)
    {
        var store = await CreateAsync();
        string[] keys = [first, second, third];
        foreach (var key in keys)
        {
            await SetAsync(store, key, Entry($"value of {key}"));
        }

        foreach (var key in keys)
        {
            await ExpectAsync(store, key, $"value of {key}");
        }

        await InvalidateAsync(store, first);
        await ExpectMissingAsync(store, first);
        await ExpectAsync(store, second, $"value of {second}");
        await ExpectAsync(store, third, $"value of {third}");
    }

    [Fact]
    public async Task Long_keys_with_a_long_common_beginning_are_different_keys()
    {
        var store = await CreateAsync();
        var beginning = new string('p', 5_000);
        for (var i = 0; i < 5; i++)
        {
            await SetAsync(store, beginning + i, Entry($"{i}"));
        }

        await InvalidateAsync(store, beginning + 3);
        for (var i = 0; i < 5; i++)
        {
            await (i == 3 ? ExpectMissingAsync(store, beginning + i) : ExpectAsync(store, beginning + i, $"{i}"));
        }

        await ExpectMissingAsync(store, beginning);
    }

    [Fact]
    public async Task The_longest_key_there_can_be_is_a_key()
    {
        var store = await CreateAsync();
        var key = new string('k', 65_535);
        await SetAsync(store, key, Entry("value"));
        await ExpectAsync(store, key, "value");
        (await InvalidateAsync(store, key)).WasFresh.Should().BeTrue();
        await ExpectMissingAsync(store, key);
    }

    [Fact]
    public async Task A_second_write_replaces_the_first_whatever_their_sizes()
    {
        var store = await CreateAsync();
        foreach (var size in new[] { 10, 100_000, 0, 1_000, 300_000, 1 })
        {
            var text = new string('v', size);
            await SetAsync(store, "k", Entry(text));
            await ExpectAsync(store, "k", text);
        }
    }

    [Fact]
    public async Task What_one_handle_writes_and_removes_another_sees()
    {
        var one = await CreateAsync();
        var other = await OpenAnotherAsync(one);
        await SetAsync(one, "k", Entry("1"));
        await ExpectAsync(other, "k", "1");
        await SetAsync(other, "k", Entry("2"));
        await ExpectAsync(one, "k", "2");
        await InvalidateAsync(one, "k");
        await ExpectMissingAsync(other, "k");
        await ExpectMissingAsync(one, "k");
    }

    [Fact]
    public async Task Caches_of_different_names_on_the_same_ground_do_not_see_each_other()
    {
        var names = new[] { "one", "ONE", "one:", "on" };
        var stores = new List<ICacheStore>();
        foreach (var name in names)
        {
            stores.Add(await CreateAsync(options => options.CacheName = name));
        }

        // With names joined to keys, these two would be the same.
        await SetAsync(stores[2], "k", Entry("one: + k", "t"));
        await ExpectMissingAsync(stores[0], ":k");
        await ExpectMissingAsync(stores[3], "e:k");
        for (var i = 0; i < names.Length; i++)
        {
            await SetAsync(stores[i], "k", Entry(names[i], "t"));
        }

        await InvalidateAsync(stores[0], "k");
        await ExpectMissingAsync(stores[0], "k");
        await InvalidateTagsAsync(stores[1], "t");
        await ExpectMissingAsync(stores[1], "k");
        await ExpectAsync(stores[2], "k", names[2]);
        await Soon(stores[2].ClearAsync(default));
        await ExpectMissingAsync(stores[2], "k");
        await ExpectAsync(stores[3], "k", names[3]);
    }

    [Fact]
    public async Task A_read_without_the_payload_tells_the_rest()
    {
        var store = await CreateAsync();
        var entry = Entry("value", Hours(1), Hours(2));
        var stamp = await SetAsync(store, "k", entry);
        var read = await ReadAsync(store, "k", new() { WithoutPayload = true });
        read.Status.Should().Be(StoreLookupStatus.Found);
        read.Stamp.Should().Be(stamp);
        read.ExpiresAt.Should().Be(entry.ExpiresAt);
        read.RetainUntil.Should().Be(entry.RetainUntil);
        read.Text.Should().BeOneOf("", "value");
    }

    [Fact]
    public async Task Tag_hints_change_nothing_right_or_wrong()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value", "t", "u"));
        await InvalidateTagsAsync(store, "wrong");
        foreach (IReadOnlyList<string>? hints in new IReadOnlyList<string>?[] { null, [], ["t"], ["u", "t"], ["wrong"], ["t", "wrong", "never used"] })
        {
            (await ReadAsync(store, "k", new() { TagHints = hints })).Text.Should().Be("value");
        }

        await InvalidateTagsAsync(store, "u");
        foreach (IReadOnlyList<string>? hints in new IReadOnlyList<string>?[] { null, [], ["t"], ["u"], ["wrong"] })
        {
            (await ReadAsync(store, "k", new() { TagHints = hints })).Status.Should().Be(StoreLookupStatus.Missing);
        }
    }

    [Fact]
    public async Task The_payload_stays_as_it_is_while_the_lookup_is_open()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("first value"));
        using var lookup = await Soon(store.ReadAsync("k", default, CancellationToken.None));
        await SetAsync(store, "k", Entry("other value"));
        await InvalidateAsync(store, "k");
        await Soon(store.ClearAsync(CancellationToken.None));
        await SetAsync(store, "j", Entry("third value"));
        lookup.Payload.Span.SequenceEqual("first value"u8).Should().BeTrue();
    }

    [Fact]
    public async Task A_call_given_up_beforehand_is_cancelled_or_done_and_does_no_harm()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value"));
        var cancelled = new CancellationToken(canceled: true);
        Func<Task>[] calls =
        [
            async () => (await store.ReadAsync("k", default, cancelled)).Dispose(),
            async () => await store.WriteAsync("other", Entry("value"), StoreCondition.Always, cancelled),
            async () => await store.InvalidateAsync("other", InvalidationKind.Remove, cancelled),
            async () => await store.InvalidateTagsAsync(["t"], TagMatch.Any, InvalidationKind.Remove, cancelled),
            async () => await store.SetExpirationAsync("other", 1, Clock.GetUtcNow(), Clock.GetUtcNow(), cancelled),
        ];
        foreach (var call in calls)
        {
            try
            {
                await Soon(call());
            }
            catch (OperationCanceledException)
            {
                // That is one of the two.
            }
        }

        await ExpectAsync(store, "k", "value");
    }
}
