using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Tests.Documentation;

namespace CacheKit.Tests.Stores;

/// <summary>The page on stores of one's own shows the very store that the contract was run against.</summary>
public sealed class DictionaryStorePageTests
{
    [Fact]
    public void The_page_shows_the_store_that_is_tested()
    {
        var file = File.ReadAllText(Repository.PathTo("tests", "CacheKit.Tests", "Stores", "DictionaryStore.cs")).ReplaceLineEndings("\n");
        MarkdownSnippet.ReadAll("docs/own-store.md").Select(snippet => snippet.Code)
            .Should().ContainSingle(code => code.Contains("class DictionaryStore(TimeProvider timeProvider, int maximumKeys", StringComparison.Ordinal))
            .Which.Should().EndWith(file[file.IndexOf("/// <summary>", StringComparison.Ordinal)..].TrimEnd());
    }

    [Fact]
    public async Task A_full_store_starts_over_and_refuses_what_was_begun_before()
    {
        await using var store = new DictionaryStore(new ManualTimeProvider(), maximumKeys: 10);
        var entry = new StoreEntry { ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = ["t"] };
        using var lookup = await store.ReadAsync("removed", default, default);
        await store.InvalidateAsync("removed", InvalidationKind.Remove, default);
        for (var i = 0; i < 25; i++)
        {
            (await store.WriteAsync($"k{i}", entry, StoreCondition.Always, default)).IsStored.Should().BeTrue();
            using var found = await store.ReadAsync($"k{i}", default, default);
            found.IsFound.Should().BeTrue();
            (await store.WriteAsync("removed", entry, StoreCondition.IfCurrent(lookup.LoadStamp), default)).IsStored.Should().BeFalse();
        }

        using var first = await store.ReadAsync("k0", default, default);
        first.IsFound.Should().BeFalse();
    }
}
