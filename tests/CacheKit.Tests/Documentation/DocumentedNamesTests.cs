using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.Documentation;

/// <summary>What the pages list is what there is: options, event ids, instruments, tests, pages.</summary>
public sealed partial class DocumentedNamesTests
{
    /// <summary>Options that hold code or secrets, or that a section without the one it stands beside may hold.</summary>
    private static readonly string[] _notInTheSection =
    [
        nameof(CacheEntryOptions.ExpirationTokens), nameof(MemoryOptions.SizeOf), "Memory:MaximumBytes", nameof(IsolationOptions.JsonSerializerOptions), nameof(SerializationOptions.Encryption),
        nameof(DiskOptions.Path), nameof(DiskOptions.Store),
    ];

    [Fact]
    public void The_section_that_getting_started_shows_has_every_option()
    {
        var page = File.ReadAllText(Repository.PathTo("docs/getting-started.md"));
        var json = JsonBlock().Match(page).Groups["json"].Value;
        using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json));
        var section = new ConfigurationBuilder().AddJsonStream(stream).Build().GetRequiredSection("CacheKit");

        Missing("DefaultEntryOptions:", typeof(CacheEntryOptions)).Concat(Missing("", typeof(CacheKitOptions))).Concat(Missing("Isolation:", typeof(IsolationOptions)))
            .Concat(Missing("Serialization:", typeof(SerializationOptions))).Concat(Missing("Memory:", typeof(MemoryOptions))).Concat(Missing("Disk:", typeof(DiskOptions)))
            .Should().BeEmpty();
        using var provider = new ServiceCollection().AddCacheKit(section, cache => cache.UseDisk("disk")).BuildServiceProvider();
        provider.GetRequiredService<IOptions<CacheKitOptions>>().Value.DefaultEntryOptions.MemoryExpiration.Should().NotBeNull();
        provider.GetRequiredService<IOptions<MemoryOptions>>().Value.MaximumEntries.Should().NotBeNull();
        provider.GetRequiredService<IOptions<DiskOptions>>().Value.ExpectedTags.Should().NotBeNull();

        IEnumerable<string> Missing(string path, Type type) => type.GetProperties()
            .Select(property => property.Name)
            .Where(name => !_notInTheSection.Contains(name) && !_notInTheSection.Contains(path + name) && !section.GetSection(path + name).Exists())
            .Select(name => path + name);
    }

    [Theory]
    [InlineData("CacheKit.Cache", "src/CacheKit/Diagnostics/CacheLog.cs", 1, 59)]
    [InlineData("CacheKit.HybridCache", "src/CacheKit/Diagnostics/CacheLog.cs", 60, 69)]
    [InlineData("CacheKit.Disk", "src/CacheKit/Disk/DiskLog.cs", 1, 999)]
    [InlineData("CacheKit.Redis", "src/CacheKit.Redis/Diagnostics/RedisLog.cs", 1, 999)]
    public void Operations_lists_every_event_with_its_level(string category, string source, int from, int to)
    {
        var page = File.ReadAllText(Repository.PathTo("docs/operations.md"));
        var table = page[page.IndexOf($"**`{category}`**", StringComparison.Ordinal)..];
        var documented = Row().Matches(table[..table.IndexOf("\n\n", table.IndexOf("|---", StringComparison.Ordinal), StringComparison.Ordinal)])
            .Select(match => $"{match.Groups["id"].Value} {match.Groups["level"].Value}");
        var written = LoggerMessage().Matches(File.ReadAllText(Repository.PathTo(source)))
            .Where(match => int.Parse(match.Groups["id"].ValueSpan, null) is var id && id >= from && id <= to)
            .Select(match => $"{match.Groups["id"].Value} {match.Groups["level"].Value}");
        documented.Should().BeEquivalentTo(written);
    }

    [Fact]
    public void Operations_lists_every_instrument()
    {
        var page = File.ReadAllText(Repository.PathTo("docs/operations.md"));
        Instrument().Matches(File.ReadAllText(Repository.PathTo("src/CacheKit/Diagnostics/CacheInstruments.cs")))
            .Select(match => match.Groups["name"].Value)
            .Where(name => !page.Contains($"| `{name}` |", StringComparison.Ordinal))
            .Should().BeEmpty();
    }

    [Fact]
    public void Consistency_names_tests_that_exist()
    {
        var files = Directory.GetFiles(Repository.PathTo("tests"), "*.cs", SearchOption.AllDirectories)
            .Concat(Directory.GetFiles(Repository.PathTo("src/CacheKit.Testing.Contracts"), "*.cs", SearchOption.AllDirectories))
            .Select(Path.GetFileNameWithoutExtension)
            .ToHashSet();
        var named = TestName().Matches(File.ReadAllText(Repository.PathTo("docs/consistency.md"))).Select(match => match.Groups["name"].Value).ToArray();
        named.Should().NotBeEmpty();
        named.Where(name => !files.Contains(name)).Should().BeEmpty();
    }

    [Fact]
    public void The_index_leads_to_every_page()
    {
        var index = File.ReadAllText(Repository.PathTo("docs/README.md"));
        Directory.GetFiles(Repository.PathTo("docs"), "*.md")
            .Select(path => Path.GetFileName(path))
            .Where(name => name != "README.md" && !index.Contains($"]({name})", StringComparison.Ordinal))
            .Should().BeEmpty();
    }

    [GeneratedRegex(@"```json\r?\n(?<json>.*?)```", RegexOptions.Singleline)]
    private static partial Regex JsonBlock();

    [GeneratedRegex(@"^\| (?<id>\d+) \| (?<level>\w+)", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"\[LoggerMessage\((?<id>\d+), LogLevel\.(?<level>\w+)")]
    private static partial Regex LoggerMessage();

    [GeneratedRegex(@"(Counter|Histogram)(<\w+>)?\(""(?<name>[a-z_.]+)""")]
    private static partial Regex Instrument();

    [GeneratedRegex(@"`(?<name>\w+(Tests|Contract))`")]
    private static partial Regex TestName();
}
